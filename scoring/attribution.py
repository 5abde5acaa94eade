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
    most = len(chosen)
    features = chosen.T.ravel()  # row by row, as all below
    # a rate over next to no time is infinite, which JSON has not
    values: list[float | str] = np.minimum(raw[chosen, rows], LARGEST).T.ravel().tolist()
    is_category = np.array([name in CATEGORIES for name in names])
    for place in np.flatnonzero(is_category[features]).tolist():
        values[place] = text(names[features[place]], int(rows[place // most]))
    sizes = moved[chosen, np.arange(len(rows))].T.ravel().tolist()
    made = list(map(Contribution, map(names.__getitem__, features.tolist()), values, sizes))
    return {row: made[i * most : (i + 1) * most] for i, row in enumerate(rows.tolist())}
