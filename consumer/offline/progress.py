"""The progress of a long command: a bar on a terminal, occasional lines elsewhere. Always on stderr."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TextIO

LINE_SECONDS: Final = 10.0  # between two lines without a terminal

Progress = Callable[[float, int], None]
"""Receives the share that is done (0 to 1), and the number of rows."""


def _ignore(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Reporting:
    """Callbacks of a long command."""

    progress: Progress = _ignore
    warn: Callable[[str], object] = _ignore


SILENT: Final = Reporting()


@contextmanager
def show_progress(name: str, stream: TextIO | None = None) -> Iterator[Progress]:
    """Show the progress of the work inside."""
    stream = stream or sys.stderr
    with _bar(name, stream) if stream.isatty() else _lines(name, stream) as progress:
        yield progress


@contextmanager
def _bar(name: str, stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import Progress as Bar  # noqa: PLC0415 - the same

    with Bar(console=Console(file=stream), transient=True) as bar:
        task = bar.add_task(name, total=1.0)

        def progress(done: float, rows: int) -> None:
            bar.update(task, completed=done, description=f"{name}: {rows:,} rows")

        yield progress


@contextmanager
def _lines(name: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    printed = clock()

    def progress(done: float, rows: int) -> None:
        nonlocal printed
        if clock() - printed >= LINE_SECONDS:
            printed = clock()
            print(f"{name}: {rows:,} rows, {done:.0%}", file=stream, flush=True)

    yield progress


class Activity:
    """The current step of a command, and its progress."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._now = (name, 0.0)

    @property
    def now(self) -> tuple[str, float]:
        """Return the current step and the share of it that is done, 0 to 1."""
        return self._now

    def track(self, sequence: Sequence[int], description: str) -> Iterator[int]:
        """Iterate over the sequence and record the progress."""
        for number, item in enumerate(sequence):
            self._now = (description, number / len(sequence))
            yield item
        self._now = (self._name, 0.0)

    @contextmanager
    def reading(self, name: str) -> Iterator[Progress]:
        """Record the progress of reading a file."""

        def progress(done: float, rows: int) -> None:
            self._now = (f"{name}: {rows:,} rows", done)

        self._now = (name, 0.0)
        yield progress
        self._now = (self._name, 0.0)


@contextmanager
def show_activity(name: str, stream: TextIO | None = None, seconds: float = LINE_SECONDS) -> Iterator[Activity]:
    """Show the current step of the work inside: a bar on a terminal, else a line every few seconds."""
    stream = stream or sys.stderr
    activity, ended = Activity(name), threading.Event()
    show = _refresh_bar if stream.isatty() else _print_lines
    thread = threading.Thread(target=show, args=(activity, stream, ended, seconds), name="progress", daemon=True)
    thread.start()
    try:
        yield activity
    finally:
        ended.set()
        thread.join()


def _print_lines(activity: Activity, stream: TextIO, ended: threading.Event, seconds: float) -> None:
    began = time.monotonic()
    while not ended.wait(seconds):
        description, done = activity.now
        share = f", {done:.0%}" if done else ""
        print(f"{description}{share}, {time.monotonic() - began:.0f} s so far", file=stream, flush=True)


def _refresh_bar(activity: Activity, stream: TextIO, ended: threading.Event, _: float) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - the same
    from rich.progress import Progress as Bar  # noqa: PLC0415 - the same

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task(activity.now[0], total=1.0)
        while not ended.wait(0.1):
            description, done = activity.now
            bar.update(task, description=description, completed=done)
