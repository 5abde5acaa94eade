"""Count gaps, and categories that the model has never seen, over the scored rows of a table."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, MODEL_FIELDS, NUMERIC
from scoring.verdicts import Scored

Counts = NDArray[np.int64]
_FIRST_CATEGORY: Final = len(NUMERIC)
_STRIKING: Final = 0.5  # share of values never seen from which the values are probably spelled differently


def _no_gaps() -> Counts:
    return np.zeros(len(MODEL_FIELDS), np.int64)


def _none_unseen() -> Counts:
    return np.zeros(len(CATEGORIES), np.int64)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts over n valid rows. The counts of parts can be added."""

    rows: int = 0
    empty: int = 0  # rows without a value in any of the sixteen fields
    gaps: Counts = field(default_factory=_no_gaps)  # (16,)
    unseen: Counts = field(default_factory=_none_unseen)  # (6,)

    @classmethod
    def of(cls, scored: Scored) -> "Statistics":
        """Count the gaps and unseen categories of scored rows."""
        return cls(
            rows=len(scored.scores),
            empty=int(np.count_nonzero(scored.gap_bits == (1 << len(MODEL_FIELDS)) - 1)),
            gaps=scored.gap_counts(),
            unseen=scored.unseen_counts(),
        )

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.rows + other.rows, self.empty + other.empty, self.gaps + other.gaps, self.unseen + other.unseen
        )

    def unseen_shares(self) -> dict[str, float]:
        """Return the share of unseen values by category, for categories that have such values."""
        values = self.rows - self.gaps[_FIRST_CATEGORY : _FIRST_CATEGORY + len(CATEGORIES)]
        return {
            name: int(unseen) / int(number)
            for name, unseen, number in zip(CATEGORIES, self.unseen, values, strict=True)
            if unseen
        }

    def notes(self, model: str = "the model") -> list[str]:
        """Return a note about the categories whose values are half or more unseen."""
        shares = {name: share for name, share in self.unseen_shares().items() if share >= _STRIKING}
        if not shares:
            return []
        rows = f"in the first {self.rows:,} rows scored"
        return [f"{model} has never seen most values {rows}: {_percentages(shares)}; spelled as in training?"]

    def summary(self) -> list[str]:
        """Return lines about all rows: unseen categories, and fields without values."""
        lines = []
        if shares := self.unseen_shares():
            lines.append(f"categories never seen: {_percentages(shares)}")
        counted = zip(MODEL_FIELDS, self.gaps, strict=True)
        if never := [name for name, gaps in counted if gaps == self.rows > 0]:
            lines.append(f"without a value in any row, imputed: {', '.join(never)}")
        if self.empty:
            lines.append(f"rows without a value in any field: {self.empty:,}")
        return lines


def _percentages(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {_percentage(share)}" for name, share in shares.items())


def _percentage(share: float) -> str:
    """Return a share above 0 as a percentage that is not 0, and is 100 only for all."""
    if share < 0.001:
        return "< 0.1 %"
    return "100 %" if share == 1 else f"{min(share, 0.999):.1%}".replace("%", " %")
