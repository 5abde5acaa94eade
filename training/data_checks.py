"""Find reasons to doubt data: too few rows, a field that reveals the label, the file that a set was trained from."""

from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Final

from scoring.artifacts import Artifacts
from scoring.tables import digest

MIN_ROWS: Final = 100
LEAK_AUC: Final = 0.99  # above this ROC AUC a single field reveals the label
MIN_USERS: Final = 5  # of each class: with fewer, any field may separate them by chance
LEAKS_UNCHECKED: Final = f"single fields were not checked for leaks: the check needs {MIN_USERS} users of each class"
ALLOW_DOUBTFUL: Final = "--allow-doubtful"


def row_count_doubts(name: str, rows: int) -> tuple[str, ...]:
    """Return one line when a file has too few rows to train or measure on."""
    return () if rows >= MIN_ROWS else (f"{name}: {rows:,} rows are too few: at least {MIN_ROWS} are needed",)


def leak_doubts(name: str, aucs: Mapping[str, float]) -> tuple[str, ...]:
    """Return a line for each field that alone reveals the label. `aucs`: the ROC AUC of each field by itself."""
    return tuple(
        f"{name}: {field} alone reveals the label (ROC AUC {auc:.3f}): a leak; remove it from the data and train again"
        for field, auc in sorted(aucs.items(), key=itemgetter(1), reverse=True)
        if auc > LEAK_AUC
    )


def training_file_doubts(name: str, sha256: str, artifacts: Artifacts, subject: str = "the set") -> tuple[str, ...]:
    """Return one line when the set's manifest holds the SHA-256 of this file."""
    if artifacts.manifest is None or artifacts.manifest.training.data_sha256 != sha256:
        return ()
    fault = f"{name}: is the very file that {subject} was trained from (the SHA-256 in its manifest)"
    return (f"{fault}: metrics on it are too good; use sessions that {subject} has not seen",)


def comparison_doubts(path: Path, rows: int, a: Artifacts, b: Artifacts) -> tuple[str, ...]:
    """Return the reasons why a file cannot compare two sets: too few rows, or one was trained from it."""
    doubts = row_count_doubts(path.name, rows)
    if not any(artifacts.manifest and artifacts.manifest.training.data_sha256 for artifacts in (a, b)):
        return doubts
    sha256 = digest(path)
    of_a, of_b = (training_file_doubts(path.name, sha256, *pair) for pair in ((a, "set A"), (b, "set B")))
    return (*doubts, *of_a, *of_b)
