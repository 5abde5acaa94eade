"""Compare two artifact sets on the same events. Memory does not grow with the number of events."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from heapq import nlargest
from math import sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from consumer.offline.progress import SILENT, Reporting
from consumer.offline.score_files import FirstRows
from scoring import LEVELS, Decoded, Scored, Scorer
from scoring.tables import AS_IS, FileError, Statistics, TableOptions, open_table

MOST_MOVES: Final = 10

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Move:
    """A row (the first is 1) with both scores and levels."""

    row: int
    score_a: float
    score_b: float
    level_a: str
    level_b: str


def _zero_counts(size: int) -> Counts:
    return np.zeros((size, size), np.int64)


@dataclass(slots=True)
class Comparison:
    """Verdicts of sets A and B on the same rows; a move is B's score less A's."""

    rows: int = 0  # scored
    invalid: int = 0
    labels: Counts = field(default_factory=partial(_zero_counts, 2))  # A's down, B's across
    levels: Counts = field(default_factory=partial(_zero_counts, 3))
    moved: float = 0.0  # sum of absolute moves
    largest: list[Move] = field(default_factory=list)  # the largest absolute moves, largest first
    _means: NDArray[np.float64] = field(default_factory=partial(np.zeros, 2))
    _products: NDArray[np.float64] = field(default_factory=partial(np.zeros, (2, 2)))  # about the means

    @property
    def mean_move(self) -> float:
        """Return the mean absolute move."""
        return self.moved / self.rows

    @property
    def largest_move(self) -> float:
        """Return the largest absolute move."""
        return max((abs(move.score_b - move.score_a) for move in self.largest), default=0.0)

    @property
    def correlation(self) -> float | None:
        """Return Pearson's correlation of the scores; None when one set gives all rows the same score."""
        (a, ab), (_, b) = self._products
        return float(np.clip(ab / sqrt(a * b), -1, 1)) if min(a, b) > 1e-12 * self.rows else None

    def add(self, rows: Counts, a: Scored, b: Scored) -> None:
        """Add the verdicts of A and B on `rows`, the numbers of at least one row, shape (n,)."""
        np.add.at(self.labels, (a.labels, b.labels), 1)
        np.add.at(self.levels, (a.levels, b.levels), 1)
        self.moved += float(np.abs(b.scores - a.scores).sum())
        self._add_moments(np.stack([a.scores, b.scores]))
        self.rows += len(rows)
        first = np.argsort(-np.abs(b.scores - a.scores), kind="stable")[:MOST_MOVES].tolist()
        moves = [_move(int(rows[i]), a, b, i) for i in first if a.scores[i] != b.scores[i]]
        self.largest = nlargest(MOST_MOVES, [*self.largest, *moves], key=_by_size)

    def _add_moments(self, scores: NDArray[np.float64]) -> None:
        """Merge the sums of squares and products about the means of a part (Chan, Golub and LeVeque 1979)."""
        number = scores.shape[1]
        means = scores.mean(axis=1)
        shift = (means - self._means)[:, None]
        centred = scores - means[:, None]
        self._products += centred @ centred.T + shift @ shift.T * (self.rows * number / (self.rows + number))
        self._means += shift[:, 0] * number / (self.rows + number)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "rows": self.rows,
            "invalid": self.invalid,
            "labels": _table(("0", "1"), self.labels),
            "levels": _table(LEVELS, self.levels),
            "mean_move": self.mean_move,
            "largest_move": self.largest_move,
            "correlation": self.correlation,
            "largest": [asdict(move) for move in self.largest],
        }


def _by_size(move: Move) -> tuple[float, int]:
    return abs(move.score_b - move.score_a), -move.row


def _move(row: int, a: Scored, b: Scored, i: int) -> Move:
    return Move(row, float(a.scores[i]), float(b.scores[i]), LEVELS[a.levels[i]], LEVELS[b.levels[i]])


def _table(names: Iterable[str], counts: Counts) -> dict[str, dict[str, int]]:
    """Return the counts by A's value, then by B's."""
    names = tuple(names)
    return {name: dict(zip(names, row, strict=True)) for name, row in zip(names, counts.tolist(), strict=True)}


def count_changes(counts: Counts) -> int:
    """Return the sum off the diagonal of a table."""
    return int(counts.sum() - np.trace(counts))


def compare(
    a: Scorer, b: Scorer, source: Path, report: Reporting = SILENT, *, table: TableOptions = AS_IS
) -> Comparison:
    """Score the rows of a CSV, JSON Lines or Parquet file with both sets; invalid rows are only counted.

    The columns are checked as by `score`. Raises FileError for a file that cannot be read, has too few fields, or no
    valid row.
    """
    opened, notes = open_table(source, table)
    for note in notes:
        report.warn(note)
    comparison = Comparison()
    first = tuple(FirstRows(report.warn, f"set {name}") for name in ("A", "B"))
    for chunk in opened.chunks():
        for scored, rows in zip(_add(comparison, chunk.read().decode(), a, b), first, strict=False):
            rows.add(Statistics.of(scored))
        report.progress(chunk.done, comparison.rows + comparison.invalid)
    for rows in first:
        rows.report()
    if not comparison.rows:
        reason = f"all {comparison.invalid:,} are invalid" if comparison.invalid else "there is none"
        raise FileError(f"{source}: no row to compare by: {reason}; give a file of session events")
    return comparison


def _add(comparison: Comparison, rows: Decoded, a: Scorer, b: Scorer) -> tuple[Scored, ...]:
    before = comparison.rows + comparison.invalid
    comparison.invalid += len(rows.invalid)
    if not rows.positions:
        return ()
    numbers = np.array(rows.positions, dtype=np.int64) + before + 1
    scored = a.score_columns(rows.columns), b.score_columns(rows.columns)
    comparison.add(numbers, *scored)
    return scored
