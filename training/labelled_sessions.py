"""Labelled sessions as columns: the input of training and of evaluation."""

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

RowIndex = NDArray[np.bool_] | NDArray[np.integer[Any]]


@dataclass(frozen=True)
class LabelledSessions:
    """n sessions with their labels."""

    columns: Columns
    label: NDArray[np.int64]  # (n,), 0 or 1
    users: NDArray[np.object_]  # (n,), user_id as text; "" for none
    dates: NDArray[np.datetime64]  # (n,), datetime64[s], local wall clock; NaT for none
    kinds: NDArray[np.object_] | None  # (n,), attack_kind, "person" for honest sessions; None when the data has none
    newest: str  # date of the newest session, YYYY-MM-DD
    sha256: str  # of the data before parsing, uncompressed
    notes: tuple[str, ...] = ()  # for the user and the manifest, a line each
    honest_weight: float = 1.0  # honest sessions of the full data that one honest session here stands for

    def __len__(self) -> int:
        return len(self.label)

    @property
    def prevalence(self) -> float:
        """Return the share of attacks."""
        attacks = int(self.label.sum())
        return attacks / (attacks + (len(self) - attacks) * self.honest_weight)

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """Return the weight of each session, (n,); None when all count once."""
        return None if self.honest_weight == 1.0 else np.where(self.label == 1, 1.0, self.honest_weight)

    @classmethod
    def from_synthetic(cls, sessions: Sessions) -> "LabelledSessions":
        """Decode generated sessions; equal to their CSV table read from a file."""
        return cls(
            columns=decode(list(sessions.events())).columns,
            label=sessions.label.astype(np.int64),
            users=sessions.user_id,
            dates=sessions.date,
            kinds=sessions.kind,
            newest=str(np.nanmax(sessions.date))[:10],
            sha256=hashlib.sha256(sessions.csv().encode()).hexdigest(),
        )

    def take(self, rows: RowIndex) -> "LabelledSessions":
        """Return the sessions at `rows`, a mask or indices. `newest` and `sha256` stay those of the full data."""
        return replace(
            self,
            columns=self.columns.take(rows),
            label=self.label[rows],
            users=self.users[rows],
            dates=self.dates[rows],
            kinds=None if self.kinds is None else self.kinds[rows],
        )


def empty_fields(columns: Columns) -> list[str]:
    """Return the model's fields that have no value in any session."""
    filled = [not np.isnan(row).all() for row in columns.numbers]
    filled += (columns.codes != GAP).any(axis=1).tolist()
    filled.append(bool((columns.hours != NO_HOUR).any()))
    return [name for name, has_values in zip(MODEL_FIELDS, filled, strict=True) if not has_values]
