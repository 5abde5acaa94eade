"""Count rows that repeat another one, with the same label or the opposite one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns
from scoring.contract import CATEGORIES, NUMERIC
from training import train_extra

with train_extra():
    import pandas as pd

Fingerprints = NDArray[np.uint64]


def fingerprints(
    columns: Columns, dates: NDArray[np.datetime64], users: NDArray[np.object_] | None = None
) -> Fingerprints:
    """Hash rows, (n,): equal for equal fields of the model, the date to the second, and the user where there are users.

    64 bits: among 5 million different rows, two share one with a chance of about 1 in a million.
    """
    categories: dict[str, Any] = {
        name: pd.Categorical.from_codes(codes, pd.Index([*strings]))
        for name, codes, strings in zip(CATEGORIES, columns.codes, columns.strings, strict=True)
    }
    fields = dict(zip(NUMERIC, columns.numbers, strict=True)) | categories
    if users is not None:
        fields["user"] = users
    frame = pd.DataFrame({**fields, "date": dates}, copy=False)
    return np.asarray(pd.util.hash_pandas_object(frame, index=False), dtype=np.uint64)


def describe_duplicates(
    rows: Fingerprints, label: NDArray[np.int64], session_ids: NDArray[np.int64]
) -> tuple[str, ...]:
    """Return a line for each kind of duplicate in the data.

    `session_ids`: hashes of those present, in any order.
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
    return tuple(f"{count.sum():,} of {len(rows):,} rows {fault}" for fault, count in counts.items() if count.any())
