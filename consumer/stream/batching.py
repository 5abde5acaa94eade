"""Limit the size of batches so that they are committed in time. The clock is the caller's."""

from typing import Final

PART_EVENTS: Final = 1000
"""The most events in a part of a batch: they are worked on together and fit the CPU's caches."""

MIN_EVENTS: Final = 100
"""Smaller batches are not faster, and their times do not show the time of an event."""


class BatchSizer:
    """Limits the events of a batch so that it is committed within `seconds`, judging by the batches before it.

    A batch takes the time of its events and of its commit. When the commit alone takes more than half of `seconds`, the
    work on a batch may take as long as the commit: smaller batches would let a backlog grow and delay every event.
    """

    WEIGHT: Final = 0.2  # of the latest batch

    def __init__(
        self,
        seconds: float = 0.05,
        max_events: int = 10_000,
        *,
        part_events: int = PART_EVENTS,
        min_events: int = MIN_EVENTS,
    ) -> None:
        """A batch is full when fewer than `min_events` more may join it."""
        self.part_events = part_events
        self.min_events = min_events
        self._seconds = seconds
        self._max_events = max_events
        self._event_seconds: float | None = None  # of one event, from the read to the producer
        self._commit_seconds = 0.0

    def record(self, events: int, work_seconds: float, commit_seconds: float) -> None:
        """Learn from a committed batch."""
        self._commit_seconds += self.WEIGHT * (commit_seconds - self._commit_seconds)
        if events >= self.min_events:
            before = work_seconds / events if self._event_seconds is None else self._event_seconds
            self._event_seconds = before + self.WEIGHT * (work_seconds / events - before)

    def limit(self) -> int:
        """Return the most events that the next batch may have."""
        if not self._event_seconds:
            return min(self._max_events, self.part_events)
        in_time = int(max(self._seconds - self._commit_seconds, self._commit_seconds) / self._event_seconds)
        return min(self._max_events, max(self.min_events, in_time))
