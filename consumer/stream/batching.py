"""How much is read at once, and when is a batch full? By count, by bytes, because its oldest event has waited long
enough, or because more events could not be through in time. No clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# The most records asked for at once. Bytes are only known once records are here, so a batch may pass its limit of
# bytes by what one such request brings; small requests keep that little, and cost nothing measurable.
_REQUEST = 256

PART: Final = 1000
"""A batch is what is committed together; so many of its events are worked on at once, which fits the caches."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of what is read at once: bytes of the values, and seconds that the oldest may wait for company."""

    size: int = 8 * 1024 * 1024
    age: float = 0.005


FEWEST: Final = 100
"""Smaller batches than this gain nothing, and tell nothing of what an event takes."""


class Gathering:
    """A part of a batch as it fills: `add` what came; `room`: how many to fetch next, `time_left`: how long to wait."""

    def __init__(self, limits: Limits, clock: Callable[[], float], most: int = PART) -> None:
        """`most`: events that it may have."""
        self._limits = limits
        self._most = most
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
        """How many records to ask for next; 0 when there are enough. Large records are asked for a few at a time."""
        left = min(self._most - self._events, _REQUEST)
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


class Budget:
    """How many events a batch may have so that it is committed in time, going by the batches before it.

    It takes what each event takes, and the commit. Where the commit alone takes longer than half of the budget, the
    work on a batch takes as long: smaller ones would make a backlog, and it all the later.
    """

    WEIGHT: Final = 0.2  # of the last batch

    def __init__(self, seconds: float = 0.05, most: int = 10_000, *, part: int = PART, fewest: int = FEWEST) -> None:
        """`most` events, whatever the time; `part` of them are worked on at once, and a batch has room for more as long
        as `fewest` fit in."""
        self.part = part
        self.fewest = fewest
        self._seconds = seconds
        self._most = most
        self._event: float | None = None  # seconds that one takes, from its bytes to its result handed to the producer
        self._commit = 0.0

    def took(self, events: int, working: float, committing: float) -> None:
        """A batch was committed, after so many seconds of work and so many of commit."""
        self._commit += self.WEIGHT * (committing - self._commit)
        if events >= self.fewest:
            before = working / events if self._event is None else self._event
            self._event = before + self.WEIGHT * (working / events - before)

    def events(self) -> int:
        """The most that the next batch may have."""
        if not self._event:
            return min(self._most, self.part)
        in_time = int(max(self._seconds - self._commit, self._commit) / self._event)
        return min(self._most, max(self.fewest, in_time))
