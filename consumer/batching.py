"""When is a batch full? By count, by bytes, or because its oldest event has waited long enough. No clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass

# The most records asked for at once. Bytes are only known once records are here, so a batch may pass its limit of
# bytes by what one such request brings; small requests keep that little, and cost nothing measurable.
_REQUEST = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a batch: events, bytes of their values, and seconds that the oldest may wait for company."""

    events: int = 1000
    size: int = 8 * 1024 * 1024
    age: float = 0.005


class Gathering:
    """One batch as it fills: `add` what came, ask `room` how many to fetch next and `time_left` how long to wait."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._events = 0
        self._size = 0
        self._oldest = 0.0

    def add(self, events: int, size: int) -> None:
        """Counts `events` records whose values hold `size` bytes in all."""
        if events and not self._events:
            self._oldest = self._clock()
        self._events += events
        self._size += size

    def room(self) -> int:
        """How many records to ask for next; 0 when the batch is full. Large records are asked for a few at a time."""
        left = min(self._limits.events - self._events, _REQUEST)
        bytes_left = self._limits.size - self._size
        if left <= 0 or bytes_left <= 0:
            return 0
        if not self._events:
            return 1  # the first one ends the long wait; its company is asked for with `time_left`
        return max(1, min(left, bytes_left * self._events // max(self._size, 1)))

    def time_left(self) -> float:
        """Seconds that the oldest event may still wait. At 0 what is already here may join, nothing is waited for."""
        if not self._events:
            return self._limits.age
        return max(0.0, self._oldest + self._limits.age - self._clock())
