"""results.csv: every figure of an evaluation in one tidy table."""

import csv
import io
from collections.abc import Iterable
from typing import Final

import numpy as np

from training.evaluation.bootstrap import Row

COLUMNS: Final = ("section", "subject", "measure", "value", "low", "high", "n")


def as_csv(rows: Iterable[Row]) -> str:
    """A line a figure, with a header; an interval that there is not is two empty cells."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in rows:
        figures = map(cell, (row.value, row.low, row.high))
        table.writerow([row.section, row.subject, row.measure, *figures, row.n])
    return out.getvalue()


def cell(value: float) -> str:
    """Six digits after the point at most, for a CPU may add in another order; "" for what is not defined."""
    if not np.isfinite(value):
        return ""
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")  # + 0.0: there is no -0
