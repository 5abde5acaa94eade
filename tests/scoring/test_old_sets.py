"""Sets that other versions of scikit-learn wrote: loaded without them, and scored as they scored themselves."""

import json
from pathlib import Path
from typing import Any

import pytest

from scoring import Scorer
from tests.scoring.sets_of_old import make

HERE = Path(make.__file__).parent
OLD = ("scikit-learn-1.2", "scikit-learn-1.4")
PROTOCOLS = (2, 3, 4, 5)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sets, by the scikit-learn that is installed."""
    place = tmp_path_factory.mktemp("installed")
    make.write(place)
    return place


def event(row: dict[str, float]) -> dict[str, Any]:
    return {name: make.CLASSES[name][int(value)] if name in make.CLASSES else value for name, value in row.items()}


def assert_scored_as_written(place: Path, protocol: int) -> None:
    answers = json.loads((place / "scores.json").read_text())
    scorer = Scorer.load(place / f"protocol-{protocol}", allow_unverified=True)
    rows = [dict(zip(answers["columns"], row, strict=True)) for row in answers["rows"]]

    said = [scorer.score(event(row)).anomaly_score for row in rows]

    assert len(set(said)) > 20
    assert said == pytest.approx(answers["scores"], rel=0, abs=1e-12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("version", OLD)
def test_a_set_of_an_old_scikit_learn_scores_as_it_did_there(version: str, protocol: int) -> None:
    assert_scored_as_written(HERE / version, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_set_of_the_scikit_learn_installed_scores_as_it_does_there(installed: Path, protocol: int) -> None:
    assert_scored_as_written(installed, protocol)


@pytest.mark.parametrize("version", OLD)
def test_the_old_sets_hold_what_is_old_about_them(version: str) -> None:
    """Modules by numpy 1's names, a pandas timestamp and numpy's own numbers as imputed values."""
    for protocol in PROTOCOLS:
        imputed = (HERE / version / f"protocol-{protocol}" / "imputation_values.pkl").read_bytes()
        assert b"numpy.core.multiarray" in imputed
        assert b"_unpickle_timestamp" in imputed
        assert version.removeprefix("scikit-learn-").encode() in (
            HERE / version / f"protocol-{protocol}" / "rf_model.pkl"
        ).read_bytes()  # fmt: skip


def test_the_imputed_hour_of_an_old_set_is_that_of_its_timestamp(installed: Path) -> None:
    for place in (*(HERE / version for version in OLD), installed):
        assert Scorer.load(place / "protocol-4", allow_unverified=True).artifacts.model.imputation.hour == 3
