"""End the process when a commit or a shutdown does not end.

librdkafka's commit and send_offsets have no timeout of their own (its issue 5456), and no Python code can interrupt
them.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consumer.observability.bounded_output import end_process
from consumer.runtime import SYSTEM, Event, Runtime

_log = logging.getLogger("consumer.watchdog")


def _end_process(reason: str) -> None:
    _log.critical("cannot go on", extra={"reason": reason})
    logging.shutdown()
    end_process(1)  # sys.exit would wait for the very call that does not return


class Watchdog:
    """Watches one operation at a time, and the stop. Inside `on_duty` a thread checks both every `interval` seconds."""

    def __init__(
        self,
        seconds: float = 80.0,
        shutdown_seconds: float = 30.0,
        *,
        interval: float = 0.5,
        end: Callable[[str], None] = _end_process,
        runtime: Runtime = SYSTEM,
    ) -> None:
        """Give an operation `seconds`, and a stop `shutdown_seconds`; then call `end` with the reason."""
        self._seconds = seconds
        self._shutdown_seconds = shutdown_seconds
        self._interval = interval
        self._end = end
        self._runtime = runtime
        self._watched: tuple[float, str] | None = None  # deadline, reason when it passes
        self._stopping: tuple[float, str] | None = None  # the same, for good
        self._left = runtime.make_event()

    @contextmanager
    def on_duty(self, stop: Event) -> Iterator[None]:
        """Check deadlines inside. Once `stop` is set, the block must end within the shutdown's time."""
        thread = self._runtime.start_thread(functools.partial(self._watch, stop), "watchdog")
        try:
            yield
        finally:
            self._left.set()
            thread.join()

    @contextmanager
    def watching(self, operation: str) -> Iterator[None]:
        """Watch the block, which must end in time."""
        self.watch(operation)
        try:
            yield
        finally:
            self.rest()

    def watch(self, operation: str) -> None:
        """Watch an operation that begins now, until `rest`."""
        self._watched = (self._runtime.clock() + self._seconds, f"{operation} did not end within {self._seconds:g} s")

    def rest(self) -> None:
        """Watch no operation."""
        self._watched = None

    def check(self, stop: Event) -> None:
        """End the process if a deadline has passed."""
        now = self._runtime.clock()
        if stop.is_set() and self._stopping is None:
            self._stopping = (now + self._shutdown_seconds, f"no clean stop within {self._shutdown_seconds:g} s")
        for deadline, reason in filter(None, (self._watched, self._stopping)):
            if now > deadline:
                self._end(f"{reason}: gave up; what is not committed will be read again")

    def _watch(self, stop: Event) -> None:
        while not self._left.wait(self._interval):
            self.check(stop)
