"""The few figures that a terminal shows."""

import sys
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.evaluation import parts
from training.evaluation.baselines import FOREST
from training.evaluation.bootstrap import Row
from training.evaluation.evaluate import Evaluation
from training.evaluation.report import figure

SHOWN: Final = (
    "average_precision", "roc_auc", "precision", "recall", "f1", "precision_high", "recall_high", "share_high",
    "precision_at_attacks", "brier",
)  # fmt: skip


class Line(NamedTuple):
    """A figure by its name, as text."""

    name: str
    value: str
    interval: str = ""
    attacks: str = ""  # how many it is of


def show(evaluation: Evaluation) -> None:
    """Warnings on stderr, figures on stdout: a table on a terminal, plain lines in a pipe."""
    for note in (*evaluation.warnings, *evaluation.facts):
        print(note, file=sys.stderr)  # noqa: T201 - the command's own output
    console = Console()
    if not console.is_terminal:
        for line in lines(evaluation):
            print(_plain(line))  # noqa: T201 - the same
        return
    table = Table("", "value", "95 % interval", "attacks", box=None, header_style="dim", pad_edge=False)
    for line in lines(evaluation):
        table.add_row(Text(line.name), line.value, Text(line.interval, style="dim"), Text(line.attacks, style="dim"))
    console.print(table)


def _plain(line: Line) -> str:
    interval = f" ({line.interval})" if line.interval else ""
    return f"{line.name}: {line.value}{interval}" + (f", {line.attacks} attacks" if line.attacks else "")


def lines(evaluation: Evaluation) -> list[Line]:
    """Of the whole, then average precision beside the baselines, the rules first."""
    label = evaluation.judged.label
    found: list[Line] = [Line("sessions", f"{len(label):,}"), Line("attacks", f"{int(label.sum()):,}")]
    for subject in (parts.ALL, parts.UNSEEN):
        of = "" if subject == parts.ALL else f", {subject}"
        for measure in SHOWN:
            found += _line(measure.replace("_", " ") + of, evaluation.row("overall", subject, measure))
    names = [baseline.name for baseline in evaluation.baselines]
    for name in (*names, FOREST):
        found += _line(f"average precision, {name}", evaluation.row("baseline", name, "average_precision"))
    for name in names:
        ahead = evaluation.row("baseline", name, f"{parts.DIFFERENCE}average_precision")
        found += _line(f"forest ahead of {name} by", ahead)
    return found


def _line(name: str, row: Row | None) -> list[Line]:
    if row is None:
        return []
    cell = figure(row)
    return [Line(name, cell.value, cell.interval, f"{row.attacks:,}")]
