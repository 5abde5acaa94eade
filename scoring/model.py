"""A model as plain values: the names of its features, its trees, and how features are scaled, encoded and imputed.

scoring/kernels/features.py computes the features, for training and for serving.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, NUMERIC

MOBILE: Final = "Mobile"
SMALL_SCREENS: Final = frozenset({"360x640", "414x896"})
LARGE_SCREENS: Final = frozenset({"1920x1080", "1440x900"})
DERIVED: Final = (
    "obvious_anomaly_flag",
    "clicks_per_sec",
    "scrolls_per_sec",
    "touches_per_sec",
    "keyboard_per_sec",
    "interaction_score",
    "is_odd_hour",
    "is_large_transaction",
    "is_short_session",
    "interaction_diversity",
    "behavioural_consistency",
    "input_to_navigation_ratio",
    "active_to_passive_ratio",
    "session_complexity",
    "transaction_per_min",
    "is_high_value_short_session",
    "is_small_screen",
    "is_large_screen",
)
FEATURES: Final = (*NUMERIC, *CATEGORIES, *DERIVED)
"""All features, in the order of training."""

LEAF: Final = -1
"""scikit-learn's mark of a leaf in `left_child`."""
MOST_FEATURES: Final = 1 << 8
MOST_NODES: Final = 1 << 24  # of one tree; these two bound what a packed node holds (scoring/forest.py)


@dataclass(frozen=True, slots=True)
class Tree:
    """One decision tree, its nodes in scikit-learn's order and fields."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    probability: NDArray[np.float64]  # of class 1, at every node


@dataclass(frozen=True, slots=True)
class Imputation:
    """What fills a gap, field by field in the order of the contract."""

    numbers: NDArray[np.float64]  # (9,)
    categories: tuple[str, ...]  # six
    hour: int


@dataclass(frozen=True, slots=True)
class Model:
    """The content of the five files of a set."""

    trees: tuple[Tree, ...]
    mean: NDArray[np.float64]  # (features,)
    scale: NDArray[np.float64]
    classes: dict[str, tuple[str, ...]]  # category -> classes, in the order of their codes
    feature_names: tuple[str, ...]
    imputation: Imputation
