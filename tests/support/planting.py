"""Plant wrong edits in copies of the checkout."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_LEFT_OUT: Final = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "node_modules")


class PlantingError(Exception):
    """An edit cannot be planted, or the tests or the simulation do not run."""


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit of one file that makes the product wrong."""

    name: str
    wrong: str
    file: str
    old: str
    new: str

    def apply(self, text: str) -> str:
        """Return the file's text with the edit in it. Raises PlantingError unless `old` occurs exactly once."""
        count = text.count(self.old)
        if count != 1:
            raise PlantingError(f"{self.name}: the text to replace occurs {count} times in {self.file}, not once")
        return text.replace(self.old, self.new)

    def plant(self, root: Path) -> None:
        """Edit the file below `root`."""
        path = root / self.file
        path.write_text(self.apply(path.read_text()))


def copy_checkout(target: Path, root: Path = ROOT) -> None:
    """Copy a checkout without hidden files and build output, but with its compiled kernels and a link to Kafka's jars.

    The directories of compiled kernels are named after their sources, so a kernel that an edit changes is compiled
    again.
    """
    shutil.copytree(root, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
    for compiled in root.glob("scoring/**/__pycache__/session-scorer-*"):
        shutil.copytree(compiled, target / compiled.relative_to(root), dirs_exist_ok=True)
    if (jars := root / ".kafka").is_dir():
        (target / jars.name).symlink_to(jars)


def digest(*parts: str) -> str:
    """Return a short hash of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
