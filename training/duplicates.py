"""Rows that come twice: equal to another in all that matters, with the other's label or the opposite one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns
from scoring.contract import CATEGORIES, NUMERIC
from scoring.errors import MissingExtra

try:
    import pandas as pd
except ImportError:
    raise MissingExtra("training", "train") from None

Prints = NDArray[np.uint64]


def fingerprints(columns: Columns, users: NDArray[np.object_], dates: NDArray[np.datetime64]) -> Prints:
    """(n,): equal for rows that are equal in user and in every field that the model reads, the date to the second.

    64 bits: among 5 million different rows, two share one with a chance of about 1 in a million.
    """
    frame = pd.DataFrame({**by_field(columns), "user": users, "date": dates}, copy=False)
    return np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)


def by_field(columns: Columns) -> dict[str, Any]:
    """Return the numbers and categories as columns of a frame."""
    categories = {
        name: pd.Categorical.from_codes(codes, pd.Index([*strings]))
        for name, codes, strings in zip(CATEGORIES, columns.codes, columns.strings, strict=True)
    }
    return {**dict(zip(NUMERIC, columns.numbers, strict=True)), **categories}


def describe(rows: Prints, label: NDArray[np.int64], session_ids: NDArray[np.int64]) -> tuple[str, ...]:
    """What is to be said of rows that come twice, a line each: nothing when there are none.

    `session_ids` are hashes of those that there are, in any order.
    """
    order = np.argsort(rows)
    starts = np.flatnonzero(np.concatenate([[True], rows[order][1:] != rows[order][:-1]]))
    sessions = np.diff(np.append(starts, len(rows)))
    attacks = np.add.reduceat(label[order], starts)
    honest = sessions - attacks
    counts = {
        "repeat another one in every field and in their label": np.maximum(attacks - 1, 0) + np.maximum(honest - 1, 0),
        "are equal to a row with the other label in every field": np.where((attacks > 0) & (honest > 0), sessions, 0),
        "have the session_id of another one": np.array([len(session_ids) - len(np.unique(session_ids))]),
    }
    return tuple(f"{count.sum():,} of {len(rows):,} rows {what}" for what, count in counts.items() if count.any())
