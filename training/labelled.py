"""Labelled sessions as columns: what is trained from and judged by."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.columns import GAP, Columns
from scoring.contract import MODEL_FIELDS
from scoring.decoding import decode
from scoring.local_time import NO_HOUR
from training.synthetic.sessions import Sessions

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
    honest_weight: float = 1.0  # how many honest sessions each one stands for, beside an attack

    def __len__(self) -> int:
        return len(self.label)

    @property
    def prevalence(self) -> float:
        """Return the share of attacks."""
        attacks = int(self.label.sum())
        return attacks / (attacks + (len(self) - attacks) * self.honest_weight)

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """Return what each session counts, (n,); None when all count once."""
        return None if self.honest_weight == 1.0 else np.where(self.label == 1, 1.0, self.honest_weight)

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


def valueless(columns: Columns) -> list[str]:
    """Return the model's fields that no session has a value of."""
    known = [not np.isnan(row).all() for row in columns.numbers]
    known += (columns.codes != GAP).any(axis=1).tolist()
    known.append(bool((columns.hours != NO_HOUR).any()))
    return [name for name, has_values in zip(MODEL_FIELDS, known, strict=True) if not has_values]


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
