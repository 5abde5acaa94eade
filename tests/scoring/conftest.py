"""What the contract's tests share: small sets, loaded once beside the oracle's view of them."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from scoring import Scorer, Verdict
from tests.support.artifacts.sets import CLASSES, FEATURE_COLS, FiveFiles, encoder, small_set
from tests.support.oracle import scoring

# none of the rules holds for it, so that a rule seen to hold is the doing of what a test adds
QUIET = {
    "click_events": 3, "scroll_events": 2, "touch_events": 4, "keyboard_events": 5, "mouse_movement": 100,
    "device_motion": 0.5, "time_on_page": 40, "timezone_offset": 0, "transaction_amount": 50, "device_type": "PC",
    "screen_size": "800x600", "browser_info": "Chrome", "language": "english", "device_orientation": "none",
    "geolocation_city": "Mumbai", "transaction_date": "2025-04-18T12:00",
}  # fmt: skip


def quiet(**changes: Any) -> dict[str, Any]:
    return QUIET | changes


class Pair(NamedTuple):
    """A set as the scorer loads it, as the oracle sees it, and as scikit-learn holds it."""

    scorer: Scorer
    model: scoring.Model
    files: FiveFiles

    def __repr__(self) -> str:
        return f"<set {self.scorer.artifacts.version}>"


def load(files: FiveFiles, directory: Path) -> Pair:
    return Pair(Scorer.load(files.write(directory), allow_unverified=True), files.for_oracle(), files)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Sets unlike each other: ordinary ones, one that knows hardly a category, one with odd columns."""
    narrow = {field: encoder(("unknown", CLASSES[field][1])) for field in CLASSES}
    imputed = small_set(2).imputation_values | dict.fromkeys(CLASSES, "unknown")
    odd_columns = ["no_such_column", "click_events", "transaction_amount", "device_motion", "device_type", "label"]
    sets = [
        small_set(0),
        small_set(1, trees=33, depth=9),
        small_set(2, label_encoders=narrow, imputation_values=imputed | {"click_events": 2.5, "keyboard_events": 1}),
        small_set(3, feature_cols=odd_columns),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the odd columns are warned about, which has a test of its own
        return [load(files, tmp_path_factory.mktemp(f"set{number}")) for number, files in enumerate(sets)]


@pytest.fixture(scope="session")
def pairs_scorer(pairs: list[Pair]) -> Scorer:
    """An ordinary one of the sets."""
    return pairs[0].scorer


@pytest.fixture(scope="session")
def all_high(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """A scorer that calls every event High: each verdict then shows its first three reasons."""
    return load(always(0.9), tmp_path_factory.mktemp("high")).scorer


@pytest.fixture(scope="session")
def all_medium(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return load(always(0.6), tmp_path_factory.mktemp("medium")).scorer


@pytest.fixture(scope="session")
def all_low(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return load(always(0.2), tmp_path_factory.mktemp("low")).scorer


def always(score: float, feature_cols: tuple[str, ...] = FEATURE_COLS, **changes: Any) -> FiveFiles:
    """A set whose trees are single leaves, so that every event scores about `score`."""
    labels = np.arange(1000) < 1000 * score
    forest = RandomForestClassifier(5, min_samples_leaf=1000, bootstrap=False, n_jobs=1, random_state=0)
    forest.fit(np.zeros((1000, len(feature_cols))), labels.astype(np.int64))
    return small_set(0, feature_cols=list(feature_cols), rf_model=forest, **changes)


class FeatureSeen(Protocol):
    """Scores an event by a set of one feature only: what value of it the contributions show, and the verdict."""

    def __call__(self, event: Any, name: str, **changes: Any) -> tuple[float | str, Verdict]: ...


@pytest.fixture
def feature_seen(tmp_path: Path) -> FeatureSeen:
    def seen(event: Any, name: str, **changes: Any) -> tuple[float | str, Verdict]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verdict = load(always(0.9, (name,), **changes), tmp_path).scorer.score(event)
        return verdict.contributions[0].value, verdict

    return seen
