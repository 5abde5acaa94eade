"""Drift as a worker tells it: which events are counted, for how long, and that only committed ones are."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumer.delivery.exactly_once import ExactlyOnce
from consumer.errors import MustAbortError
from consumer.kafka.membership import Membership
from consumer.observability.drift import EVERY, LEAST_EVENTS, Drift, sample
from consumer.observability.metrics import Metrics
from consumer.observability.slow_batches import SlowBatches
from consumer.records import Output
from consumer.stream.batching import MIN_EVENTS, BatchSizer
from consumer.stream.circuit_breaker import CircuitBreaker
from consumer.stream.output_limits import TopicLimits
from consumer.stream.pipeline import Pipeline, Topics
from consumer.stream.watchdog import Watchdog
from consumer.stream.worker import Worker
from scoring import Scorer
from scoring.contract import DATE
from scoring.drift import DISTRIBUTIONS, Baseline, Bins
from tests.support.artifacts.hand_computed import batch
from tests.support.fakes import (
    P0,
    FakeClock,
    FakeHealth,
    FakeLog,
    FakeProducer,
    FakeSource,
    Fault,
    HurriedStop,
    no_trouble,
)
from training.synthetic.dataset import keyed_events

MEMBER = Membership(b"worker-1", revocations=0, metadata=b"member")
HOUR, DAY = 3600.0, 86_400.0
EVENTS = [value for _, value in itertools.islice(keyed_events(7), 9000)]
TOPICS = Topics("session-results", "session-alerts", "session-dead-letters")


@pytest.fixture(scope="module")
def baseline(scorer: Scorer) -> Baseline:
    assert scorer.artifacts.baseline is not None
    return scorer.artifacts.baseline


def alike(scorer: Scorer, baseline: Baseline, events: int) -> NDArray[np.int64]:
    """So many events that are all gaps, by bin."""
    return events * Bins(baseline).count(scorer.decode([b"{}"]).columns, np.array([0.1]), slice(None))


def processed(scorer: Scorer, *values: bytes | None) -> Output:
    return Pipeline(scorer, TOPICS, "fraud", lambda _: TopicLimits(1_000_000), lambda: 1).process(batch(*values))


def told(metrics: Metrics) -> dict[str, dict[str, float]]:
    """What /metrics says of drift: name -> label -> value."""
    families = {family.name.removeprefix("session_scorer_"): family.samples for family in metrics.registry.collect()}
    return {
        name: {"".join(each.labels.values()): each.value for each in samples}
        for name, samples in families.items()
        if name.startswith(("drift_", "baseline_"))
    }


def consumed(scorer: Scorer, events: Sequence[bytes], log: FakeLog | None = None) -> dict[str, dict[str, float]]:
    """What a worker tells after these events, read in batches that are no smaller on a slow machine."""
    log, stop = log or FakeLog(), HurriedStop()
    clock = FakeClock()
    retry = clock.retry(seconds=1)
    delivery = ExactlyOnce(lambda name: FakeProducer(log, name), ("id-0", "id-1"), lambda: MEMBER, retry)
    pipeline = Pipeline(scorer, TOPICS, "fraud", lambda _: TopicLimits(1_000_000), lambda: 1)
    metrics = Metrics(scorer.artifacts.version, scorer.artifacts.sha256, scorer.artifacts.baseline)
    worker = Worker(
        topics=["sessions"],
        source=FakeSource(log, {P0: events}, stop, MIN_EVENTS),
        process=pipeline.process,
        delivery=delivery,
        sizer=BatchSizer(),
        breaker=CircuitBreaker(),
        metrics=metrics,
        health=FakeHealth(),
        watchdog=Watchdog(),
        slow_batches=SlowBatches(),
        output_trouble=no_trouble,
        runtime=clock.runtime(),
    )
    worker.run(stop)
    return told(metrics)


def test_every_eighth_event_is_sampled_repeatably(scorer: Scorer) -> None:
    one = processed(scorer, *EVENTS[:800]).stats.drift
    again = processed(scorer, *EVENTS[:800]).stats.drift

    assert one.sum() == 100 * len(DISTRIBUTIONS)
    assert (one == again).all()


@given(st.integers(1, 40), st.integers(0, 10**6))
def test_batch_size_does_not_bias_the_sample(size: int, first: int) -> None:
    events = range(first, first + 4000)
    batches = [events[i : i + size] for i in range(0, 4000, size)]
    counted = [
        len(range(len(offsets))[sample(batch(*[b""] * len(offsets), offsets=list(offsets)))]) for offsets in batches
    ]

    assert sum(counted) == pytest.approx(4000 / EVERY, abs=120)  # five times the spread of one event in eight by lot


def test_an_empty_batch_counts_no_event(scorer: Scorer, baseline: Baseline) -> None:
    for values in ((), (None,), (b"{",)):
        assert Bins(baseline).count_events(processed(scorer, *values).stats.drift) == 0


def test_a_small_window_has_no_index(scorer: Scorer, baseline: Baseline) -> None:
    drift = Drift(baseline)
    drift.add(alike(scorer, baseline, LEAST_EVENTS - 1), now=0)
    assert (drift.count_events(0), drift.measure_psi(0)) == (LEAST_EVENTS - 1, {})

    drift.add(alike(scorer, baseline, 1), now=0)
    assert drift.measure_psi(0).keys() == set(DISTRIBUTIONS) - {DATE}


def test_the_hour_has_an_index_after_a_day(scorer: Scorer, baseline: Baseline) -> None:
    drift = Drift(baseline)
    drift.add(alike(scorer, baseline, LEAST_EVENTS), now=0.5 * HOUR)

    assert DATE not in drift.measure_psi(DAY)
    assert drift.measure_psi(DAY + 0.5 * HOUR).keys() == set(DISTRIBUTIONS)


def test_the_window_drops_events_after_a_day(scorer: Scorer, baseline: Baseline) -> None:
    drift = Drift(baseline)
    drift.add(alike(scorer, baseline, 5), now=0.9 * HOUR)
    drift.add(alike(scorer, baseline, 7), now=1.0 * HOUR)

    assert drift.count_events(0.9 * HOUR + DAY) == 12
    assert drift.count_events(1.0 * HOUR + DAY) == 7
    assert drift.count_events(2.0 * HOUR + DAY) == 0


def test_an_expired_window_has_no_index(scorer: Scorer, baseline: Baseline) -> None:
    drift = Drift(baseline)
    drift.add(alike(scorer, baseline, LEAST_EVENTS), now=0)

    assert drift.measure_psi(3 * DAY) == {}


def test_training_data_has_no_drift(scorer: Scorer) -> None:
    seen = consumed(scorer, EVENTS)

    assert seen["drift_window_events"][""] == pytest.approx(len(EVENTS) / EVERY, abs=len(EVENTS) / 500)
    assert seen["drift_psi"].keys() == set(DISTRIBUTIONS) - {DATE}
    assert max(seen["drift_psi"].values()) < 0.1


def test_a_changed_field_drifts_by_name(scorer: Scorer) -> None:
    changed = [msgspec.json.encode(msgspec.json.decode(event) | {"device_orientation": "sideways"}) for event in EVENTS]
    shifts = {name for name, psi in consumed(scorer, changed)["drift_psi"].items() if psi > 0.25}

    assert shifts == {"device_orientation"}


def test_an_aborted_batch_counts_once_when_committed(scorer: Scorer) -> None:
    aborting = FakeLog({"commit": [None, Fault(MustAbortError("the group has moved on"))]})

    assert consumed(scorer, EVENTS[:2000], aborting) == consumed(scorer, EVENTS[:2000])


def test_gap_ratios_of_training_are_exported(baseline: Baseline) -> None:
    seen = told(Metrics("v1", "abc", baseline))

    assert seen["drift_window_events"] == {"": 0}
    assert seen["drift_psi"] == {}
    assert seen["baseline_gaps_ratio"].keys() == set(DISTRIBUTIONS) - {"anomaly_score"}
    assert seen["baseline_gaps_ratio"]["language"] == baseline.categories["language"].gaps


@pytest.mark.parametrize("adopted", [True, False])
def test_a_set_without_baseline_exports_no_drift(scorer: Scorer, *, adopted: bool) -> None:
    manifest = scorer.artifacts.manifest
    assert manifest is not None
    without = msgspec.structs.replace(manifest, baseline=None) if adopted else None
    bare = Scorer(replace(scorer.artifacts, manifest=without))

    assert processed(bare, *EVENTS[:1800]).stats.scored == 1800
    assert consumed(bare, EVENTS[:1000]) == {}
