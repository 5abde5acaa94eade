"""A model as plain values: its trees, how features are scaled and encoded, and what fills a gap."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
