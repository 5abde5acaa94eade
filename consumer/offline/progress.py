"""How far a long command has come: a bar on a terminal, a line now and then elsewhere. On stderr, always."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TextIO

from scoring.tables import SAMPLE_ROWS, Statistics

LINE_SECONDS: Final = 10.0  # between two lines where there is no terminal

Progress = Callable[[float, int], None]
"""Is told how much is done (0 to 1) and how many rows that is."""


@dataclass(frozen=True)
class Reporting:
    """How the caller of a long command hears of what goes on."""

    progress: Progress = lambda *_: None
    say: Callable[[str], object] = lambda _: None  # a line that is worth a warning


SILENT: Final = Reporting()


class FirstRows:
    """Reports once what is striking about the first rows of a table, as soon as they are scored."""

    def __init__(self, say: Callable[[str], object], model: str = "the model") -> None:
        self._say, self._model = say, model
        self._statistics = Statistics()
        self._judged = False

    def add(self, statistics: Statistics) -> None:
        """Count the next rows."""
        if not self._judged:
            self._statistics += statistics
            if self._statistics.rows >= SAMPLE_ROWS:
                self.judge()

    def judge(self) -> None:
        """Report what is known by now, unless that is done."""
        if not self._judged:
            for note in self._statistics.notes(self._model):
                self._say(note)
        self._judged = True


@contextmanager
def shown_progress(what: str, stream: TextIO | None = None) -> Iterator[Progress]:
    """Shows the progress of the work inside."""
    stream = stream or sys.stderr
    with _bar(what, stream) if stream.isatty() else _lines(what, stream) as progress:
        yield progress


@contextmanager
def _bar(what: str, stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import Progress as Bar  # noqa: PLC0415 - the same

    with Bar(console=Console(file=stream), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done, rows: bar.update(task, completed=done, description=f"{what}: {rows:,} rows")


@contextmanager
def _lines(what: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    said = clock()

    def progress(done: float, rows: int) -> None:
        nonlocal said
        if clock() - said >= LINE_SECONDS:
            said = clock()
            print(f"{what}: {rows:,} rows, {done:.0%}", file=stream, flush=True)

    yield progress


class Activity:
    """What a command of many steps is at, for whoever shows it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._now = (name, 0.0)

    @property
    def now(self) -> tuple[str, float]:
        """Return what is being done, and how much of it is done, 0 to 1."""
        return self._now

    def track(self, sequence: Sequence[int], description: str) -> Iterator[int]:
        """Walk through the sequence and note how far that is."""
        for place, each in enumerate(sequence):
            self._now = (description, place / len(sequence))
            yield each
        self._now = (self._name, 0.0)

    @contextmanager
    def reading(self, name: str) -> Iterator[Progress]:
        """Note how far the reading of a file is."""

        def progress(done: float, rows: int) -> None:
            self._now = (f"{name}: {rows:,} rows", done)

        self._now = (name, 0.0)
        yield progress
        self._now = (self._name, 0.0)


@contextmanager
def shown_activity(name: str, stream: TextIO | None = None, seconds: float = LINE_SECONDS) -> Iterator[Activity]:
    """Show what the work inside is at: a bar on a terminal, else a line every so many seconds, however long a step."""
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
