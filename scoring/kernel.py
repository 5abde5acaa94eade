"""The two inner loops over the packed forest (layout: forest.py), compiled by numba.

Compiled code is kept in numba's cache when there is a place to write, keyed by CPU; without one it is compiled in
memory at every start (about a second), which is said once in the log.
"""

import functools
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.kernels.compiler import Kernel, compile_kernels

WIDTH: Final = 8  # events walked side by side: a loop of constant length, unrolled. µs a row: 4 1.4, 8 1.0, 16 1.6
BLOCKS: Final = 8  # of that width, before the next tree: it then stays in the L1 cache (1.0 µs a row instead of 1.1)

Walk = Callable[..., None]
_WALK: Final = "void(int32[:,::1], int64[::1], float64[::1], int64[::1], int64[::1], float64[::1])"
_ATTRIBUTE: Final = "void(int32[:,::1], int64[::1], float64[::1], int64[::1], float64[:,::1])"


class Kernels(NamedTuple):
    """The compiled loops."""

    walk: Walk
    attribute: Walk


def _walk(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    features: NDArray[np.int32],  # (features, n)
    nodes: NDArray[np.int64],
    probability: NDArray[np.float64],
    roots: NDArray[np.int64],  # (trees + 1,)
    depths: NDArray[np.int64],
    scores: NDArray[np.float64],  # (n,), added to
) -> None:
    at = np.empty(WIDTH, np.int32)
    block = np.zeros((BLOCKS, features.shape[0] * WIDTH), np.int32)  # lane r of feature f at f * WIDTH + r
    for first in range(0, features.shape[1], BLOCKS * WIDTH):
        rows = min(BLOCKS * WIDTH, features.shape[1] - first)
        for f in range(features.shape[0]):
            for r in range(rows):
                block[r // WIDTH, f * WIDTH + r % WIDTH] = features[f, first + r]
        for t in range(depths.shape[0]):
            tree = nodes[roots[t] : roots[t + 1]]
            leaves = probability[roots[t] : roots[t + 1]]
            for start in range(0, rows, WIDTH):
                own = block[start // WIDTH]
                for r in range(WIDTH):
                    at[r] = 0
                for _ in range(depths[t]):
                    for r in range(WIDTH):
                        node = tree[at[r]]
                        right = np.int64(own[(node & 0xFF) * WIDTH + r]) > (node >> 32)
                        at[r] = np.int32((node >> 8) & 0xFFFFFF) + np.int32(right)
                for r in range(min(WIDTH, rows - start)):
                    scores[first + start + r] += leaves[at[r]]


def _attribute(
    features: NDArray[np.int32],  # (features, n)
    nodes: NDArray[np.int64],
    probability: NDArray[np.float64],
    roots: NDArray[np.int64],
    moved: NDArray[np.float64],  # (features, n), added to
) -> None:
    own = np.empty(features.shape[0], np.int32)  # the row's features, side by side
    gained = np.empty(features.shape[0], np.float64)  # what each of them moved
    for row in range(features.shape[1]):
        for f in range(features.shape[0]):
            own[f] = features[f, row]
            gained[f] = moved[f, row]
        for t in range(roots.shape[0] - 1):
            root = roots[t]
            at = np.int64(0)
            before = probability[root]
            while True:
                node = nodes[root + at]
                f = node & 0xFF
                child = ((node >> 8) & 0xFFFFFF) + np.int64(np.int64(own[f]) > (node >> 32))
                if child == at:
                    break
                after = probability[root + child]
                gained[f] += after - before
                before, at = after, child
        for f in range(features.shape[0]):
            moved[f, row] = gained[f]


@functools.cache
def compiled() -> Kernels:
    """The loops, compiled once in a process, before the first event rather than at it."""
    kernels = [Kernel(_WALK, _walk, makes_arrays=True), Kernel(_ATTRIBUTE, _attribute, makes_arrays=True)]
    return Kernels(*compile_kernels(kernels))
