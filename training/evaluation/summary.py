"""Print an evaluation's main estimates."""

import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.evaluation import measure_sets
from training.evaluation.baselines import FOREST
from training.evaluation.bootstrap import Estimate
from training.evaluation.evaluate import Evaluation
from training.evaluation.report import format_estimate

MEASURES: Final = (
    "average_precision", "roc_auc", "precision", "recall", "f1", "precision_high", "recall_high", "share_high",
    "precision_at_attacks", "brier",
)  # fmt: skip


class SummaryLine(NamedTuple):
    """An estimate by name, as text."""

    name: str
    value: str
    interval: str = ""
    attacks: str = ""  # number behind the estimate


def print_summary(evaluation: Evaluation) -> None:
    """Print warnings to stderr and estimates to stdout: a table on a terminal, plain lines in a pipe."""
    for note in (*evaluation.warnings, *evaluation.facts):
        print(note, file=sys.stderr)  # noqa: T201 - the command's own output
    console = Console()
    lines = list(_lines(evaluation))
    if not console.is_terminal:
        print("\n".join(map(_plain, lines)))  # noqa: T201 - the same
        return
    table = Table("", "value", "95 % interval", "attacks", box=None, header_style="dim", pad_edge=False)
    for line in lines:
        table.add_row(Text(line.name), line.value, Text(line.interval, style="dim"), Text(line.attacks, style="dim"))
    console.print(table)


def _plain(line: SummaryLine) -> str:
    interval = f" ({line.interval})" if line.interval else ""
    return f"{line.name}: {line.value}{interval}" + (f", {line.attacks} attacks" if line.attacks else "")


def _lines(evaluation: Evaluation) -> Iterator[SummaryLine]:
    """Yield the overall measures, then average precision beside the baselines, the rules first."""
    label = evaluation.scored.label
    yield SummaryLine("sessions", f"{len(label):,}")
    yield SummaryLine("attacks", f"{int(label.sum()):,}")
    for name, estimate in _estimates(evaluation):
        if estimate is not None:
            cell = format_estimate(estimate)
            yield SummaryLine(name, cell.value, cell.interval, f"{estimate.attacks:,}")


def _estimates(evaluation: Evaluation) -> Iterator[tuple[str, Estimate | None]]:
    for subject in (measure_sets.ALL, measure_sets.UNSEEN):
        suffix = "" if subject == measure_sets.ALL else f", {subject}"
        for measure in MEASURES:
            yield measure.replace("_", " ") + suffix, evaluation.find("overall", subject, measure)
    names = [baseline.name for baseline in evaluation.baselines]
    for name in (*names, FOREST):
        yield f"average precision, {name}", evaluation.find("baseline", name, "average_precision")
    for name in names:
        ahead = f"{measure_sets.DIFFERENCE}average_precision"
        yield f"forest ahead of {name} by", evaluation.find("baseline", name, ahead)
