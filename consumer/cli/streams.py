"""The standard streams: what is done when one is closed, full or no longer read."""

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
    """Open what the caller closed (`>&-`), as something that fails when it is used; else a file takes its number.

    Standard error stays silent: nobody can be told that it is closed.
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
    """Write what is buffered for standard output while an error of it can still be reported."""
    try:
        yield
    finally:
        sys.stdout.flush()


def report(error: OSError) -> None:
    """Say in one line which file or stream failed; nothing of a pipe whose reader has gone."""
    _give_up_if_lost(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return
    why = error.strerror or type(error).__name__
    if error.filename is not None:
        say(f"{printable(str(error.filename))}: {why}")
    else:  # an error of opening names its file, and those of writing files are reported by who writes
        say(f"{STDOUT} cannot be written: {why}" if error.errno in _OF_WRITING else f"the system refused: {why}")


def say(line: str) -> None:
    """Write a line of ours to standard error, if that can be written."""
    with contextlib.suppress(OSError):
        typer.echo(f"session-scorer: {line}", err=True)
    _give_up_if_lost(sys.stderr)


def _give_up_if_lost(stream: TextIO) -> None:
    """Send what cannot be written nowhere, so that Python does not try again when it exits."""
    try:
        stream.flush()
    except OSError:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a name, not a path of ours
            os.dup2(nowhere.fileno(), stream.fileno())
