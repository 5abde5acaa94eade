"""Labelled sessions as columns: what is trained from and judged by."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.decoding import Columns, decode
from scoring.errors import MissingExtra
from training.errors import TrainingError
from training.sessions import Sessions

try:
    import pandas as pd
except ImportError:
    raise MissingExtra("training", "train") from None

Rows = NDArray[np.bool_] | NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Labelled:
    """n sessions to train from or to judge by."""

    columns: Columns
    label: NDArray[np.int64]  # (n,), 0 or 1
    users: NDArray[np.object_]  # (n,), user_id as text; "" where there is none
    dates: NDArray[np.datetime64]  # (n,), datetime64[s], local wall clock; NaT where there is none
    kinds: NDArray[np.object_] | None  # (n,), attack_kind, "person" for honest sessions; None when the data has none
    newest: str  # date of the newest session, YYYY-MM-DD
    sha256: str  # of the data as it came, uncompressed
    notes: tuple[str, ...] = ()  # what was noticed and is worth saying, a line each

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Rows) -> "Labelled":
        """The sessions at `rows`, a mask or places. `newest` and `sha256` stay those of the whole."""
        return replace(
            self,
            columns=self.columns.take(rows),
            label=self.label[rows],
            users=self.users[rows],
            dates=self.dates[rows],
            kinds=None if self.kinds is None else self.kinds[rows],
        )


def of_sessions(sessions: Sessions) -> Labelled:
    """Generated sessions, read the way events are; equal to their CSV table, read from a file."""
    return Labelled(
        columns=decode(list(sessions.events())).columns,
        label=sessions.label.astype(np.int64),
        users=sessions.user_id,
        dates=sessions.date,
        kinds=sessions.kind,
        newest=str(np.nanmax(sessions.date))[:10],
        sha256=hashlib.sha256(sessions.csv().encode()).hexdigest(),
    )


def sample_users(data: Labelled, most: int, seed: int) -> Labelled:
    """At most `most` sessions: all, or those of users drawn by lot, whole users always; a note says what was drawn.

    A session without user_id is a user of its own. Raises TrainingError when no user drawn has so few sessions.
    """
    if len(data) <= most:
        return data
    groups, users = pd.factorize(data.users)
    nameless = np.flatnonzero(data.users == "")
    groups[nameless] = len(users) + np.arange(len(nameless))
    sessions = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(sessions))
    drawn = order[np.cumsum(sessions[order]) <= most]
    if not len(drawn):
        raise TrainingError(f"--max-rows {most}: a single user has more sessions than that: allow more rows")
    taken = data.take(np.isin(groups, drawn))
    said = f"{len(taken):,} of {len(data):,} sessions were drawn: {len(drawn):,} whole users of {len(order):,}"
    return replace(taken, notes=(*data.notes, said))
