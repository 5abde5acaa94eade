"""What /metrics says, read back: counts as of one moment, and speed and latency between two of them. Pure."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import Metric

Buckets = tuple[tuple[float, float], ...]  # upper bound -> how many were at most that, rising

_COUNTS: Final = {
    "session_scorer_events_total": "outcome",
    "session_scorer_results_total": "risk_level",
    "session_scorer_dead_letters_total": "code",
}
_LATENCY: Final = "session_scorer_latency_seconds_bucket"
_LAG: Final = "session_scorer_consumer_lag"
_MODEL: Final = "session_scorer_model_info"


@dataclass(frozen=True, slots=True)
class Reading:
    """All figures as of `at`, in seconds of a clock that only goes forward."""

    at: float
    outcomes: dict[str, int] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    latency: Buckets = ()
    lags: tuple[int, ...] = ()  # of each partition that is being read
    model: str = ""  # its version

    @property
    def accounted(self) -> int:
        """Events that are done with: a result, a dead letter, or skipped."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Pulse:
    """How it went between two readings. None: nothing to go by."""

    seconds: float = 0.0
    rate: float | None = None  # events a second
    p50: float | None = None  # seconds from an event's Kafka timestamp to its result's commit
    p99: float | None = None


def reading(families: Iterable[Metric], at: float) -> Reading:
    """The reading that these metrics are: those of a registry, or those parsed from the text of /metrics."""
    counts: dict[str, dict[str, int]] = {name: {} for name in _COUNTS}
    buckets: dict[float, float] = {}
    lags: list[int] = []
    model = ""
    for sample in (sample for family in families for sample in family.samples):
        if sample.name in counts:
            counts[sample.name][sample.labels[_COUNTS[sample.name]]] = int(sample.value)
        elif sample.name == _LATENCY:
            buckets[float(sample.labels["le"])] = sample.value
        elif sample.name == _LAG:
            lags.append(int(sample.value))
        elif sample.name == _MODEL:
            model = sample.labels["version"]
    outcomes, levels, codes = counts.values()
    return Reading(at, outcomes, levels, codes, tuple(sorted(buckets.items())), tuple(lags), model)


def pulse(older: Reading, newer: Reading) -> Pulse:
    """Speed and latency of what was committed between two readings."""
    seconds = newer.at - older.at
    if seconds <= 0:
        return Pulse()
    before = dict(older.latency)
    buckets = tuple((bound, count - before.get(bound, 0)) for bound, count in newer.latency)
    rate = (newer.accounted - older.accounted) / seconds
    return Pulse(seconds, rate, quantile(buckets, 0.5), quantile(buckets, 0.99))


def quantile(buckets: Buckets, q: float) -> float | None:
    """The value below which the share `q` lies, as Prometheus estimates it: evenly spread within a bucket. Infinity
    when it lies past the last bound; None when the histogram is empty."""
    if not buckets or not buckets[-1][1]:
        return None
    rank = q * buckets[-1][1]
    below, least = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank and count > below:
            return bound if math.isinf(bound) else least + (bound - least) * (rank - below) / (count - below)
        below, least = count, bound
    return math.inf


class Window:
    """The readings of the last seconds: what is said of "now" goes by them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._readings: deque[Reading] = deque()

    def add(self, newest: Reading) -> Pulse:
        """The pulse from the oldest reading in the window to this one."""
        self._readings.append(newest)
        while len(self._readings) > 2 and newest.at - self._readings[1].at >= self._seconds:
            self._readings.popleft()
        return pulse(self._readings[0], newest)
