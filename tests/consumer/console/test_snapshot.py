"""Figures read back from /metrics."""

import math

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from consumer.console.snapshot import Reading, Window, pulse_between, quantile, read_metrics
from consumer.observability.metrics import Metrics
from consumer.records import BatchStats
from tests.support.fakes import P0, P1


def stats(scored: int, dead: int = 0, timestamps: list[int] | None = None) -> BatchStats:
    return BatchStats(
        scored=scored,
        dead_lettered=dead,
        skipped=1,
        levels={"Low": scored, "Medium": 0, "High": 0},
        reasons={},
        dead_letter_codes={"not_json": dead},
        imputed={},
        unseen={},
        scores=np.zeros(scored),
        timestamps=np.array(timestamps or [], dtype=np.int64),
        stage_seconds={},
        dead_letter_flags=[],
    )


def test_the_text_of_metrics_and_the_registry_itself_read_the_same() -> None:
    metrics = Metrics("v", "sha", clock=lambda: 100.0)
    metrics.record_commit(stats(3, dead=2, timestamps=[99_996, 99_000, 1]))
    metrics.set_lag({P0: 4, P1: 5})

    own = read_metrics(metrics.registry.collect(), at=7.0)
    scraped = read_metrics(text_string_to_metric_families(generate_latest(metrics.registry).decode()), at=7.0)

    assert own == scraped
    assert own.outcomes == {"scored": 3, "dead_lettered": 2, "skipped": 1}
    assert own.accounted == 6
    assert own.levels == {"Low": 3, "Medium": 0, "High": 0}
    assert own.codes["not_json"] == 2
    assert own.lags == (4, 5)
    assert own.model == "v"


def test_nothing_read_has_no_speed_and_no_latency() -> None:
    assert pulse_between(Reading(0), Reading(1)).rate == 0
    assert pulse_between(Reading(0), Reading(1)).p50 is None
    assert pulse_between(Reading(1), Reading(1)).rate is None


def test_a_pulse_is_of_what_happened_between_two_readings_alone() -> None:
    older = Reading(10.0, {"scored": 100}, latency=((0.001, 100), (0.002, 100), (math.inf, 100)))
    newer = Reading(12.0, {"scored": 300}, latency=((0.001, 100), (0.002, 300), (math.inf, 300)))

    between = pulse_between(older, newer)

    assert between.rate == 100
    assert between.p50 == pytest.approx(0.0015)


@pytest.mark.parametrize(
    ("q", "expected"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.75, 10 / 3), (0.99, math.inf), (1.0, math.inf)]
)
def test_a_quantile_lies_evenly_within_its_bucket(q: float, expected: float) -> None:
    assert quantile(((1.0, 4), (2.0, 4), (4.0, 7), (math.inf, 8)), q) == pytest.approx(expected)


def test_quantiles_of_known_values_are_within_their_buckets() -> None:
    metrics = Metrics("v", "sha", clock=lambda: 1000.0)
    latencies = np.arange(1, 1001)  # ms
    metrics.record_commit(stats(1000, timestamps=(1_000_000 - latencies).tolist()))

    latency = read_metrics(metrics.registry.collect(), at=0).latency

    assert quantile(latency, 0.5) == pytest.approx(0.5, abs=0.001)
    assert quantile(latency, 0.99) == pytest.approx(0.99, abs=0.001)
    assert quantile((), 0.5) is None


def test_a_window_forgets_what_is_older_than_it() -> None:
    window = Window(seconds=2.0)
    for second in range(6):
        last = window.add(Reading(float(second), {"scored": 10 * second * second}))

    assert last.seconds == 2.0
    assert last.rate == (250 - 90) / 2
