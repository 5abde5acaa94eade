"""Drift over the last day: a window of counts by bin, kept by the hour.

The window is a day because sessions change with the time of day: an hour of the evening is far from a baseline of
whole days, and nothing is wrong with it (docs/decisions/0007). Each worker has its own, from its start on.
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
"""Of how many events one is counted: that takes 0.05 µs an event in batches of 1,000, where counting all takes 0.26."""
LEAST_EVENTS: Final = 1000
"""In the window, before anything is said: of fewer, what is chance in the index comes near what is drift."""
_HOUR: Final = 3600
_HOURS: Final = 25  # the one that has begun, and a day: with less than a day an hour of it would be missing
_DAY: Final = 24 * _HOUR


def sample(batch: Batch) -> slice:
    """Which rows of a batch are counted: every eighth, a systematic sample.

    Its start is drawn from the first record's place, so that the same batch always gives the same rows, and each event
    is as likely to be counted as any other, whatever the size of its batch.
    """
    if not len(batch):
        return slice(0)
    return slice(crc32(b"%d-%d" % (batch.partitions[0], batch.offsets[0])) % EVERY, None, EVERY)


class Drift:
    """What was counted in the last day, against the baseline of the set that scores.

    Moments are in seconds since the epoch.
    """

    def __init__(self, baseline: Baseline) -> None:
        self._bins = Bins(baseline)
        self._since: float | None = None
        self._hours: dict[int, NDArray[np.int64]] = defaultdict(lambda: np.zeros(len(self._bins), dtype=np.int64))
        self.gaps = self._bins.gaps

    def add(self, counts: NDArray[np.int64], now: float) -> None:
        """Events of now, by bin."""
        self._since = now if self._since is None else self._since
        self._forget(now)
        self._hours[int(now // _HOUR)] += counts

    def events(self, now: float) -> int:
        """How many events the window holds."""
        return self._bins.count_events(self._counts(now))

    def psi(self, now: float) -> dict[str, float]:
        """The population stability index by distribution; nothing before the window holds enough events.

        That of the hour in transaction_date comes only after a day: it turns with the clock.
        """
        counts = self._counts(now)
        if self._since is None or self._bins.count_events(counts) < LEAST_EVENTS:
            return {}
        found = dict(self._bins.measure_drift(counts))
        if now - self._since < _DAY:
            del found[DATE]
        return found

    def _counts(self, now: float) -> NDArray[np.int64]:
        self._forget(now)
        return sum(self._hours.values(), start=np.zeros(len(self._bins), dtype=np.int64))

    def _forget(self, now: float) -> None:
        for hour in [hour for hour in self._hours if hour <= now // _HOUR - _HOURS]:
            del self._hours[hour]
