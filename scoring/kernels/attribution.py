"""Compute the contributions of features to the scores of events (the layout of a node: scoring/forest.py)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.kernels.compiler import Kernel
from scoring.kernels.forest import order_bits

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def attribute(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    raw: Floats,  # (features, n), unscaled
    rows: Integers,  # (k,): which events
    mean: Floats,
    scale: Floats,
    nodes: Integers,
    probability: Floats,
    roots: Integers,  # (trees + 1,)
    moved: Floats,  # (k, features), written
    largest: Integers,  # (k, most), written: the features with the largest contributions, ties in their order
    scaled: NDArray[np.float32],  # (features,), overwritten
    own: NDArray[np.int32],  # the same memory
) -> None:
    """Write how far the features moved the score: the mean over the trees of the changes at their nodes."""
    features, trees = raw.shape[0], roots.shape[0] - 1
    for i in range(rows.shape[0]):
        for f in range(features):
            scaled[f] = np.float32((raw[f, rows[i]] - mean[f]) / scale[f])
        order_bits(own)
        gained = moved[i]
        gained[:] = 0.0
        for t in range(trees):
            descend(own, nodes[roots[t] : roots[t + 1]], probability[roots[t] : roots[t + 1]], gained)
        for f in range(features):
            gained[f] /= trees
        select_largest(gained, largest[i])


def descend(own: NDArray[np.int32], tree: Integers, probability: Floats, gained: Floats) -> None:
    """Walk down one tree and add the changes of probability to the features that the nodes compare."""
    at = np.int64(0)
    while True:
        node = tree[at]
        f = node & 0xFF
        child = ((node >> 8) & 0xFFFFFF) + np.int64(np.int64(own[f]) > (node >> 32))
        if child == at:
            break
        gained[f] += probability[child] - probability[at]
        at = child


def select_largest(gained: Floats, largest: Integers) -> None:
    """Write the indices of the largest magnitudes, the first of equal ones first."""
    for rank in range(largest.shape[0]):
        best = -1
        for f in range(gained.shape[0]):
            used = False
            for before in range(rank):
                used |= largest[before] == f
            if not used and (best < 0 or abs(gained[f]) > abs(gained[best])):
                best = f
        largest[rank] = best


ATTRIBUTE: Final = Kernel(
    "void(float64[:,::1], int64[::1], float64[::1], float64[::1], int64[::1], float64[::1], int64[::1],"
    "float64[:,::1], int64[:,::1], float32[::1], int32[::1])",
    attribute,
)
