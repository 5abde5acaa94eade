"""The few figures that a terminal shows."""

import sys
from typing import Final

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
Line = tuple[str, str, str]


def show(evaluation: Evaluation) -> None:
    """Warnings on stderr, figures on stdout: a table on a terminal, plain lines in a pipe."""
    for line in (*evaluation.warnings, *evaluation.facts):
        print(line, file=sys.stderr)  # noqa: T201 - the command's own output
    console = Console()
    if not console.is_terminal:
        for name, value, interval in lines(evaluation):
            print(f"{name}: {value}" + (f" ({interval})" if interval else ""))  # noqa: T201 - the same
        return
    table = Table("", "value", "95 % interval", box=None, header_style="dim", pad_edge=False)
    for name, value, interval in lines(evaluation):
        table.add_row(Text(name), value, Text(interval, style="dim"))
    console.print(table)


def lines(evaluation: Evaluation) -> list[Line]:
    """Name, value, interval: of the whole, then average precision beside the baselines, the rules first."""
    label = evaluation.judged.label
    found: list[Line] = [("sessions", f"{len(label):,}", ""), ("attacks", f"{int(label.sum()):,}", "")]
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
    return [(name, cell.value, cell.interval)]
