"""Standard streams that are closed, full or no longer read."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, Final, TextIO

import typer

from consumer.printable import printable

STDOUT: Final = "standard output"
_OF_WRITING: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}


def open_missing_streams() -> None:
    """Open each stream that the caller closed (`>&-`) so that using it fails; else the next file takes its number.

    Writing to a closed standard error does nothing: there is no other way to report it.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)
    sys.stdin = sys.stdin or _stream(0, "r")
    sys.stdout = sys.stdout or _stream(1, "w")
    sys.stderr = sys.stderr or _stream(2, "w")


def _stream(number: int, mode: str) -> Any:
    return open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)


@contextlib.contextmanager
def flushed_output() -> Iterator[None]:
    """Flush standard output at the end, while an error can still be reported."""
    try:
        yield
    finally:
        sys.stdout.flush()


def report(error: OSError) -> None:
    """Print in one line which file or stream failed; print nothing for a pipe that its reader closed."""
    _discard_if_broken(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return
    why = error.strerror or type(error).__name__
    if error.filename is not None:
        print_error(f"{printable(str(error.filename))}: {why}")
    else:  # opening names its file, and those who write files report their own errors
        print_error(
            f"{STDOUT} cannot be written: {why}" if error.errno in _OF_WRITING else f"the system refused: {why}"
        )


def print_error(line: str) -> None:
    """Write one line to standard error, with the program's name; ignore a standard error that cannot be written."""
    with contextlib.suppress(OSError):
        typer.echo(f"session-scorer: {line}", err=True)
    _discard_if_broken(sys.stderr)


def _discard_if_broken(stream: TextIO) -> None:
    """Discard the output of a stream that cannot be written, so that Python does not try again when it exits."""
    try:
        stream.flush()
    except OSError:
        with open(os.devnull, "wb") as devnull:  # noqa: PTH123 - a name, not a path of ours
            os.dup2(devnull.fileno(), stream.fileno())
