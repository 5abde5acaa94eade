"""Sets that other versions of scikit-learn wrote: loaded without them, and scored as they scored themselves."""

import json
from pathlib import Path
from typing import Any

import pytest

from scoring import Scorer
from tests.scoring.sets_of_old import make

HERE = Path(make.__file__).parent
OLD = ("scikit-learn-1.2", "scikit-learn-1.4")
DUMPED = ("scikit-learn-0.24", "scikit-learn-1.3")
PROTOCOLS = (2, 3, 4, 5)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sets, by the scikit-learn that is installed."""
    place = tmp_path_factory.mktemp("installed")
    make.write(place, make.KINDS)
    return place


def event(row: dict[str, float]) -> dict[str, Any]:
    return {name: make.CLASSES[name][int(value)] if name in make.CLASSES else value for name, value in row.items()}


def scored(place: Path, kind: str) -> list[float]:
    answers = json.loads((place / "scores.json").read_text())
    scorer = Scorer.load(place / kind, allow_unverified=True)
    rows = [dict(zip(answers["columns"], row, strict=True)) for row in answers["rows"]]
    return [scorer.score(event(row)).anomaly_score for row in rows]


def assert_scored_as_written(place: Path, kind: str) -> None:
    said = scored(place, kind)

    assert len(set(said)) > 20
    assert said == pytest.approx(json.loads((place / "scores.json").read_text())["scores"], rel=0, abs=1e-12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("version", OLD)
def test_a_set_of_an_old_scikit_learn_scores_as_it_did_there(version: str, protocol: int) -> None:
    assert_scored_as_written(HERE / version, f"protocol-{protocol}")


@pytest.mark.parametrize("kind", ["protocol-4", *make.COMPRESSIONS])
@pytest.mark.parametrize("version", DUMPED)
def test_a_set_dumped_by_an_old_joblib_scores_as_it_did_there(version: str, kind: str) -> None:
    assert_scored_as_written(HERE / version, kind)


@pytest.mark.parametrize("kind", make.KINDS)
def test_a_set_of_the_scikit_learn_installed_scores_as_it_does_there(installed: Path, kind: str) -> None:
    assert_scored_as_written(installed, kind)


@pytest.mark.parametrize("version", [*DUMPED, "installed"])
def test_a_dumped_set_scores_as_the_pickled_one_to_the_bit(installed: Path, version: str) -> None:
    place = installed if version == "installed" else HERE / version
    pickled = scored(place, "protocol-4")
    for kind in make.COMPRESSIONS:
        assert scored(place, kind) == pickled, kind


def test_arrays_are_padded_by_joblib_since_1_2_and_not_before() -> None:
    """So that the sets above hold both."""
    padded = {version: b"numpy_array_alignment_bytes" in scaler(version) for version in DUMPED}
    assert padded == {"scikit-learn-0.24": False, "scikit-learn-1.3": True}


def scaler(version: str) -> bytes:
    return (HERE / version / "joblib" / "scaler.pkl").read_bytes()


@pytest.mark.parametrize("version", DUMPED)
def test_the_dumped_sets_name_their_columns_by_an_index_and_a_date_with_a_zone(version: str) -> None:
    columns = (HERE / version / "joblib" / "feature_cols.pkl").read_bytes()
    imputed = (HERE / version / "joblib" / "imputation_values.pkl").read_bytes()

    assert b"_new_Index" in columns
    assert b"Asia/Kolkata" in imputed
    assert Scorer.load(HERE / version / "joblib", allow_unverified=True).artifacts.model.imputation.hour == 3


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
