"""An evaluation's files."""

from pathlib import Path
from typing import Final

from training.evaluation.evaluate import Evaluation
from training.evaluation.report import as_html
from training.evaluation.table import as_csv
from training.output import written_to

RESULTS: Final = "results.csv"
REPORT: Final = "report.html"


def write(evaluation: Evaluation, out: Path) -> tuple[Path, ...]:
    """Write both files, or neither, to the directory `out`, made when it is not there.

    Raises TrainingError when that fails.
    """
    texts = {RESULTS: as_csv(evaluation.rows), REPORT: as_html(evaluation)}
    with written_to(out, tuple(texts)) as made:
        for name, text in texts.items():
            (made / name).write_text(text, encoding="utf-8", newline="\n")
    return tuple(out / name for name in texts)
