"""Metrics for Prometheus, updated once a batch: `observe()` for every event would cost 0.75 µs an event.

Every metric's name, kind and help stand in the tables below. Nothing is registered globally.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from consumer.observability.drift import EVERY, LEAST_EVENTS, Drift
from consumer.records import DEAD_LETTER_CODES, BatchStats, Partition
from scoring import LEVELS
from scoring.contract import CATEGORIES, MODEL_FIELDS
from scoring.decoding import FALLBACKS
from scoring.drift import Baseline
from scoring.rules import REASON_CODES

OUTCOMES: Final = ("scored", "dead_lettered", "skipped")
REBALANCES: Final = ("assigned", "revoked", "lost")
STAGES: Final = ("decode", "score", "encode", "publish", "commit")

COUNTERS: Final = {
    "session_scorer_events": "Committed input events, by outcome.",
    "session_scorer_results": "Results committed, by risk level.",
    "session_scorer_reasons": "Reason codes of committed results: one for Medium, up to three for High.",
    "session_scorer_dead_letters": "Dead letters committed, by code.",
    "session_scorer_imputed_fields": "Imputed gaps of scored events, by field.",
    "session_scorer_unseen_categories": "Category values of scored events that the encoder does not know, by field.",
    "session_scorer_decoder_fallbacks": "Events that the slower decoder read, by why the faster one could not.",
    "session_scorer_transactions": "Transactions, or commits with at-least-once, by outcome.",
    "session_scorer_rebalances": (
        "Times that partitions were assigned to this worker, revoked by its group, or lost without the group asking; a "
        "rebalance that changes none is an assignment, too."
    ),
    "session_scorer_events_never_seen": "Offsets deleted before they were read, skipped by --on-gap continue.",
    "session_scorer_log_lines_dropped": "Log lines that could not be written to standard error.",
}
HISTOGRAMS: Final = {
    "session_scorer_batch_events": "Events in a committed batch.",
    "session_scorer_stage_seconds": "Seconds of a batch in a stage.",
    "session_scorer_latency_seconds": "Seconds from an event's Kafka timestamp to its result's commit.",
    "session_scorer_anomaly_score": "Scores of committed results.",
}
GAUGES: Final = {
    "session_scorer_consumer_lag": (
        "Offsets between what was read, transaction markers included, and the last stable offset, for partitions "
        "assigned here."
    ),
    "session_scorer_unstable_offsets": (
        "Offsets between the last stable offset and the end, which open upstream transactions hold back, for "
        "partitions assigned here."
    ),
    "session_scorer_oldest_waiting_seconds": (
        "Seconds since unread records were first seen in a partition, open upstream transactions included; "
        "0 when nothing waits. For partitions assigned here."
    ),
    "session_scorer_broker_throttle_seconds": "Longest throttling delay of a broker in the last minute, in seconds.",
    "session_scorer_broker_round_trip_seconds": (
        "Usual round trip to the group's coordinator in the last minutes, in seconds: the median of the shortest in "
        "every two seconds, so that requests held back for other workers do not count."
    ),
    "session_scorer_assigned_partitions": (
        "Partitions assigned here; when there are none, 0 for a topic given by name and no value for one that only a "
        "pattern matches."
    ),
    "session_scorer_build_info": "1, with the versions of the program and of what it runs on in its labels.",
    "session_scorer_model_info": "1, with the artifact set in its labels.",
    "session_scorer_drift_psi": (
        "Population stability index of the last day's events against training, by distribution: a sample of every "
        f"{EVERY}th event, once it has {LEAST_EVENTS:,}; of transaction_date once it spans a day."
    ),
    "session_scorer_drift_window_events": f"Events in the drift sample, every {EVERY}th of the last day.",
    "session_scorer_baseline_gaps_ratio": "Share of events in training without the field.",
}

BATCH_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
STAGE_BUCKETS: Final = (1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
LATENCY_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
SCORE_BUCKETS: Final = tuple(round(0.05 * i, 2) for i in range(1, 21))


class Build(NamedTuple):
    """The versions of the program and of what it runs on: the labels of `session_scorer_build_info`."""

    version: str
    python: str
    librdkafka: str


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound (inclusive, as in Prometheus) and the sum of the values."""

    bounds: Sequence[float]
    total: float = 0.0
    counts: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.bounds) + 1, dtype=np.int64)

    def add(self, values: ArrayLike) -> None:
        """Count the values."""
        array = np.asarray(values, dtype=np.float64)
        self.counts += np.bincount(np.searchsorted(self.bounds, array, side="left"), minlength=len(self.counts))
        self.total += float(array.sum())

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound, cumulative count), the last bound +Inf."""
        names = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        return list(zip(names, np.cumsum(self.counts).tolist(), strict=True))


class Metrics:
    """The metrics of one worker, which any thread can read through `registry`.

    `version`, `sha256` and `baseline` belong to the artifact set; without a baseline no drift is exported, without
    `build` no build. `clock` returns seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913 - what does not change while the worker runs
        self,
        version: str,
        sha256: str,
        baseline: Baseline | None = None,
        clock: Callable[[], float] = time.time,
        *,
        lines_dropped: Callable[[], int] = int,
        build: Build | None = None,
    ) -> None:
        self._clock = clock
        self._lines_dropped = lines_dropped
        self._model = (version, sha256)
        self._build = build
        self._lock = threading.Lock()
        self._events = Counter(dict.fromkeys(OUTCOMES, 0))
        self._results: Counter[str] = Counter(dict.fromkeys(LEVELS, 0))
        self._reasons: Counter[str] = Counter(dict.fromkeys(REASON_CODES, 0))
        self._dead_letters = Counter(dict.fromkeys(DEAD_LETTER_CODES, 0))
        self._imputed = Counter(dict.fromkeys(MODEL_FIELDS, 0))
        self._unseen = Counter(dict.fromkeys(CATEGORIES, 0))
        self._fallbacks = Counter(dict.fromkeys(FALLBACKS, 0))
        self._transactions = Counter({"committed": 0, "aborted": 0})
        self._rebalances = dict.fromkeys(REBALANCES, 0)
        self._never_seen: Counter[Partition] = Counter()
        self._by_partition: dict[str, dict[Partition, float]] = {
            "session_scorer_consumer_lag": {},
            "session_scorer_unstable_offsets": {},
        }
        self._waiting: dict[Partition, float] = {}  # seconds, as of `_waiting_at`
        self._waiting_at = 0.0
        self._throttled = 0.0
        self._round_trip: float | None = None
        self._assigned: dict[str, int] = {}
        self._drift = None if baseline is None else Drift(baseline)
        self._batch = Histogram(BATCH_BUCKETS)
        self._stages = {stage: Histogram(STAGE_BUCKETS) for stage in STAGES}
        self._latency = Histogram(LATENCY_BUCKETS)
        self._scores = Histogram(SCORE_BUCKETS)
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def record_commit(self, stats: BatchStats, seconds_ago: float = 0.0) -> None:
        """Count a batch that was committed `seconds_ago`."""
        outcomes = {"scored": stats.scored, "dead_lettered": stats.dead_lettered, "skipped": stats.skipped}
        committed = self._clock() - seconds_ago
        latencies = np.maximum(committed * 1000 - stats.timestamps, 0) / 1000  # a producer's clock may be ahead
        with self._lock:
            self._events.update(outcomes)
            self._results.update(stats.levels)
            self._reasons.update(stats.reasons)
            self._dead_letters.update(stats.dead_letter_codes)
            self._imputed.update(stats.imputed)
            self._unseen.update(stats.unseen)
            self._fallbacks.update(stats.fallbacks)
            self._transactions["committed"] += 1
            if events := sum(outcomes.values()):  # none: only positions were committed
                self._batch.add([events])
            self._latency.add(latencies)
            self._scores.add(stats.scores)
            if self._drift is not None:
                self._drift.add(stats.drift, committed)
            for stage, seconds in stats.stage_seconds.items():
                self._stages.setdefault(stage, Histogram(STAGE_BUCKETS)).add([seconds])

    def record_abort(self) -> None:
        """Count an aborted transaction."""
        with self._lock:
            self._transactions["aborted"] += 1

    def set_lag(self, partitions: Mapping[Partition, int]) -> None:
        """Replace the lag of all assigned partitions."""
        self._set("session_scorer_consumer_lag", partitions)

    def set_unstable_offsets(self, partitions: Mapping[Partition, int]) -> None:
        """Replace the offsets that open upstream transactions hold back, for all assigned partitions."""
        self._set("session_scorer_unstable_offsets", partitions)

    def set_oldest_waiting(self, partitions: Mapping[Partition, float]) -> None:
        """Replace the wait of the oldest event, for all assigned partitions; above 0 it grows until the next call."""
        with self._lock:
            self._waiting, self._waiting_at = dict(partitions), self._clock()

    def set_throttle(self, seconds: float) -> None:
        """Set the longest delay that a broker added to an answer."""
        with self._lock:
            self._throttled = seconds

    def set_round_trip(self, seconds: float | None) -> None:
        """Set the usual round trip to the group's coordinator; None when it is not known."""
        with self._lock:
            self._round_trip = seconds

    def set_assigned_partitions(self, topics: Mapping[str, int]) -> None:
        """Replace the number of partitions assigned, by topic."""
        with self._lock:
            self._assigned = dict(topics)

    def set_rebalances(self, events: Mapping[str, int]) -> None:
        """Set how often partitions were assigned, revoked and lost, by event."""
        with self._lock:
            self._rebalances |= events

    def _set(self, name: str, partitions: Mapping[Partition, float]) -> None:
        with self._lock:
            self._by_partition[name] = dict(partitions)

    def record_never_seen(self, partition: Partition, records: int) -> None:
        """Count records that were deleted before they were read."""
        with self._lock:
            self._never_seen[partition] += records

    def collect(self) -> Iterator[Metric]:
        """Return all metrics as of one moment, for the registry of prometheus_client."""
        with self._lock:
            return iter([*self._counters(), *self._histograms(), *self._gauges()])

    def _counters(self) -> Iterator[Metric]:
        yield _counter("session_scorer_events", "outcome", self._events)
        yield _counter("session_scorer_results", "risk_level", self._results)
        yield _counter("session_scorer_reasons", "reason", self._reasons)
        yield _counter("session_scorer_dead_letters", "code", self._dead_letters)
        yield _counter("session_scorer_imputed_fields", "field", self._imputed)
        yield _counter("session_scorer_unseen_categories", "field", self._unseen)
        yield _counter("session_scorer_decoder_fallbacks", "reason", self._fallbacks)
        yield _counter("session_scorer_transactions", "outcome", self._transactions)
        yield _counter("session_scorer_rebalances", "event", self._rebalances)
        name = "session_scorer_events_never_seen"
        family = CounterMetricFamily(name, COUNTERS[name], labels=("topic", "partition"))
        for (topic, number), count in self._never_seen.items():
            family.add_metric([topic, str(number)], count)
        yield family
        name = "session_scorer_log_lines_dropped"
        yield CounterMetricFamily(name, COUNTERS[name], value=self._lines_dropped())

    def _histograms(self) -> Iterator[Metric]:
        yield _histogram("session_scorer_batch_events", self._batch)
        name = "session_scorer_stage_seconds"
        family = HistogramMetricFamily(name, HISTOGRAMS[name], labels=("stage",))
        for stage, histogram in self._stages.items():
            family.add_metric([stage], histogram.buckets(), histogram.total)
        yield family
        yield _histogram("session_scorer_latency_seconds", self._latency)
        yield _histogram("session_scorer_anomaly_score", self._scores)

    def _gauges(self) -> Iterator[Metric]:
        for name, partitions in self._by_partition.items():
            family = GaugeMetricFamily(name, GAUGES[name], labels=("topic", "partition"))
            for (topic, number), value in partitions.items():
                family.add_metric([topic, str(number)], value)
            yield family
        yield self._oldest_waiting()
        name = "session_scorer_broker_throttle_seconds"
        yield GaugeMetricFamily(name, GAUGES[name], value=self._throttled)
        name = "session_scorer_broker_round_trip_seconds"
        yield GaugeMetricFamily(name, GAUGES[name], value=self._round_trip)
        yield _gauge("session_scorer_assigned_partitions", "topic", self._assigned)
        name = "session_scorer_build_info"
        build = GaugeMetricFamily(name, GAUGES[name], labels=Build._fields)
        if self._build is not None:
            build.add_metric(self._build, 1)
        yield build
        name = "session_scorer_model_info"
        info = GaugeMetricFamily(name, GAUGES[name], labels=("version", "sha256"))
        info.add_metric(self._model, 1)
        yield info
        if self._drift is not None:
            yield from _drift(self._drift, self._clock())

    def _oldest_waiting(self) -> Metric:
        name = "session_scorer_oldest_waiting_seconds"
        family = GaugeMetricFamily(name, GAUGES[name], labels=("topic", "partition"))
        since = max(0.0, self._clock() - self._waiting_at)  # it grows while the worker hangs, too
        for (topic, number), seconds in self._waiting.items():
            family.add_metric([topic, str(number)], seconds + since if seconds else 0.0)
        return family


def _drift(drift: Drift, now: float) -> Iterator[Metric]:
    yield _gauge("session_scorer_drift_psi", "distribution", drift.measure_psi(now))
    name = "session_scorer_drift_window_events"
    yield GaugeMetricFamily(name, GAUGES[name], value=drift.count_events(now))
    yield _gauge("session_scorer_baseline_gaps_ratio", "field", drift.gaps)


def _gauge(name: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, GAUGES[name], labels=(label,))
    for label_value, value in values.items():
        family.add_metric([label_value], value)
    return family


def _counter(name: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, COUNTERS[name], labels=(label,))
    for label_value, count in counts.items():
        family.add_metric([label_value], count)
    return family


def _histogram(name: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(name, HISTOGRAMS[name], histogram.buckets(), histogram.total)
