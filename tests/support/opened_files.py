"""Which files of a directory are opened, by whichever process and library: the kernel tells (inotify)."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_OPENED: Final = 0x20  # IN_OPEN
_EVENT: Final = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows


class OpenedFiles:
    """Names of what was opened in the directory since it is watched: files, directories, or `.` for itself."""

    def __init__(self, watch: int) -> None:
        self._watch = watch

    def take(self) -> set[str]:
        """Return the names since the last call."""
        names = set()
        while data := self._read():
            while data:
                length = _EVENT.unpack_from(data)[3]
                name, data = data[_EVENT.size :][:length], data[_EVENT.size + length :]
                names.add(name.rstrip(b"\0").decode() or ".")
        return names

    def _read(self) -> bytes:
        try:
            return os.read(self._watch, 1 << 20)
        except BlockingIOError:
            return b""


@contextmanager
def opened_files(directory: Path) -> Iterator[OpenedFiles]:
    """Watch the directory, not those inside it."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if watch < 0 or libc.inotify_add_watch(watch, os.fsencode(directory), _OPENED) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        yield OpenedFiles(watch)
    finally:
        os.close(watch)
