"""The clock and the threads that a worker runs on, so that a simulation can put its own in their place."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, Protocol, TypeVar

from consumer.errors import DeliveryError, RetriableError

Clock = Callable[[], float]
"""Returns seconds of a monotonic clock."""


class Thread(Protocol):
    """A thread that has been started."""

    def join(self, timeout: float | None = None) -> None: ...


class Queue(Protocol):
    """A queue between threads. `get` raises `queue.Empty` after `timeout` seconds; None waits without end."""

    def put(self, item: Any, /) -> None: ...
    def get(self, *, timeout: float | None = None) -> Any: ...
    def empty(self) -> bool: ...


class Event(Protocol):
    """A flag that threads set and wait for."""

    def set(self) -> None: ...
    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


def start_daemon(target: Callable[[], None], name: str) -> Thread:
    """Start a thread that the end of the process does not wait for."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a worker takes from the system: time, threads, and what threads wait for."""

    clock: Clock = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    start_thread: Callable[[Callable[[], None], str], Thread] = start_daemon
    """Starts a daemon thread, given its target and its name."""
    make_queue: Callable[[], Queue] = SimpleQueue
    make_event: Callable[[], Event] = threading.Event


SYSTEM: Final = Runtime()
"""The system's own clock and threads."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How long a call is repeated. Longer than a broker's restart, shorter than `max.poll.interval.ms` (5 min).
    `call_seconds` is what each of the calls is given. Whatever waits runs on its `runtime`."""

    seconds: float = 60.0
    call_seconds: float = 15.0
    first_pause: float = 0.05
    longest_pause: float = 1.0
    runtime: Runtime = SYSTEM

    def call(self, call: Callable[[], T], again: tuple[type[DeliveryError], ...] = (RetriableError,)) -> T:
        """The answer of `call`, repeated while it raises one of `again`; past the deadline that error is raised."""
        clock = self.runtime.clock
        deadline = clock() + self.seconds
        pause = self.first_pause
        while True:
            try:
                return call()
            except again:
                if clock() + pause > deadline:
                    raise
            self.runtime.sleep(pause)
            pause = min(pause * 2, self.longest_pause)


class RateLimit:
    """Lets one of many occurrences through: the first at once, then one every `seconds`.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, seconds: float = 60.0, clock: Clock = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last = -math.inf
        self._pending = 0

    def admit(self) -> int:
        """Count one occurrence; return how many there were since the last admitted one, 0 when it is too soon."""
        self._pending += 1
        now = self._clock()
        if now - self._last < self._seconds:
            return 0
        count, self._pending, self._last = self._pending, 0, now
        return count
