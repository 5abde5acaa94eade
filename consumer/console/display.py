"""Shows snapshots as they come: live on a terminal, line by line anywhere else."""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live

from consumer.console.alerts import Alert
from consumer.console.view import MOST_NOTES, Snapshot, alert_line, fault_line, line, screen

LINE_SECONDS: Final = 2.0


class Display(Protocol):
    """Where snapshots are shown."""

    def show(self, snapshot: Snapshot) -> None: ...


class Screen:
    """The newest snapshot, drawn over the one before."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live
        self._size = console.size

    def show(self, snapshot: Snapshot) -> None:
        """Draw it."""
        size = self._console.size
        if size != self._size:  # what was drawn has been wrapped anew, and cannot be drawn over
            self._console.clear()
            self._size = size
        self._live.update(screen(snapshot, size.width, size.height), refresh=True)


class Lines:
    """A line every so many seconds and at every change of state; with it the newest alert, the newest dead letter and
    what there is to note."""

    def __init__(self, out: TextIO, seconds: float = LINE_SECONDS) -> None:
        self._out = out
        self._seconds = seconds
        self._state = ""
        self._next = 0.0  # in seconds of the snapshots
        self._facts: tuple[str, ...] = ()
        self._alert: Alert | None = None
        self._fault: str | None = None
        self._notes: tuple[str, ...] = ()

    def show(self, snapshot: Snapshot) -> None:
        """Write what is due."""
        facts, notes = tuple(snapshot.facts), tuple(snapshot.notes)
        write_lines(self._out, [fact for fact in facts if fact not in self._facts])
        write_lines(self._out, [note for note in notes if note not in self._notes])
        self._facts, self._notes = facts, notes
        if snapshot.state != self._state or snapshot.seconds >= self._next:
            write_lines(self._out, [line(snapshot)])
            newest = snapshot.alerts[0] if snapshot.alerts else None
            if newest is not None and newest != self._alert:
                write_lines(self._out, [alert_line(newest)])
            if snapshot.fault and snapshot.fault != self._fault:
                write_lines(self._out, [fault_line(snapshot.fault)])
            self._fault = snapshot.fault
            self._state, self._next, self._alert = snapshot.state, snapshot.seconds + self._seconds, newest


def write_lines(out: TextIO, texts: Iterable[str]) -> None:
    """Each on a line of its own, at once. A character that `out` cannot encode becomes "?"."""
    encoding = out.encoding or "utf-8"
    out.writelines(text.encode(encoding, "replace").decode(encoding) + "\n" for text in texts)
    out.flush()


@contextmanager
def display(out: TextIO, line_seconds: float = LINE_SECONDS) -> Iterator[Display]:
    """The way of showing that suits `out`; there is a line every so many seconds if it cannot be drawn on."""
    if not drawable(out):
        yield Lines(out, line_seconds)
        return
    console = Console(file=out)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield Screen(console, live)


def drawable(out: TextIO) -> bool:
    """Whether it is a terminal that can be drawn on."""
    encoding = (out.encoding or "").lower().replace("-", "")
    return out.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb") and encoding.startswith("utf")


class Notes(logging.Handler):
    """Warnings and errors of the log, each once, as lines to show. Nothing of the log itself may reach the screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[str] = deque(maxlen=MOST_NOTES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what was logged, with the reason that came along."""
        why = getattr(record, "reason", None) or getattr(record, "error", None)
        text = f"{record.levelname.lower()}: {record.getMessage()}" + (f": {why}" if why else "")
        if text not in self.lines:
            self.lines.append(text)

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """In the place of every other handler."""
        root = logging.getLogger()
        before, root.handlers = root.handlers, [self]
        try:
            yield self
        finally:
            root.handlers = before
