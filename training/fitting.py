"""What a set learns from labelled sessions: what fills gaps, the classes, the scaling and the forest."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns
from scoring.contract import CATEGORIES, COUNTS, DATE, NUMERIC, UNKNOWN
from scoring.errors import MissingExtra
from scoring.features import DERIVED, FEATURES
from scoring.model import Imputation
from scoring.preprocessing import Preprocessor
from training.labelled import Labelled, valueless
from training.synthetic.sessions import LABEL

try:
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.preprocessing import LabelEncoder, StandardScaler
except ImportError:
    raise MissingExtra("training", "train") from None

NO_DAY: Final = "1970-01-01"  # of the imputed date where no session has one: its hour alone is read
NOON: Final = 12  # an hour that no reason is about
STEP: Final = 10  # trees grown between two looks at the progress bar

Features = NDArray[np.float32]


class Track(Protocol):
    """Walks through a sequence and shows how far it has come: rich.progress.track has this form."""

    def __call__(self, sequence: Sequence[int], description: str) -> Iterable[int]: ...


def unseen(sequence: Sequence[int], description: str) -> Iterable[int]:  # noqa: ARG001 - the form of a Track
    """Walks through it and shows nothing."""
    return sequence


@dataclass(frozen=True)
class Parameters:
    """How the forest is grown."""

    trees: int = 100
    depth: int = 10
    # The weight of an attack is (people / attackers) to this power: 0 counts sessions, 1 balances the classes.
    balance: float = 0.75
    leaves: int = 128  # of one tree: bounds the size of the files
    sessions_per_leaf: int = 5


@dataclass(frozen=True)
class FiveFiles:
    """The objects of the five files."""

    rf_model: Any
    scaler: Any
    label_encoders: dict[str, Any]
    feature_cols: list[str]
    imputation_values: dict[str, float | int | str]


@dataclass(frozen=True)
class Preparation:
    """What is learned before any tree: what fills gaps, the classes, the scaling."""

    imputation: Imputation
    classes: dict[str, tuple[str, ...]]
    scaler: Any

    def features(self, columns: Columns) -> Features:
        """(n, 33): scaled, in the precision in which trees compare."""
        raw = _raw(columns, self.imputation, self.classes)
        scaled = np.empty(raw.shape[::-1], dtype=np.float32)
        for i, (mean, scale) in enumerate(zip(self.scaler.mean_, self.scaler.scale_, strict=True)):
            scaled[:, i] = (raw[i] - mean) / scale
        return scaled


def fit(data: Labelled, parameters: Parameters, seed: int, track: Track) -> FiveFiles:
    """Fit all five from the same rows. The same data, parameters and seed give the same bytes when pickled."""
    learned = learn(data.columns)
    return FiveFiles(
        rf_model=_grow_in_sight(forest_of(parameters, data.label, seed, data.honest_weight), learned, data, track),
        scaler=learned.scaler,
        label_encoders={field: _encoder(learned.classes[field]) for field in CATEGORIES},
        feature_cols=list(FEATURES),
        imputation_values=_imputation_values(learned, data),
    )


def learn(columns: Columns) -> Preparation:
    """What n sessions teach before any tree is grown."""
    imputation, classes = fill_values(columns), classes_of(columns)
    # as a frame, so that the scaler keeps the names: people who use the files by hand look there
    frame = pd.DataFrame(_raw(columns, imputation, classes).T, columns=list(FEATURES))
    return Preparation(imputation, classes, StandardScaler().fit(frame))


def fill_values(columns: Columns) -> Imputation:
    """What fills gaps: 0 for a count, the mean of a number, the mode of a category, the most frequent hour.

    The first in order wins a tie. The hour and not the date, because dates repeat by accident.
    A field without any value gets a constant: 0, `unknown`, or noon.
    """
    numbers = [0.0 if name in COUNTS else _mean(row) for name, row in zip(NUMERIC, columns.numbers, strict=True)]
    hours = np.bincount(columns.hours[columns.hours >= 0], minlength=24)
    hour = int(hours.argmax()) if hours.any() else NOON
    modes = tuple(_mode(columns.category_counts(field)) for field in range(len(CATEGORIES)))
    return Imputation(np.array(numbers), modes, hour)


def _mean(values: NDArray[np.float64]) -> float:
    return 0.0 if np.isnan(values).all() else float(np.nanmean(values))


def _mode(counts: Counter[str | None]) -> str:
    strings = [string for string in counts if string is not None]
    return min(strings, key=lambda string: (-counts[string], string), default=UNKNOWN)


def constants(columns: Columns) -> dict[str, str]:
    """Return what stands in every session's field that has no value at all, as text, by the field's name."""
    return {
        field: "0" if field in NUMERIC else UNKNOWN if field in CATEGORIES else f"{NOON}:00"
        for field in valueless(columns)
    }


def classes_of(columns: Columns) -> dict[str, tuple[str, ...]]:
    """The strings of each category in order, and `unknown` for all that come later."""
    return {
        field: tuple(sorted({string for string in columns.category_counts(place) if string is not None} | {UNKNOWN}))
        for place, field in enumerate(CATEGORIES)
    }


def attack_weight(label: NDArray[np.int64], balance: float, honest_weight: float = 1.0) -> float:
    """What an attacking session counts where an honest one counts 1 and stands for `honest_weight` of its like."""
    attacks = int(label.sum())
    return float(((len(label) - attacks) * honest_weight / attacks) ** balance / honest_weight)


def forest_of(parameters: Parameters, label: NDArray[np.int64], seed: int, honest_weight: float = 1.0) -> Any:
    """The forest to be grown. `n_jobs` has no influence on what is grown: each tree has a seed of its own."""
    return RandomForestClassifier(
        n_estimators=parameters.trees,
        max_depth=parameters.depth,
        max_leaf_nodes=parameters.leaves,
        min_samples_leaf=parameters.sessions_per_leaf,
        class_weight={0: 1.0, 1: attack_weight(label, parameters.balance, honest_weight)},
        random_state=seed,
        n_jobs=1,
    )


def _raw(columns: Columns, imputation: Imputation, classes: dict[str, tuple[str, ...]]) -> NDArray[np.float64]:
    return Preprocessor(imputation, classes, FEATURES).prepare(columns).raw


def _encoder(classes: tuple[str, ...]) -> Any:
    return LabelEncoder().fit(np.array(classes))


def _grow_in_sight(forest: Any, learned: Preparation, data: Labelled, track: Track) -> Any:
    """A few trees at a time, on all cores: the forest is the one that a single call on one core would grow."""
    features, every = learned.features(data.columns), forest.n_estimators
    forest.set_params(warm_start=True, n_jobs=-1)
    for trees in track([*range(STEP, every, STEP), every], "growing trees"):
        forest.set_params(n_estimators=trees).fit(features, data.label)
    return forest.set_params(warm_start=False, n_jobs=1)


def _imputation_values(learned: Preparation, data: Labelled) -> dict[str, float | int | str]:
    """Plain values by column. Serving reads the raw fields; `label` and the derived ones stand there by custom."""
    numbers = zip(NUMERIC, learned.imputation.numbers.tolist(), strict=True)
    values: dict[str, float | int | str] = {name: int(v) if name in COUNTS else v for name, v in numbers}
    values |= dict(zip(CATEGORIES, learned.imputation.categories, strict=True))
    values[DATE] = f"{data.newest or NO_DAY}T{learned.imputation.hour:02d}:00:00"
    values[LABEL] = data.prevalence
    means = dict(zip(FEATURES, learned.scaler.mean_.tolist(), strict=True))
    return values | {name: means[name] for name in DERIVED}
