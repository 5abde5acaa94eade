"""The clock and the threads that a worker runs on, so that a simulation can put its own in their place."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, Protocol

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
