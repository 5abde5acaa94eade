"""Which worker on this host is this? The lowest free number, held by a file lock for as long as the process lives.

The number makes the transactional ids: the same after a restart, so that the new process ends what the old one left
open, and never shared by two live processes.
"""

import fcntl
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from consumer.errors import WorkerError

_MOST = 10_000  # workers of one group on one host; beyond it something is wrong


@dataclass(frozen=True, slots=True)
class Slot:
    """A number that no other live process of this group, host and user has, for as long as this object lives."""

    number: int
    lock: BinaryIO

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def free(self) -> None:
        """Gives the number back."""
        self.lock.close()


def take_slot(group_id: str, fixed: int | None = None, directory: Path | None = None) -> Slot:
    """The lowest free slot of this group, or the `fixed` one. Raises WorkerError when that is taken."""
    directory = directory or _directory()
    for number in range(_MOST) if fixed is None else [fixed]:
        slot = _try(directory, group_id, number)
        if slot is not None:
            return slot
    if fixed is not None:
        raise WorkerError(f"slot {fixed} of group {group_id} is taken on this host: choose another --slot, or none")
    raise WorkerError(f"all {_MOST} slots of group {group_id} are taken on this host (locks in {directory})")


def transactional_ids(group_id: str, host: str, slot: int) -> tuple[str, str]:
    """The two ids that a worker's producers take turns with."""
    return f"{group_id}-{host}-{slot}-0", f"{group_id}-{host}-{slot}-1"


def _try(directory: Path, group_id: str, number: int) -> Slot | None:
    group = hashlib.sha256(group_id.encode()).hexdigest()[:16]  # a group's name may hold what a file's may not
    path = directory / f"{group}-{number}.lock"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WorkerError(
            f"cannot keep the lock {path}: {error.strerror}; set TMPDIR to a writable directory"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return Slot(number, os.fdopen(descriptor, "rb+"))


def _directory() -> Path:
    # not XDG_RUNTIME_DIR: a process started by cron or over ssh has none, and would take a slot that is taken
    try:
        place = tempfile.gettempdir()
    except FileNotFoundError:
        raise WorkerError(
            "cannot keep the lock of this worker: nothing is writable; set TMPDIR to a writable directory"
        ) from None
    return Path(place) / f"session-scorer-{os.getuid()}"
