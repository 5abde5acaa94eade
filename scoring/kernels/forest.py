"""Walk events down the trees of a forest (the layout of a node: scoring/forest.py).

block:  8 x 8 events, their features as int32 of the same order as float32; 8 events walk side by side

[ feature 0: events 0…7 | feature 1: events 0…7 | … || feature 0: events 8…15 | … ]
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.kernels.compiler import Kernel

WIDTH: Final = 8  # events walked side by side: a loop of constant length, unrolled. µs a row: 4 1.4, 8 1.0, 16 1.6
BLOCKS: Final = 8  # of that width, before the next tree: it then stays in the L1 cache (1.0 µs a row instead of 1.1)
MAGNITUDE: Final = np.int32(0x7FFFFFFF)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def block_rows(n: int) -> int:
    """Return how many events a block holds when n events are walked."""
    return WIDTH * min(max(-(-n // WIDTH), 1), BLOCKS)


def walk(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    raw: Floats,  # (features, n), unscaled
    mean: Floats,
    scale: Floats,
    nodes: Integers,
    probability: Floats,
    roots: Integers,  # (trees + 1,)
    depths: Integers,
    scores: Floats,  # (n,), written
    scaled: NDArray[np.float32],  # (features x events of a block,), overwritten
    block: NDArray[np.int32],  # the same memory
    at: NDArray[np.int32],  # (WIDTH,), overwritten
) -> None:
    """Write the probabilities of class 1 of the events: the means over the trees."""
    features, n = raw.shape
    most = scaled.shape[0] // features
    for first in range(0, n, most):
        rows = min(most, n - first)
        scale_block(raw, first, rows, mean, scale, scaled)
        order_bits(block)
        walk_block(block, features, nodes, probability, roots, depths, at, scores[first : first + rows])


def scale_block(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    raw: Floats, first: int, rows: int, mean: Floats, scale: Floats, scaled: NDArray[np.float32]
) -> None:
    """Scale the features of some events into a block."""
    for start in range(0, rows, WIDTH):
        own = scaled[start * raw.shape[0] : (start + WIDTH) * raw.shape[0]]
        for f in range(raw.shape[0]):
            for r in range(min(WIDTH, rows - start)):
                own[f * WIDTH + r] = np.float32((raw[f, first + start + r] - mean[f]) / scale[f])


def walk_block(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    block: NDArray[np.int32],
    features: int,
    nodes: Integers,
    probability: Floats,
    roots: Integers,
    depths: Integers,
    at: NDArray[np.int32],
    scores: Floats,  # (rows,), written
) -> None:
    """Score the events of a block, tree after tree."""
    scores[:] = 0.0
    for t in range(depths.shape[0]):
        tree = nodes[roots[t] : roots[t + 1]]
        leaves = probability[roots[t] : roots[t + 1]]
        for start in range(0, scores.shape[0], WIDTH):
            own = block[start * features : (start + WIDTH) * features]
            for r in range(WIDTH):  # in a function of its own this takes a seventh longer
                at[r] = 0
            for _ in range(depths[t]):
                for r in range(WIDTH):
                    node = tree[at[r]]
                    right = np.int64(own[(node & 0xFF) * WIDTH + r]) > (node >> 32)
                    at[r] = np.int32((node >> 8) & 0xFFFFFF) + np.int32(right)
            for r in range(min(WIDTH, scores.shape[0] - start)):
                scores[start + r] += leaves[at[r]]
    for r in range(scores.shape[0]):
        scores[r] /= depths.shape[0]


def order_bits(bits: NDArray[np.int32]) -> None:
    """Turn the bits of float32 into integers of the same order: negative floats are sign and magnitude."""
    for i in range(len(bits)):
        bits[i] ^= (bits[i] >> np.int32(31)) & MAGNITUDE


WALK: Final = Kernel(
    "void(float64[:,::1], float64[::1], float64[::1], int64[::1], float64[::1], int64[::1], int64[::1], float64[::1],"
    "float32[::1], int32[::1], int32[::1])",
    walk,
)
