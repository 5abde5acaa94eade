"""The number of events that a batch may have so that it can be committed in time. No clock of its own."""

from typing import Final

PART: Final = 1000
"""A batch is what is committed together; so many of its events are worked on at once, which fits the caches."""

FEWEST: Final = 100
"""Smaller batches than this gain nothing, and tell nothing of what an event takes."""


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
