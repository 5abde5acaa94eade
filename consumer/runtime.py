"""Define what a worker takes from the system: a clock, threads, queues and events; and what follows from the clock.

A simulation passes a `Runtime` of its own. `Retry` repeats a call, `RateLimit` thins out log lines.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, Protocol, TypeVar, TypeVarTuple

from consumer.errors import DeliveryError, RetriableError

Clock = Callable[[], float]
"""Returns seconds of a monotonic clock."""

Event = threading.Event
"""A flag that threads set and wait for; a simulation passes a subclass."""


class Thread(Protocol):
    """A thread that runs."""

    def join(self, timeout: float | None = None) -> None: ...


def start_daemon(target: Callable[[], None], name: str) -> Thread:
    """Start a thread that the end of the process does not wait for."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


@dataclass(frozen=True, slots=True)
class Runtime:
    """The clock of a worker, and the makers of its threads, queues and events."""

    clock: Clock = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    start_thread: Callable[[Callable[[], None], str], Thread] = start_daemon
    """Starts a daemon thread from its target and its name."""
    make_queue: Callable[[], SimpleQueue[Any]] = SimpleQueue
    make_event: Callable[[], Event] = Event


SYSTEM: Final = Runtime()
"""The system's own clock and threads."""


def now_ms() -> int:
    """Return the time of day in ms since the epoch."""
    return time.time_ns() // 1_000_000


T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Retry:
    """Repeats a call for `seconds`, with pauses that grow from `first_pause` to `longest_pause` seconds.

    `seconds` is longer than a broker's restart and shorter than `max.poll.interval.ms` (5 min). `call_seconds` is the
    timeout of one call, for its callers to use; they also run on `runtime`.
    """

    seconds: float = 60.0
    call_seconds: float = 15.0
    first_pause: float = 0.05
    longest_pause: float = 1.0
    runtime: Runtime = SYSTEM

    def call(
        self, function: Callable[[*Ts], T], *args: *Ts, on: tuple[type[DeliveryError], ...] = (RetriableError,)
    ) -> T:
        """Return the function's result. Repeat the call on these errors; raise the last one after the deadline."""
        clock = self.runtime.clock
        deadline = clock() + self.seconds
        pause = self.first_pause
        while True:
            try:
                return function(*args)
            except on:
                if clock() + pause > deadline:
                    raise
            self.runtime.sleep(pause)
            pause = min(pause * 2, self.longest_pause)


class RateLimit:
    """Admit the first of many occurrences at once, then one every `seconds`."""

    def __init__(self, seconds: float = 60.0, clock: Clock = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last = -math.inf
        self._pending = 0

    def admit(self) -> int:
        """Count an occurrence; return the number since the last admitted one, 0 when it is too soon."""
        self._pending += 1
        now = self._clock()
        if now - self._last < self._seconds:
            return 0
        count, self._pending, self._last = self._pending, 0, now
        return count
