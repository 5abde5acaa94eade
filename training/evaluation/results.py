"""Write an evaluation's files: results.csv, every estimate in one tidy table, and report.html."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from training.atomic_output import atomic_output
from training.evaluation.bootstrap import Estimate
from training.evaluation.evaluate import Evaluation
from training.evaluation.report import to_html

RESULTS: Final = "results.csv"
REPORT: Final = "report.html"
COLUMNS: Final = ("section", "subject", "measure", "value", "low", "high", "n")


def write_results(evaluation: Evaluation, out: Path) -> tuple[Path, ...]:
    """Write both files, or neither, to the directory `out`, which is created when missing.

    Raises TrainingError when that fails.
    """
    texts = {RESULTS: to_csv(evaluation.estimates), REPORT: to_html(evaluation)}
    with atomic_output(out, tuple(texts)) as directory:
        for name, text in texts.items():
            (directory / name).write_text(text, encoding="utf-8", newline="\n")
    return tuple(out / name for name in texts)


def to_csv(estimates: Iterable[Estimate]) -> str:
    """Return a header and a line per estimate; without an interval two cells are empty."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in estimates:
        table.writerow(
            [row.section, row.subject, row.measure, *map(format_value, (row.value, row.low, row.high)), row.n]
        )
    return out.getvalue()


def format_value(value: float) -> str:
    """Format with at most six decimals, since CPUs may add in another order; "" when not finite."""
    if not np.isfinite(value):
        return ""
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")  # + 0.0: no -0
