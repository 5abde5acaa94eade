"""Asking again: the same call, a little later each time, until it passes or patience ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from consumer.errors import DeliveryError, RetriableError
from consumer.runtime import SYSTEM, Runtime

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call is repeated. Longer than a broker's restart, shorter than `max.poll.interval.ms` (5 min).
    `call_seconds` is what each of the calls is given. Whatever waits with this patience runs on its `runtime`."""

    seconds: float = 60.0
    call_seconds: float = 15.0
    first_pause: float = 0.05
    longest_pause: float = 1.0
    runtime: Runtime = SYSTEM

    def insist(self, call: Callable[[], T], again: tuple[type[DeliveryError], ...] = (RetriableError,)) -> T:
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
