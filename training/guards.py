"""Reasons to doubt what data says: too few rows, a field that tells the label, the file that a set learned from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scoring.artifacts.loading import Artifacts
from scoring.tables import digest

LEAST_ROWS: Final = 100
LEAK: Final = 0.99
"""From this ROC AUC on, one field alone tells the label."""
LEAST_USERS: Final = 5
"""Of each class: with fewer, any field may tell them apart by chance."""
UNCHECKED: Final = f"single fields were not checked for leaks: that takes {LEAST_USERS} users of each class"
INSIST: Final = "--allow-doubtful"


def too_few(name: str, rows: int) -> tuple[str, ...]:
    """Say that a file has too few rows to learn from or to judge by, if so."""
    if rows >= LEAST_ROWS:
        return ()
    return (f"{name}: {rows:,} rows are too few to go by: give {LEAST_ROWS} at least",)


def leaks(name: str, alone: Mapping[str, float]) -> tuple[str, ...]:
    """Name each field that alone tells the label; `alone` is the ROC AUC that each field has by itself."""
    ordered = sorted(alone.items(), key=lambda item: -item[1])
    return tuple(
        f"{name}: {field} alone tells the label (ROC AUC {auc:.3f}): a leak; take it out of the data and train again"
        for field, auc in ordered
        if auc > LEAK
    )


def trained_on(name: str, sha256: str, artifacts: Artifacts, which: str = "the set") -> tuple[str, ...]:
    """Say that the set learned from this very file, if its manifest has the file's SHA-256."""
    if artifacts.manifest is None or artifacts.manifest.training.data_sha256 != sha256:
        return ()
    said = f"{name}: is the very file that {which} was trained from (the SHA-256 in its manifest)"
    return (f"{said}: scores there are too good; give sessions that it has not seen",)


def doubts_of_comparison(path: Path, rows: int, a: Artifacts, b: Artifacts) -> tuple[str, ...]:
    """Say why a file is no good for comparing two sets: too few rows, or one of them was trained from it."""
    found = too_few(path.name, rows)
    if not any(each.manifest and each.manifest.training.data_sha256 for each in (a, b)):
        return found
    sha256 = digest(path)
    return (*found, *trained_on(path.name, sha256, a, "set A"), *trained_on(path.name, sha256, b, "set B"))
