"""Drift over the last day: counts by bin and hour.

The window is a day because sessions change with the time of day: a normal hour of the evening is far from a baseline of
full days (docs/decisions/0007). Each worker has a window of its own, which begins with its start.
"""

from collections import defaultdict
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from consumer.records import Batch
from scoring.contract import DATE
from scoring.drift import Baseline, Bins

EVERY: Final = 8
"""One event in so many is counted: 0.05 µs an event in batches of 1,000, where counting all takes 0.26."""
LEAST_EVENTS: Final = 1000
"""Events in the window before an index is returned: with fewer, chance looks like drift."""
_HOUR: Final = 3600
_HOURS: Final = 25  # a day, and the current hour
_DAY: Final = 24 * _HOUR


def sample(batch: Batch) -> slice:
    """Return the rows of a batch that are counted: every eighth, a systematic sample.

    Its start is a hash of the first record's partition and offset: the same batch always gives the same rows, and all
    events are equally likely to be counted, whatever the size of their batch.
    """
    if not len(batch):
        return slice(0)
    return slice(crc32(b"%d-%d" % (batch.partitions[0], batch.offsets[0])) % EVERY, None, EVERY)


class Drift:
    """Compares the events of the last day with the baseline of the artifact set. Times are seconds since the epoch."""

    def __init__(self, baseline: Baseline) -> None:
        self._bins = Bins(baseline)
        self._since: float | None = None
        self._hours: dict[int, NDArray[np.int64]] = defaultdict(lambda: np.zeros(len(self._bins), dtype=np.int64))
        self.gaps = self._bins.gaps

    def add(self, counts: NDArray[np.int64], now: float) -> None:
        """Add the counts of a batch, by bin."""
        self._since = now if self._since is None else self._since
        self._forget(now)
        self._hours[int(now // _HOUR)] += counts

    def count_events(self, now: float) -> int:
        """Return the number of events in the window."""
        return self._bins.count_events(self._counts(now))

    def measure_psi(self, now: float) -> dict[str, float]:
        """Return the population stability index by distribution; empty until the window holds LEAST_EVENTS.

        The hour of transaction_date is left out during the first day, since it changes with the clock.
        """
        counts = self._counts(now)
        if self._since is None or self._bins.count_events(counts) < LEAST_EVENTS:
            return {}
        indices = dict(self._bins.measure_drift(counts))
        if now - self._since < _DAY:
            del indices[DATE]
        return indices

    def _counts(self, now: float) -> NDArray[np.int64]:
        self._forget(now)
        return sum(self._hours.values(), start=np.zeros(len(self._bins), dtype=np.int64))

    def _forget(self, now: float) -> None:
        for hour in [hour for hour in self._hours if hour <= now // _HOUR - _HOURS]:
            del self._hours[hour]
