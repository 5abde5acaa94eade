"""Readings of /metrics, speed and latency between two of them, and the snapshot that is shown. Pure."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import Metric

from consumer.console.alerts import Alert
from consumer.printable import shortened

Buckets = tuple[tuple[float, float], ...]  # (upper bound, count of values up to it), rising

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
    """All figures at one moment: `at`, in seconds of a monotonic clock."""

    at: float
    outcomes: dict[str, int] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    transactions: dict[str, int] = field(default_factory=dict)
    latency: Buckets = ()
    lags: tuple[int, ...] = ()  # one for each assigned partition
    model: str = ""  # version

    @property
    def accounted(self) -> int:
        """Return the number of events that ended as a result or dead letter, or were skipped."""
        return sum(self.outcomes.values())

    @property
    def counts(self) -> tuple[dict[str, int], ...]:
        """Return the counters, which never fall while a process lives."""
        return self.outcomes, self.levels, self.codes, self.transactions


@dataclass(frozen=True, slots=True)
class Pulse:
    """Speed and latency between two readings; None without data."""

    seconds: float = 0.0
    rate: float | None = None  # events per second
    p50: float | None = None  # seconds from Kafka timestamp to commit of the result
    p99: float | None = None
    latency: Buckets = ()  # the source of both


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that is shown, at one moment."""

    title: str
    state: str  # in a few words
    facts: Sequence[str] = ()  # where it runs, one line each
    details: Sequence[str] = ()  # of each fact, changing all the time; only on a screen
    seconds: float = 0.0  # since it began
    fed: int | None = None  # None: fed elsewhere
    expected: int | None = None  # None: unknown
    reading: Reading
    pulse: Pulse
    alert_count: int = 0  # of all alerts
    alerts: Sequence[Alert] | None = ()  # newest first; None: not read
    dead_letter: str | None = None  # the newest; "": none has arrived; None: not read
    notes: Sequence[str] = ()  # warnings, newest last


def read_metrics(families: Iterable[Metric], at: float) -> Reading:
    """Read metric families, of a registry or parsed from the text of /metrics."""
    counts: dict[str, dict[str, int]] = {name: {} for name in _COUNTS}
    buckets: dict[float, float] = {}
    lags: list[int] = []
    model = ""
    for sample in (sample for family in families for sample in family.samples):
        if sample.name in counts:
            counts[sample.name][shortened(sample.labels[_COUNTS[sample.name]])] = int(sample.value)
        elif sample.name == _LATENCY:
            buckets[float(sample.labels["le"])] = sample.value
        elif sample.name == _LAG:
            lags.append(int(sample.value))
        elif sample.name == _MODEL:
            model = shortened(sample.labels["version"])
    outcomes, levels, codes, transactions = counts.values()
    return Reading(at, outcomes, levels, codes, transactions, tuple(sorted(buckets.items())), tuple(lags), model)


def pulse_between(older: Reading, newer: Reading) -> Pulse:
    """Return speed and latency of the commits between two readings."""
    seconds = newer.at - older.at
    if seconds <= 0:
        return Pulse()
    before = dict(older.latency)
    buckets = tuple((bound, count - before.get(bound, 0)) for bound, count in newer.latency)
    rate = (newer.accounted - older.accounted) / seconds
    return Pulse(seconds, rate, quantile(buckets, 0.5), quantile(buckets, 0.99), buckets)


def has_restarted(older: Reading, newer: Reading) -> bool:
    """Return whether the newer reading is of another process: counters have fallen."""
    pairs = zip(older.counts, newer.counts, strict=True)
    return any(after.get(name, 0) < count for before, after in pairs for name, count in before.items())


def sum_readings(readings: Sequence[Reading], at: float) -> Reading:
    """Add up the readings of one or more workers."""
    lags = tuple(lag for reading in readings for lag in reading.lags)
    counts = map(_sum, zip(*(reading.counts for reading in readings), strict=True))
    outcomes, levels, codes, transactions = counts
    latency = _sum_buckets(reading.latency for reading in readings)
    return Reading(at, outcomes, levels, codes, transactions, latency, lags)


def combine_pulses(pulses: Sequence[Pulse]) -> Pulse:
    """Combine the pulses of several workers."""
    rates = [pulse.rate for pulse in pulses if pulse.rate is not None]
    if not rates:
        return Pulse()
    buckets = _sum_buckets(pulse.latency for pulse in pulses)
    seconds = max(pulse.seconds for pulse in pulses)
    return Pulse(seconds, sum(rates), quantile(buckets, 0.5), quantile(buckets, 0.99), buckets)


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    summed: Counter[str] = Counter()
    for count in counts:
        summed.update(count)  # keeps zeros and the order
    return dict(summed)


def _sum_buckets(histograms: Iterable[Buckets]) -> Buckets:
    """Add up the buckets that all have: those of one version have the same bounds, those of two share some."""
    counts = [dict(buckets) for buckets in histograms if buckets]
    bounds = set.intersection(*map(set, counts)) if counts else set()
    return tuple((bound, sum(count[bound] for count in counts)) for bound in sorted(bounds))


def quantile(buckets: Buckets, q: float) -> float | None:
    """Estimate a quantile as Prometheus does, with values spread evenly within a bucket.

    Return infinity past the last bound, None for an empty histogram.
    """
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
    """The readings of the last seconds, for speed and latency "now"."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._readings: deque[Reading] = deque()

    def add(self, newest: Reading) -> Pulse:
        """Add a reading; return the pulse since the oldest one in the window."""
        self._readings.append(newest)
        while len(self._readings) > 2 and newest.at - self._readings[1].at >= self._seconds:
            self._readings.popleft()
        return pulse_between(self._readings[0], newest)
