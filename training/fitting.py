"""Fit the objects of an artifact set: imputation values, category classes, scaling and the forest."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns
from scoring.contract import CATEGORIES, COUNTS, DATE, NUMERIC, UNKNOWN
from scoring.model import DERIVED, FEATURES, Imputation
from scoring.preprocessing import Preprocessor
from training import train_extra
from training.labelled_sessions import LabelledSessions, empty_fields
from training.synthetic.sessions import LABEL

with train_extra():
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.preprocessing import LabelEncoder, StandardScaler

DEFAULT_DAY: Final = "1970-01-01"  # of the imputed date when no session has one: only its hour is read
NOON: Final = 12  # an hour that no reason rule is about
TREES_PER_STEP: Final = 10  # between two updates of the progress

Features = NDArray[np.float32]


Track = Callable[[Sequence[int], str], Iterable[int]]
"""Iterates over a sequence and shows the progress under a description, as rich.progress.track does."""


def no_progress(sequence: Sequence[int], _description: str) -> Iterable[int]:
    """Iterate over the sequence and show no progress."""
    return sequence


@dataclass(frozen=True)
class ForestParameters:
    """Hyperparameters of the forest."""

    trees: int = 100
    depth: int = 10
    # the weight of an attack is (honest / attacks) to this power: 0 counts sessions, 1 balances the classes.
    balance: float = 0.75
    leaves: int = 128  # of one tree: bounds the size of the files
    sessions_per_leaf: int = 5


@dataclass(frozen=True)
class FittedSet:
    """The objects of a set's five files, by the files' names."""

    rf_model: Any
    scaler: Any
    label_encoders: dict[str, Any]
    feature_cols: list[str]
    imputation_values: dict[str, float | int | str]


@dataclass(frozen=True)
class FittedPreprocessing:
    """The preprocessing in front of the forest."""

    imputation: Imputation
    classes: dict[str, tuple[str, ...]]
    scaler: Any

    def features(self, columns: Columns) -> Features:
        """Return scaled features, (n, 33), in the precision in which trees compare."""
        raw = _raw(columns, self.imputation, self.classes)
        scaled = np.empty(raw.shape[::-1], dtype=np.float32)
        for i, (mean, scale) in enumerate(zip(self.scaler.mean_, self.scaler.scale_, strict=True)):
            scaled[:, i] = (raw[i] - mean) / scale
        return scaled


def fit(data: LabelledSessions, parameters: ForestParameters, seed: int, track: Track) -> FittedSet:
    """Fit all five objects on the same rows. The same data, parameters and seed give the same bytes when pickled."""
    fitted = fit_preprocessing(data.columns)
    forest = make_forest(parameters, data.label, seed, data.honest_weight)
    return FittedSet(
        rf_model=_grow(forest, fitted.features(data.columns), data.label, track),
        scaler=fitted.scaler,
        label_encoders={field: LabelEncoder().fit(np.array(fitted.classes[field])) for field in CATEGORIES},
        feature_cols=list(FEATURES),
        imputation_values=_imputation_values(fitted, data),
    )


def fit_preprocessing(columns: Columns) -> FittedPreprocessing:
    """Fit the imputation, the classes and the scaling."""
    imputation, classes = fit_imputation(columns), category_classes(columns)
    # a frame, so that the scaler keeps the features' names for people who open the file
    frame = pd.DataFrame(_raw(columns, imputation, classes).T, columns=list(FEATURES))
    return FittedPreprocessing(imputation, classes, StandardScaler().fit(frame))


def fit_imputation(columns: Columns) -> Imputation:
    """Return 0 for a count, the mean of a number, the mode of a category, the most frequent hour.

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
    ranked = [(-count, string) for string, count in counts.items() if string is not None]
    return min(ranked)[1] if ranked else UNKNOWN


def constant_fields(columns: Columns) -> dict[str, str]:
    """Return field -> the constant imputed in every session, as text, for fields without any value."""
    return {
        field: "0" if field in NUMERIC else UNKNOWN if field in CATEGORIES else f"{NOON}:00"
        for field in empty_fields(columns)
    }


def category_classes(columns: Columns) -> dict[str, tuple[str, ...]]:
    """Return field -> its strings in order, among them `unknown` for strings first seen when serving."""
    return {
        field: tuple(sorted({string for string in columns.category_counts(i) if string is not None} | {UNKNOWN}))
        for i, field in enumerate(CATEGORIES)
    }


def attack_weight(label: NDArray[np.int64], balance: float, honest_weight: float = 1.0) -> float:
    """Return the class weight of attacks beside 1 for honest sessions, which stand for `honest_weight` sessions."""
    attacks = int(label.sum())
    return float(((len(label) - attacks) * honest_weight / attacks) ** balance / honest_weight)


def make_forest(parameters: ForestParameters, label: NDArray[np.int64], seed: int, honest_weight: float = 1.0) -> Any:
    """Return a forest that is not grown yet. `n_jobs` does not affect the trees: every tree has its own seed."""
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


def _grow(forest: Any, features: Features, label: NDArray[np.int64], track: Track) -> Any:
    """Grow some trees at a time on all cores: the same forest as in one call on one core."""
    trees = forest.n_estimators
    forest.set_params(warm_start=True, n_jobs=-1)
    for count in track([*range(TREES_PER_STEP, trees, TREES_PER_STEP), trees], "growing trees"):
        forest.set_params(n_estimators=count).fit(features, label)
    return forest.set_params(warm_start=False, n_jobs=1)


def _imputation_values(fitted: FittedPreprocessing, data: LabelledSessions) -> dict[str, float | int | str]:
    """Return plain values by column. Serving reads the raw fields; `label` and derived features are there by custom."""
    numbers = zip(NUMERIC, fitted.imputation.numbers.tolist(), strict=True)
    values: dict[str, float | int | str] = {name: int(v) if name in COUNTS else v for name, v in numbers}
    values |= dict(zip(CATEGORIES, fitted.imputation.categories, strict=True))
    values[DATE] = f"{data.newest or DEFAULT_DAY}T{fitted.imputation.hour:02d}:00:00"
    values[LABEL] = data.prevalence
    means = dict(zip(FEATURES, fitted.scaler.mean_.tolist(), strict=True))
    return values | {name: means[name] for name in DERIVED}
