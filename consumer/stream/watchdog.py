"""Ends the process when something that must end does not: a commit without an answer, a shutdown without an end.

librdkafka's commit and send_offsets have no bound of their own (its issue 5456), and no Python code can interrupt them.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consumer.observability.output import end_process
from consumer.runtime import SYSTEM, Event, Runtime

_log = logging.getLogger("consumer.watchdog")


def _end_process(why: str) -> None:
    _log.critical("cannot go on", extra={"reason": why})
    logging.shutdown()
    end_process(1)  # sys.exit would wait for the very call that does not return


class Watchdog:
    """Watches one stretch of work at a time, and the stop. While entered, a thread looks every `look_seconds`."""

    def __init__(
        self,
        seconds: float = 80.0,
        shutdown_seconds: float = 30.0,
        *,
        look_seconds: float = 0.5,
        end: Callable[[str], None] = _end_process,
        runtime: Runtime = SYSTEM,
    ) -> None:
        self._seconds = seconds
        self._shutdown_seconds = shutdown_seconds
        self._look_seconds = look_seconds
        self._end = end
        self._runtime = runtime
        self._watched: tuple[float, str] | None = None  # deadline, what must be over by then
        self._stopping: tuple[float, str] | None = None  # the same, and nothing lifts it
        self._left = runtime.make_event()

    @contextmanager
    def on_duty(self, stop: Event) -> Iterator[None]:
        """Looks while inside. From the moment `stop` is set, leaving must happen within the shutdown bound."""
        thread = self._runtime.start_thread(functools.partial(self._watch, stop), "watchdog")
        try:
            yield
        finally:
            self._left.set()
            thread.join()

    @contextmanager
    def watching(self, what: str) -> Iterator[None]:
        """The work inside must end within the bound."""
        self.watch(what)
        try:
            yield
        finally:
            self.rest()

    def watch(self, what: str) -> None:
        """This must have ended, and `rest` been called, within the bound."""
        self._watched = (self._runtime.clock() + self._seconds, f"{what} did not end within {self._seconds:g} s")

    def rest(self) -> None:
        """What was watched has ended."""
        self._watched = None

    def look(self, stop: Event) -> None:
        """Ends the process if a deadline has passed."""
        now = self._runtime.clock()
        if stop.is_set() and self._stopping is None:
            self._stopping = (now + self._shutdown_seconds, f"no clean stop within {self._shutdown_seconds:g} s")
        for deadline, why in filter(None, (self._watched, self._stopping)):
            if now > deadline:
                self._end(f"{why}: gave up; what is not committed will be read again")

    def _watch(self, stop: Event) -> None:
        while not self._left.wait(self._look_seconds):
            self.look(stop)
