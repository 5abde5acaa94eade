"""What a set learns from labelled sessions: what fills gaps, the classes, the scaling and the forest."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, COUNTS, DATE, NUMERIC
from scoring.decoding import Columns
from scoring.errors import MissingExtra
from scoring.features import DERIVED, FEATURES
from scoring.pickles import UNKNOWN, Imputation
from scoring.preprocessing import Preprocessor, matrix
from training.reading import Labelled
from training.sessions import LABEL

try:
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.preprocessing import LabelEncoder, StandardScaler
except ImportError:
    raise MissingExtra("training", "train") from None

STEP: Final = 5  # trees grown between two looks at the progress bar


class Track(Protocol):
    """Walks through a sequence and shows how far it has come: rich.progress.track has this form."""

    def __call__(self, sequence: Sequence[int], description: str) -> Iterable[int]: ...


@dataclass(frozen=True)
class Parameters:
    """How the forest is grown."""

    trees: int = 100
    depth: int = 10
    leaves: int = 128  # of one tree: bounds the size of the files
    sessions_per_leaf: int = 5
    # The weight of an attack is (people / attackers) to this power: 0 counts sessions, 1 balances the classes. In
    # between, because 1 raises the scores of a rare class until every tenth honest session is Medium.
    balance: float = 0.75


@dataclass(frozen=True)
class FiveFiles:
    """The objects of the five files."""

    rf_model: Any
    scaler: Any
    label_encoders: dict[str, Any]
    feature_cols: list[str]
    imputation_values: dict[str, float | int | str]


def fit(data: Labelled, parameters: Parameters, seed: int, track: Track) -> FiveFiles:
    """Fit all five from the same rows. The same data, parameters and seed give the same bytes when pickled."""
    imputation, classes = fill_values(data.columns), classes_of(data.columns)
    prepared = Preprocessor(imputation, classes).prepare(data.columns)
    features = matrix(prepared, FEATURES).T
    # as a frame, so that the scaler keeps the names: people who use the files by hand look there
    scaler = StandardScaler().fit(pd.DataFrame(features, columns=list(FEATURES)))
    scaled = (features - scaler.mean_) / scaler.scale_
    return FiveFiles(
        rf_model=_grow(scaled, data.label, parameters, seed, track),
        scaler=scaler,
        label_encoders={field: _encoder(classes[field]) for field in CATEGORIES},
        feature_cols=list(FEATURES),
        imputation_values=_imputation_values(imputation, data, features),
    )


def fill_values(columns: Columns) -> Imputation:
    """What fills gaps: 0 for a count, the mean of a number, the mode of a category, the most frequent hour.

    The first in order wins a tie. The hour and not the date, because dates repeat by accident (scoring.md).
    """
    numbers = [0.0 if name in COUNTS else float(np.nanmean(columns.numbers[i])) for i, name in enumerate(NUMERIC)]
    categories = []
    for column in columns.categories:
        count = Counter(value for value in column if value is not None)
        categories.append(min(count, key=lambda value: (-count[value], value)))
    hours = np.bincount(columns.hours[columns.hours >= 0], minlength=24)
    return Imputation(np.array(numbers), tuple(categories), int(hours.argmax()))


def classes_of(columns: Columns) -> dict[str, tuple[str, ...]]:
    """The strings of each category in order, and `unknown` for all that come later."""
    return {
        field: tuple(sorted({value for value in column if value is not None} | {UNKNOWN}))
        for field, column in zip(CATEGORIES, columns.categories, strict=True)
    }


def attack_weight(label: NDArray[np.int64], balance: float) -> float:
    """What an attacking session counts where an honest one counts 1."""
    attacks = int(label.sum())
    return float(((len(label) - attacks) / attacks) ** balance)


def _encoder(classes: tuple[str, ...]) -> Any:
    return LabelEncoder().fit(np.array(classes))


def _grow(
    scaled: NDArray[np.float64], label: NDArray[np.int64], parameters: Parameters, seed: int, track: Track
) -> Any:
    forest = RandomForestClassifier(
        max_depth=parameters.depth,
        max_leaf_nodes=parameters.leaves,
        min_samples_leaf=parameters.sessions_per_leaf,
        class_weight={0: 1.0, 1: attack_weight(label, parameters.balance)},
        random_state=seed,
        n_jobs=1,
        warm_start=True,  # grows a few trees at a time; the forest is the one that a single call would grow
    )
    for trees in track([*range(STEP, parameters.trees, STEP), parameters.trees], "growing trees"):
        forest.set_params(n_estimators=trees).fit(scaled, label)
    return forest.set_params(warm_start=False)


def _imputation_values(
    imputation: Imputation, data: Labelled, features: NDArray[np.float64]
) -> dict[str, float | int | str]:
    """Plain values by column. Serving reads the raw fields; `label` and the derived ones stand there by custom."""
    numbers = zip(NUMERIC, imputation.numbers.tolist(), strict=True)
    values: dict[str, float | int | str] = {name: int(v) if name in COUNTS else v for name, v in numbers}
    values |= dict(zip(CATEGORIES, imputation.categories, strict=True))
    values[DATE] = f"{data.newest}T{imputation.hour:02d}:00:00"
    values[LABEL] = float(data.label.mean())
    means = dict(zip(FEATURES, features.mean(axis=0).tolist(), strict=True))
    return values | {name: means[name] for name in DERIVED}
