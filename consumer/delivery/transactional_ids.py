"""Number the workers of a host and derive their transactional ids.

A worker takes the lowest free slot and holds it by a file lock while the process lives. After a restart it has the same
slot, so the new process ends the transactions of the old one; two live processes never share a slot. Other programs
can remove the lock file (cleaners of temporary files do after 10 days without change), so a running worker renews its
times, and makes it again after a removal.
"""

import fcntl
import hashlib
import logging
import os
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from consumer.errors import WorkerError

_log = logging.getLogger("consumer.slots")

_MAX_SLOTS: Final = 10_000  # workers of one group on one host; more of them are a mistake
_KEEP_SECONDS: Final = 0.5  # less than another worker takes from its start to its slot
_REFRESH_SECONDS: Final = 3600.0  # systemd-tmpfiles removes files from /tmp that are 10 days old
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_ELSEWHERE: Final = "set TMPDIR to a writable directory"
_OWN: Final = "set TMPDIR to a directory of this user"


class SlotTakenError(WorkerError):
    """Another process has locked the slot of this worker."""


class Slot:
    """A number that no other live process of this group, host and user has, until `release`."""

    def __init__(self, number: int, path: Path, descriptor: int) -> None:
        self.number = number
        self.path = path
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Release the number."""
        with suppress(OSError):  # closed already
            os.close(self._descriptor)
        self._descriptor = -1

    def keep(self) -> None:
        """Make the lock file again after a removal, and renew its times once an hour.

        Raises SlotTakenError when another process has locked the slot, and WorkerError when the file cannot be made:
        then no other worker can take the slot either.
        """
        if not _is_at(self.path, self._descriptor):
            descriptor = _lock(self.path)
            if descriptor is None:
                raise SlotTakenError(
                    f"slot {self.number}: its lock {self.path} was removed, and another worker has taken the slot; "
                    "keep cleaners of temporary files away from it, and start this worker again"
                )
            self.release()
            self._descriptor = descriptor
            _log.warning("the lock of this slot was removed and is made again", extra={"path": str(self.path)})
        if abs(time.time() - os.fstat(self._descriptor).st_mtime) > _REFRESH_SECONDS:
            os.utime(self._descriptor)
            os.utime(self.path.parent)


def take_slot(group_id: str, fixed: int | None = None, directory: Path | None = None) -> Slot:
    """Take the lowest free slot of this group, or the `fixed` one. Raises WorkerError when that is taken."""
    directory = directory or _directory()
    for number in range(_MAX_SLOTS) if fixed is None else [fixed]:
        group = hashlib.sha256(group_id.encode()).hexdigest()[:16]  # a group's name may hold what a file's may not
        path = directory / f"{group}-{number}.lock"
        descriptor = _lock(path)
        if descriptor is not None:
            return Slot(number, path, descriptor)
    if fixed is not None:
        raise WorkerError(f"slot {fixed} of group {group_id} is taken on this host: choose another --slot, or none")
    raise WorkerError(f"all {_MAX_SLOTS} slots of group {group_id} are taken on this host (locks in {directory})")


@contextmanager
def keep_slot(slot: Slot, stop: threading.Event, interval: float = _KEEP_SECONDS) -> Iterator[None]:
    """Keep the slot while inside. After its loss `stop` is set, and leaving raises SlotTakenError."""
    left = threading.Event()
    lost: list[SlotTakenError] = []

    def watch() -> None:
        warned = False
        while not left.wait(interval):
            try:
                slot.keep()
                warned = False
            except SlotTakenError as error:
                _log.critical("cannot go on", extra={"reason": str(error)})
                lost.append(error)
                stop.set()
                return
            except (WorkerError, OSError) as error:
                if not warned:
                    _log.warning("the lock of this slot cannot be kept", extra={"reason": str(error)})
                warned = True

    thread = threading.Thread(target=watch, name="slot", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
        if lost:
            raise lost[0]


def transactional_ids(group_id: str, host: str, slot: int) -> tuple[str, str]:
    """Return the ids of a worker's two producers."""
    return f"{group_id}-{host}-{slot}-0", f"{group_id}-{host}-{slot}-1"


def _lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock, None when another process has it. Raises WorkerError."""
    try:
        while True:
            directory = _open_directory(path.parent)
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                descriptor = os.open(path.name, flags, 0o600, dir_fd=directory)
            finally:
                os.close(directory)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            if _is_at(path, descriptor):
                return descriptor
            os.close(descriptor)  # removed between open and flock: the next process would lock another file
    except OSError as error:
        raise WorkerError(f"cannot keep the lock {path}: {error.strerror}; {_ELSEWHERE}") from error


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether the path still names the open file."""
    try:
        at_path, opened = path.lstat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (at_path.st_dev, at_path.st_ino) == (opened.st_dev, opened.st_ino)


def _open_directory(directory: Path) -> int:
    """Open the directory, or create it. Raises WorkerError when other users can change it."""
    if directory.is_symlink():
        raise WorkerError(f"the directory of locks {directory} is a symbolic link: remove it, or {_OWN}")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if fault := _fault(os.fstat(descriptor)):
        os.close(descriptor)
        raise WorkerError(f"the directory of locks {directory} {fault}, or {_OWN}")
    return descriptor


def _fault(directory: os.stat_result) -> str | None:
    """Return what lets other users change the locks in the directory, and the remedy."""
    if directory.st_uid != os.geteuid():
        return f"belongs to user {directory.st_uid}, not to this user ({os.geteuid()}): remove it"
    if directory.st_mode & _WRITABLE_BY_OTHERS:
        return f"can be written by other users (mode {stat.S_IMODE(directory.st_mode):04o}): chmod it to 0700"
    return None


def _directory() -> Path:
    # not XDG_RUNTIME_DIR: a process started by cron or over ssh has none, and would take the slot of another
    try:
        parent = tempfile.gettempdir()
    except FileNotFoundError:
        raise WorkerError(f"cannot keep the lock of this worker: nothing is writable; {_ELSEWHERE}") from None
    return Path(parent) / f"session-scorer-{os.getuid()}"
