"""What moved a score: the five largest contributions of a High event, as its alert shows them."""

import sys
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES
from scoring.verdicts import Contribution

MOST: Final = 5
LARGEST: Final = sys.float_info.max

Matrix = NDArray[np.float64]


def largest(
    names: Sequence[str], raw: Matrix, rows: NDArray[np.int64], moved: Matrix, text: Callable[[str, int], str]
) -> dict[int, list[Contribution]]:
    """By row, the features that moved its score most: by size, ties in the order of `names`.

    `raw` is of all events, (features, n), `moved` of the k at `rows`, (features, k); `text` gives the string of a
    category of one row.
    """
    chosen = np.argsort(-np.abs(moved), axis=0, kind="stable")[:MOST]
    values = np.minimum(raw[chosen, rows], LARGEST)  # a rate over next to no time is infinite, which JSON has not
    sizes = moved[chosen, np.arange(len(rows))]
    found: dict[int, list[Contribution]] = {}
    for row, features, *rest in zip(*(each.T.tolist() for each in (rows, chosen, values, sizes)), strict=True):
        shown = zip([names[feature] for feature in features], *rest, strict=True)
        found[row] = [
            Contribution(name, text(name, row) if name in CATEGORIES else value, size) for name, value, size in shown
        ]
    return found
