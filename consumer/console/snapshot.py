"""What /metrics says, read back: counts as of one moment, and speed and latency between two of them. Pure."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import Metric

from consumer.printable import beginning

Buckets = tuple[tuple[float, float], ...]  # upper bound -> how many were at most that, rising

_COUNTS: Final = {
    "session_scorer_events_total": "outcome",
    "session_scorer_results_total": "risk_level",
    "session_scorer_dead_letters_total": "code",
    "session_scorer_transactions_total": "outcome",
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
    transactions: dict[str, int] = field(default_factory=dict)
    latency: Buckets = ()
    lags: tuple[int, ...] = ()  # of each partition that is being read
    model: str = ""  # its version

    @property
    def accounted(self) -> int:
        """Events that are done with: a result, a dead letter, or skipped."""
        return sum(self.outcomes.values())

    @property
    def counts(self) -> tuple[dict[str, int], ...]:
        """All that only ever grows while a process lives."""
        return self.outcomes, self.levels, self.codes, self.transactions


@dataclass(frozen=True, slots=True)
class Pulse:
    """How it went between two readings. None: nothing to go by."""

    seconds: float = 0.0
    rate: float | None = None  # events a second
    p50: float | None = None  # seconds from an event's Kafka timestamp to its result's commit
    p99: float | None = None
    latency: Buckets = ()  # what these two are made of


def reading(families: Iterable[Metric], at: float) -> Reading:
    """The reading that these metrics are: those of a registry, or those parsed from the text of /metrics."""
    counts: dict[str, dict[str, int]] = {name: {} for name in _COUNTS}
    buckets: dict[float, float] = {}
    lags: list[int] = []
    model = ""
    for sample in (sample for family in families for sample in family.samples):
        if sample.name in counts:
            counts[sample.name][beginning(sample.labels[_COUNTS[sample.name]])] = int(sample.value)
        elif sample.name == _LATENCY:
            buckets[float(sample.labels["le"])] = sample.value
        elif sample.name == _LAG:
            lags.append(int(sample.value))
        elif sample.name == _MODEL:
            model = beginning(sample.labels["version"])
    outcomes, levels, codes, transactions = counts.values()
    return Reading(at, outcomes, levels, codes, transactions, tuple(sorted(buckets.items())), tuple(lags), model)


def pulse(older: Reading, newer: Reading) -> Pulse:
    """Speed and latency of what was committed between two readings."""
    seconds = newer.at - older.at
    if seconds <= 0:
        return Pulse()
    before = dict(older.latency)
    buckets = tuple((bound, count - before.get(bound, 0)) for bound, count in newer.latency)
    rate = (newer.accounted - older.accounted) / seconds
    return Pulse(seconds, rate, quantile(buckets, 0.5), quantile(buckets, 0.99), buckets)


def begun_anew(older: Reading, newer: Reading) -> bool:
    """Whether the newer one is of another process: counts never fall while one lives."""
    pairs = zip(older.counts, newer.counts, strict=True)
    return any(after.get(name, 0) < count for before, after in pairs for name, count in before.items())


def total(readings: Sequence[Reading], at: float) -> Reading:
    """What several workers, one at least, have counted together."""
    lags = tuple(lag for one in readings for lag in one.lags)
    outcomes, levels, codes, transactions = (_sum(each) for each in zip(*(one.counts for one in readings), strict=True))
    return Reading(at, outcomes, levels, codes, transactions, _together(one.latency for one in readings), lags)


def together(pulses: Sequence[Pulse]) -> Pulse:
    """How it went with several workers at once."""
    rates = [one.rate for one in pulses if one.rate is not None]
    if not rates:
        return Pulse()
    buckets = _together(one.latency for one in pulses)
    seconds = max(one.seconds for one in pulses)
    return Pulse(seconds, sum(rates), quantile(buckets, 0.5), quantile(buckets, 0.99), buckets)


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    summed: Counter[str] = Counter()
    for each in counts:
        summed.update(each)  # keeps what is 0, and the order
    return dict(summed)


def _together(histograms: Iterable[Buckets]) -> Buckets:
    """Their sum. All workers of one version have the same bounds; of two versions those count that both have."""
    each = [dict(buckets) for buckets in histograms if buckets]
    bounds = set.intersection(*map(set, each)) if each else set()
    return tuple((bound, sum(one[bound] for one in each)) for bound in sorted(bounds))


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
