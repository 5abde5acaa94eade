"""What `model` shows, as lines for a pipe and tables for a terminal, both made of the same rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap

from rich.console import Console
from rich.table import Table

from consumer.model.comparison import Comparison, Move, changed
from scoring import LEVELS, Scorer


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns under their heads, the first column to the left, the others to the right."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self) -> Iterator[str]:
        """As plain text."""
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        for first, *others in (self.heads, *self.rows):
            cells = [first.ljust(widths[0]), *starmap(str.rjust, zip(others, widths[1:], strict=True))]
            yield "  ".join(cells).rstrip()

    def print(self, console: Console) -> None:
        """As a table on a terminal."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for place, head in enumerate(self.heads):
            table.add_column(head, justify="right" if place else "left", no_wrap=not place)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def sheets(found: Comparison, a: Scorer, b: Scorer) -> list[Sheet]:
    """What there is to say of two sets: the counts, who changes levels, and the rows that move most."""
    levels = [[name, *(f"{count:,}" for count in row)] for name, row in zip(LEVELS, found.levels.tolist(), strict=True)]
    said = [Sheet(("", "A", "B"), _sets(a, b)), Sheet(("over all rows", ""), list(_totals(found)))]
    said.append(Sheet(("level in A", *(f"{name} in B" for name in LEVELS)), levels))
    if found.largest:
        said.append(Sheet(("row", "score in A", "score in B", "move", "level"), list(map(_row, found.largest))))
    return said


def _sets(a: Scorer, b: Scorer) -> list[list[str]]:
    limits = [each.artifacts.thresholds for each in (a, b)]
    return [
        ["model version", a.artifacts.version, b.artifacts.version],
        ["label 1 from", *(f"{each.label:.6g}" for each in limits)],
        ["Medium from", *(f"{each.medium:.6g}" for each in limits)],
        ["High from", *(f"{each.high:.6g}" for each in limits)],
    ]


def _totals(found: Comparison) -> Iterable[list[str]]:
    labels = found.labels
    yield ["rows scored", f"{found.rows:,}"]
    if found.invalid:
        yield ["invalid rows, left out", f"{found.invalid:,}"]
    yield ["levels that change", _share(changed(found.levels), found.rows)]
    yield ["labels that change", _share(changed(labels), found.rows)]
    yield ["  from 0 to 1", f"{labels[0, 1]:,}"]
    yield ["  from 1 to 0", f"{labels[1, 0]:,}"]
    yield ["mean move of a score", f"{found.mean_move:.6f}"]
    yield ["largest move", f"{found.largest_move:.6f}"]
    yield ["correlation of the scores", "-" if found.correlation is None else f"{found.correlation:.6f}"]


def _share(count: int, of: int) -> str:
    return f"{count:,} ({count / of:.2%})"


def _row(move: Move) -> list[str]:
    level = move.level_a if move.level_a == move.level_b else f"{move.level_a} → {move.level_b}"
    scores = (f"{move.score_a:.6f}", f"{move.score_b:.6f}", f"{move.score_b - move.score_a:+.6f}")
    return [f"{move.row:,}", *scores, level]
