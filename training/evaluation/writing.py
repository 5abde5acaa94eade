"""An evaluation's files."""

from pathlib import Path
from typing import Final

from training.errors import TrainingError
from training.evaluation.evaluate import Evaluation
from training.evaluation.report import as_html
from training.evaluation.table import as_csv

RESULTS: Final = "results.csv"
REPORT: Final = "report.html"


def write(evaluation: Evaluation, out: Path) -> tuple[Path, ...]:
    """Write both files to the directory `out`, made when it is not there. Raises TrainingError when that fails."""
    texts = {RESULTS: as_csv(evaluation.rows), REPORT: as_html(evaluation)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written: {error.strerror}") from None
    return tuple(out / name for name in texts)
