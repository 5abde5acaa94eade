"""Format comparisons: plain lines for a pipe, tables for a terminal, from the same rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap

from rich.console import Console
from rich.table import Table

from consumer.model.comparison import Comparison, Move, count_changes
from scoring import LEVELS, Scorer


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with a header; the first column is left-aligned, the others right-aligned."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self) -> Iterator[str]:
        """Format as plain text."""
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        for first, *others in (self.heads, *self.rows):
            cells = [first.ljust(widths[0]), *starmap(str.rjust, zip(others, widths[1:], strict=True))]
            yield "  ".join(cells).rstrip()

    def print(self, console: Console) -> None:
        """Print as a table on a terminal."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for index, head in enumerate(self.heads):
            table.add_column(head, justify="right" if index else "left", no_wrap=not index)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def sheets(comparison: Comparison, a: Scorer, b: Scorer) -> list[Sheet]:
    """Return tables of the sets, the totals, the changes of level, and the rows that move most."""
    levels = [
        [name, *(f"{count:,}" for count in row)] for name, row in zip(LEVELS, comparison.levels.tolist(), strict=True)
    ]
    tables = [Sheet(("", "A", "B"), _sets(a, b)), Sheet(("over all rows", ""), list(_totals(comparison)))]
    tables.append(Sheet(("level in A", *(f"{name} in B" for name in LEVELS)), levels))
    if comparison.largest:
        tables.append(Sheet(("row", "score in A", "score in B", "move", "level"), list(map(_row, comparison.largest))))
    return tables


def _sets(a: Scorer, b: Scorer) -> list[list[str]]:
    thresholds = [scorer.artifacts.thresholds for scorer in (a, b)]
    return [
        ["model version", a.artifacts.version, b.artifacts.version],
        ["label 1 from", *(f"{levels.label:.6g}" for levels in thresholds)],
        ["Medium from", *(f"{levels.medium:.6g}" for levels in thresholds)],
        ["High from", *(f"{levels.high:.6g}" for levels in thresholds)],
    ]


def _totals(comparison: Comparison) -> Iterable[list[str]]:
    labels = comparison.labels
    yield ["rows scored", f"{comparison.rows:,}"]
    if comparison.invalid:
        yield ["invalid rows, left out", f"{comparison.invalid:,}"]
    yield ["levels that change", _share(count_changes(comparison.levels), comparison.rows)]
    yield ["labels that change", _share(count_changes(labels), comparison.rows)]
    yield ["  from 0 to 1", f"{labels[0, 1]:,}"]
    yield ["  from 1 to 0", f"{labels[1, 0]:,}"]
    yield ["mean move of a score", f"{comparison.mean_move:.6f}"]
    yield ["largest move", f"{comparison.largest_move:.6f}"]
    yield ["correlation of the scores", "-" if comparison.correlation is None else f"{comparison.correlation:.6f}"]


def _share(count: int, of: int) -> str:
    return f"{count:,} ({count / of:.2%})"


def _row(move: Move) -> list[str]:
    level = move.level_a if move.level_a == move.level_b else f"{move.level_a} → {move.level_b}"
    scores = (f"{move.score_a:.6f}", f"{move.score_b:.6f}", f"{move.score_b - move.score_a:+.6f}")
    return [f"{move.row:,}", *scores, level]
