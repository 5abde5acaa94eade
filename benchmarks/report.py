"""The outcome as Markdown tables, printed and put between the markers of docs/performance.md."""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import machine
from benchmarks.plots import Figure

DOCUMENT = "performance.md"
FIGURES = "performance"


class ReportError(Exception):
    """A table is not whole, or the document has no place for it."""


@dataclass(frozen=True)
class Table:
    """One table. Its name is that of the markers between which it goes."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""  # how it was measured, in a line below

    def __post_init__(self) -> None:
        """Raises ReportError for a table that is not whole."""
        cells = [cell for row in self.rows for cell in row]
        if not cells or not all(cells) or "nan" in cells or {len(row) for row in self.rows} != {len(self.columns)}:
            raise ReportError(f"the table {self.name} is not whole")

    def markdown(self) -> str:
        """As it stands in the document."""
        aligned = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.columns, aligned, *self.rows)]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])


@dataclass(frozen=True)
class Findings:
    """What a part found."""

    tables: list[Table]
    figures: list[Figure] = field(default_factory=list)

    def beside_neighbours(self) -> "Findings":
        """Return the tables under names of their own: they stand beside those of the same part without neighbours."""
        return Findings([replace(table, name=f"{table.name}-neighbours") for table in self.tables])


def of_the_machine() -> Table:
    """The machine and the versions as a table."""
    return Table("machine", ("", ""), list(machine.facts().items()))


def show(tables: Iterable[Table]) -> None:
    """Print them."""
    for table in tables:
        sys.stdout.write(f"\n## {table.name}\n\n{table.markdown()}\n")
    sys.stdout.flush()


def write(findings: Findings, docs: Path) -> None:
    """Put the tables into the document in `docs`, and the figures beside it. Raises ReportError."""
    document = docs / DOCUMENT
    text = document.read_text(encoding="utf-8")
    for table in findings.tables:
        text = _replaced(text, table)
    document.write_text(text, encoding="utf-8")
    for figure in findings.figures:
        figure.draw(docs / FIGURES / f"{figure.name}.svg")


def _replaced(text: str, table: Table) -> str:
    begin, end = f"<!-- bench:{table.name} -->", f"<!-- /bench:{table.name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    made = f"{begin}\n{table.markdown()}\n{end}"
    text, found = pattern.subn(lambda _: made, text)
    if found != 1:
        raise ReportError(f"{DOCUMENT} has {found} places for the table {table.name}, and needs one: {begin} … {end}")
    return text
