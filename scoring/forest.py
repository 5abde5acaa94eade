"""Score with a Random Forest in flat arrays: the exact number of scikit-learn, without scikit-learn.

A node is one int64, so that a step down a tree is one load:

     63 ............ 32 31 ........... 8 7 ...... 0
    [ threshold, int32 | left child      | feature  ]

The threshold is the largest float32 that is not above scikit-learn's float64 one (features are float32, so the
comparison has the same result), turned into an int32 of the same order. The right child follows the left one: the next
node is `left + (value > threshold)`, without a branch. A leaf points to itself.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scoring.kernels.compiled import compiled
from scoring.kernels.forest import WIDTH, block_rows
from scoring.model import LEAF, Tree


class Forest:
    """Packed trees and the scaling of their features. Immutable: safe to share between threads and after fork."""

    def __init__(self, trees: Sequence[Tree], mean: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        packed = [_pack(tree) for tree in trees]
        self._nodes = np.concatenate([nodes for nodes, _, _ in packed])
        self._probability = np.concatenate([probability for _, probability, _ in packed])
        self._roots = np.cumsum([0, *(len(nodes) for nodes, _, _ in packed)], dtype=np.int64)
        self._depths = np.array([depth for _, _, depth in packed], dtype=np.int64)
        self._mean, self._scale = (np.array(values, dtype=np.float64) for values in (mean, scale))
        self.base_rate = float(self._probability[self._roots[:-1]].sum() / len(trees))
        self._kernels = compiled()

    def score(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of class 1, (n,), by unscaled features, (features, n).

        The trees' probabilities are summed in file order in float64 and divided once by their number.
        """
        scores = np.empty(raw.shape[1])
        model = (self._mean, self._scale, self._nodes, self._probability, self._roots, self._depths)
        scaled = np.zeros(len(raw) * block_rows(len(scores)), np.float32)
        self._kernels.walk(raw, *model, scores, scaled, scaled.view(np.int32), np.empty(WIDTH, np.int32))
        return scores

    def contributions(
        self, raw: NDArray[np.float64], rows: NDArray[np.int64], most: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the contributions of all features to the scores of the k events at `rows`, and the largest of them.

        Contributions, (k, features), and `base_rate` add up to the score. The indices of the `most` largest, (k, most),
        have ties in the order of features. The change of probability at a step down a tree belongs to the feature that
        the step compares, averaged over the trees (Saabas 2014, "Interpreting random forests"; treeinterpreter is the
        oracle in tests).
        """
        moved = np.empty((len(rows), len(raw)))
        largest = np.empty((len(rows), min(most, len(raw))), np.int64)
        model = (self._mean, self._scale, self._nodes, self._probability, self._roots)
        scaled = np.empty(len(raw), np.float32)
        self._kernels.attribute(raw, rows, *model, moved, largest, scaled, scaled.view(np.int32))
        return moved, largest


def ordered(values: NDArray[np.float64]) -> NDArray[np.int32]:
    """Convert float64 to float32, then to an int32 of the same order (negative floats are sign and magnitude)."""
    with np.errstate(over="ignore"):  # larger than float32 becomes infinite, which compares right
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.int32)
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


def _pack(tree: Tree) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Return the nodes level by level, children side by side, their probabilities, and the tree's depth."""
    order, left, depth = _levels(tree)
    leaf = tree.left[order] == LEAF
    threshold = ordered(_float32_below(tree.threshold[order])).astype(np.int64)
    threshold[leaf] = np.iinfo(np.int32).max
    feature = np.where(leaf, 0, tree.feature[order])
    return (threshold << 32) | (left << 8) | feature, tree.probability[order], depth


def _levels(tree: Tree) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Number the nodes breadth first; return their old indices, their left children (a leaf: itself), the depth."""
    levels = [np.zeros(1, dtype=np.int64)]
    left: list[NDArray[np.int64]] = []
    start = 0  # of the level, in the new numbering
    while len(levels[-1]):
        level = levels[-1]
        inner = tree.left[level] != LEAF
        child = start + len(level) + 2 * (np.cumsum(inner) - 1)
        left.append(np.where(inner, child, start + np.arange(len(level))))
        parents = level[inner]
        levels.append(np.column_stack([tree.left[parents], tree.right[parents]]).ravel())
        start += len(level)
    return np.concatenate(levels), np.concatenate(left), len(levels) - 2


def _float32_below(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round thresholds down to float32: for a float32 x, x <= the result exactly when x <= threshold."""
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    below = np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)
    return below.astype(np.float64) + 0.0  # -0.0 becomes 0.0, which is above -0.0 in the order of int32
