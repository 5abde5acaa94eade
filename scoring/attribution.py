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


def contributions(  # noqa: PLR0913, PLR0917 - what was computed of each row, and how it reads
    names: Sequence[str],
    raw: Matrix,
    rows: NDArray[np.int64],
    moved: Matrix,
    largest: NDArray[np.int64],
    text: Callable[[str, int], str],
) -> dict[int, list[Contribution]]:
    """By row, the features that moved its score most.

    `raw` is of all events, (features, n); `moved` of the k at `rows`, (k, features), and `largest` of their features,
    (k, most); `text` gives the string of a category of one row.
    """
    most, features = largest.shape[1], largest.ravel()  # row by row, as all below
    # a rate over next to no time is infinite, which JSON has not
    values: list[float | str] = np.minimum(raw[largest, rows[:, None]], LARGEST).ravel().tolist()
    is_category = np.array([name in CATEGORIES for name in names])
    for place in np.flatnonzero(is_category[features]).tolist():
        values[place] = text(names[features[place]], int(rows[place // most]))
    sizes = np.take_along_axis(moved, largest, axis=1).ravel().tolist()
    made = list(map(Contribution, map(names.__getitem__, features.tolist()), values, sizes))
    return {row: made[i * most : (i + 1) * most] for i, row in enumerate(rows.tolist())}
