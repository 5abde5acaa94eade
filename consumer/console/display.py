"""Print snapshots: live on a terminal, line by line elsewhere."""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Self, TextIO

from rich.console import Console
from rich.live import Live

from consumer.console.alerts import Alert
from consumer.console.snapshot import Snapshot
from consumer.console.view import MOST_NOTES, alert_line, dead_letter_line, line, screen

LINE_SECONDS: Final = 2.0


class Screen:
    """Draws each snapshot over the one before."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live
        self._size = console.size

    def show(self, snapshot: Snapshot) -> None:
        size = self._console.size
        if size != self._size:  # the terminal has wrapped the old lines, which cannot be drawn over
            self._console.clear()
            self._size = size
        self._live.update(screen(snapshot, size.width, size.height), refresh=True)


class Lines:
    """Writes a line every few seconds and at each change of state, with the newest alert and dead letter and notes."""

    def __init__(self, out: TextIO, seconds: float = LINE_SECONDS) -> None:
        self._out = out
        self._seconds = seconds
        self._state = ""
        self._next = 0.0  # in the snapshots' seconds
        self._facts: tuple[str, ...] = ()
        self._alert: Alert | None = None
        self._dead_letter: str | None = None
        self._notes: tuple[str, ...] = ()

    def show(self, snapshot: Snapshot) -> None:
        """Write the lines that are due."""
        facts, notes = tuple(snapshot.facts), tuple(snapshot.notes)
        write_lines(self._out, [fact for fact in facts if fact not in self._facts])
        write_lines(self._out, [note for note in notes if note not in self._notes])
        self._facts, self._notes = facts, notes
        if snapshot.state != self._state or snapshot.seconds >= self._next:
            write_lines(self._out, [line(snapshot)])
            newest = snapshot.alerts[0] if snapshot.alerts else None
            if newest is not None and newest != self._alert:
                write_lines(self._out, [alert_line(newest)])
            if snapshot.dead_letter and snapshot.dead_letter != self._dead_letter:
                write_lines(self._out, [dead_letter_line(snapshot.dead_letter)])
            self._dead_letter = snapshot.dead_letter
            self._state, self._next, self._alert = snapshot.state, snapshot.seconds + self._seconds, newest


def write_lines(out: TextIO, texts: Iterable[str]) -> None:
    """Write each text on its own line and flush. A character that `out` cannot encode becomes "?"."""
    encoding = out.encoding or "utf-8"
    out.writelines(text.encode(encoding, "replace").decode(encoding) + "\n" for text in texts)
    out.flush()


@contextmanager
def display(out: TextIO, line_seconds: float = LINE_SECONDS) -> Iterator[Screen | Lines]:
    """Draw on `out` if it is a terminal, else write a line every `line_seconds`."""
    if not is_drawable(out):
        yield Lines(out, line_seconds)
        return
    console = Console(file=out)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield Screen(console, live)


def is_drawable(out: TextIO) -> bool:
    """Return whether `out` is a terminal that can be drawn on."""
    encoding = (out.encoding or "").lower().replace("-", "")
    return out.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb") and encoding.startswith("utf")


class LogNotes(logging.Handler):
    """Keeps distinct warnings and errors of the log as lines to show; the log itself must not reach the screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[str] = deque(maxlen=MOST_NOTES)

    def emit(self, record: logging.LogRecord) -> None:
        why = getattr(record, "reason", None) or getattr(record, "error", None)
        text = f"{record.levelname.lower()}: {record.getMessage()}" + (f": {why}" if why else "")
        if text not in self.lines:
            self.lines.append(text)

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """Replace all handlers of the root logger."""
        root = logging.getLogger()
        before, root.handlers = root.handlers, [self]
        try:
            yield self
        finally:
            root.handlers = before
