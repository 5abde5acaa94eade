"""An older commit as a contestant: a git worktree under build/, with an environment from that commit's own lock."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


class OldCommitError(Exception):
    """The commit cannot be checked out or set up."""


@dataclass(frozen=True)
class OldCommit:
    """A commit that is checked out and set up."""

    commit: str  # the full hash
    root: Path

    @property
    def name(self) -> str:
        """The commit as it stands in tables."""
        return f"old ({self.commit[:7]})"

    @property
    def python(self) -> str:
        """The Python of its environment."""
        return str(self.root / ".venv/bin/python")

    @property
    def command(self) -> tuple[str, ...]:
        """Its `session-scorer`."""
        return (str(self.root / ".venv/bin/session-scorer"),)


def check_out(commit: str, build: Path = ROOT / "build") -> OldCommit:
    """Check out a commit and set up its environment; one that is there already is used as it is.

    Raises OldCommitError.
    """
    full = _run(["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}"], ROOT)
    old = OldCommit(full, build / f"old-{full[:12]}")
    if not (old.root / ".git").exists():
        _run(["git", "worktree", "add", "--force", "--detach", "--quiet", str(old.root), full], ROOT)
    if _run(["git", "rev-parse", "HEAD"], old.root) != full:
        raise OldCommitError(f"{old.root} holds another commit: remove it (git worktree remove --force)")
    _run(["make", "--silent", "setup", f"PYTHON={sys.executable}", "VENV=.venv"], old.root)
    return old


def _run(command: list[str], directory: Path) -> str:
    """Return what a command prints."""
    try:
        done = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True)
    except OSError as error:
        raise OldCommitError(f"{command[0]}: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.split("\n") if error.stderr else []
        last = next((line for line in reversed(lines) if line), f"exit {error.returncode}")
        raise OldCommitError(f"{' '.join(command[:3])}: {last}") from None
    return done.stdout.strip()
