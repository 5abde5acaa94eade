"""Two artifact sets on the same events: how far they disagree. Counts and sums only, however many events there are."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from heapq import nlargest
from math import sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from consumer.offline.progress import SILENT, FirstRows, Reporting
from scoring import LEVELS, Decoded, Scored, Scorer
from scoring.tables import AS_IS, FileError, Statistics, TableOptions, open_table

MOST_MOVES: Final = 10

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Move:
    """A row, the first is 1, and what each set says of it."""

    row: int
    score_a: float
    score_b: float
    level_a: str
    level_b: str


@dataclass(slots=True)
class Comparison:
    """What two sets, A and B, say of the same rows; a move is B's score less A's."""

    rows: int = 0  # scored
    invalid: int = 0
    labels: Counts = field(default_factory=lambda: np.zeros((2, 2), np.int64))  # A's down, B's across
    levels: Counts = field(default_factory=lambda: np.zeros((3, 3), np.int64))
    moved: float = 0.0  # sum of absolute moves
    largest: list[Move] = field(default_factory=list)  # the largest absolute moves, the larger first
    _means: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    _products: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))  # about the means

    @property
    def mean_move(self) -> float:
        """The mean absolute move."""
        return self.moved / self.rows

    @property
    def largest_move(self) -> float:
        """The largest absolute move."""
        return max((abs(move.score_b - move.score_a) for move in self.largest), default=0.0)

    @property
    def correlation(self) -> float | None:
        """Of the two scores (Pearson's); None where a set says the same of every row."""
        (a, both), (_, b) = self._products
        return float(np.clip(both / sqrt(a * b), -1, 1)) if min(a, b) > 1e-12 * self.rows else None

    def add(self, places: Counts, a: Scored, b: Scored) -> None:
        """Count the rows at `places`, (n,), n at least 1, of which the sets say `a` and `b`."""
        np.add.at(self.labels, (a.labels, b.labels), 1)
        np.add.at(self.levels, (a.levels, b.levels), 1)
        self.moved += float(np.abs(b.scores - a.scores).sum())
        self._add_moments(np.stack([a.scores, b.scores]))
        self.rows += len(places)
        first = np.argsort(-np.abs(b.scores - a.scores), kind="stable")[:MOST_MOVES].tolist()
        found = [_move(int(places[i]), a, b, i) for i in first if a.scores[i] != b.scores[i]]
        self.largest = nlargest(
            MOST_MOVES, [*self.largest, *found], key=lambda move: (abs(move.score_b - move.score_a), -move.row)
        )

    def _add_moments(self, scores: NDArray[np.float64]) -> None:
        """Chan, Golub and LeVeque 1979: sums about the mean of a part, joined to those of what was there."""
        number = scores.shape[1]
        means = scores.mean(axis=1)
        apart = (means - self._means)[:, None]
        about = scores - means[:, None]
        self._products += about @ about.T + apart @ apart.T * (self.rows * number / (self.rows + number))
        self._means += apart[:, 0] * number / (self.rows + number)

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
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


def _move(row: int, a: Scored, b: Scored, i: int) -> Move:
    return Move(row, float(a.scores[i]), float(b.scores[i]), LEVELS[a.levels[i]], LEVELS[b.levels[i]])


def _table(names: Iterable[str], counts: Counts) -> dict[str, dict[str, int]]:
    """A's -> B's -> how many."""
    names = tuple(names)
    return {name: dict(zip(names, row, strict=True)) for name, row in zip(names, counts.tolist(), strict=True)}


def changed(counts: Counts) -> int:
    """How many of a table stand off its diagonal."""
    return int(counts.sum() - np.trace(counts))


def compare(
    a: Scorer, b: Scorer, source: Path, report: Reporting = SILENT, *, table: TableOptions = AS_IS
) -> Comparison:
    """Score the rows of a CSV, JSON Lines or Parquet file with both. Invalid rows are counted, and left out.

    The table is judged as `score` judges it. Raises FileError for a file that cannot be read, has too few fields, or
    not one valid row.
    """
    opened, notes = open_table(source, table)
    for note in notes:
        report.say(note)
    found = Comparison()
    first = tuple(FirstRows(report.say, f"set {name}") for name in ("A", "B"))
    for chunk in opened.chunks():
        for scored, rows in zip(_add(found, chunk.read().decode(), a, b), first, strict=False):
            rows.add(Statistics.of(scored))
        report.progress(chunk.done, found.rows + found.invalid)
    for rows in first:
        rows.judge()
    if not found.rows:
        why = f"all {found.invalid:,} are invalid" if found.invalid else "there is none"
        raise FileError(f"{source}: no row to compare by: {why}; give a file of session events")
    return found


def _add(found: Comparison, rows: Decoded, a: Scorer, b: Scorer) -> tuple[Scored, ...]:
    before = found.rows + found.invalid
    found.invalid += len(rows.invalid)
    if not rows.positions:
        return ()
    places = np.array(rows.positions, dtype=np.int64) + before + 1
    both = a.score_columns(rows.columns), b.score_columns(rows.columns)
    found.add(places, *both)
    return both
