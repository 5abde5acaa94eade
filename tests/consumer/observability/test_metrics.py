"""What a scrape reads, by Prometheus' own text parser."""

from typing import Any

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from consumer.observability.metrics import Build, Histogram, Metrics
from consumer.records import BatchStats, Partition
from tests.support.fakes import P0, P1

NOW = 1_800_000_000.0


KINDS = {
    "session_scorer_events": "counter",
    "session_scorer_results": "counter",
    "session_scorer_reasons": "counter",
    "session_scorer_dead_letters": "counter",
    "session_scorer_batch_events": "histogram",
    "session_scorer_stage_seconds": "histogram",
    "session_scorer_latency_seconds": "histogram",
    "session_scorer_anomaly_score": "histogram",
    "session_scorer_consumer_lag": "gauge",
    "session_scorer_unstable_offsets": "gauge",
    "session_scorer_oldest_waiting_seconds": "gauge",
    "session_scorer_broker_throttle_seconds": "gauge",
    "session_scorer_imputed_fields": "counter",
    "session_scorer_unseen_categories": "counter",
    "session_scorer_decoder_fallbacks": "counter",
    "session_scorer_transactions": "counter",
    "session_scorer_events_never_seen": "counter",
    "session_scorer_log_lines_dropped": "counter",
    "session_scorer_rebalances": "counter",
    "session_scorer_assigned_partitions": "gauge",
    "session_scorer_broker_round_trip_seconds": "gauge",
    "session_scorer_build_info": "gauge",
    "session_scorer_model_info": "gauge",
}
"""The metrics of the contract, and those of our own."""


def stats(**changes: Any) -> BatchStats:
    values: dict[str, Any] = {
        "scored": 3,
        "dead_lettered": 1,
        "skipped": 1,
        "levels": {"Low": 2, "High": 1},
        "reasons": {"no_clicks": 1, "very_large_amount": 1},
        "dead_letter_codes": {"wrong_type": 1},
        "imputed": {"device_motion": 2},
        "unseen": {"language": 1},
        "fallbacks": {"escaped_key": 2},
        "scores": np.array([0.05, 0.051, 1.0]),
        "timestamps": np.array([NOW * 1000 - 3, NOW * 1000 + 5000], dtype=np.int64),
        "stage_seconds": {"decode": 0.001, "score": 0.002, "encode": 0.0, "publish": 0.2, "commit": 20.0},
        "dead_letter_flags": [False, True, False, False],
    }
    return BatchStats(**(values | changes))


def metrics() -> Metrics:
    return Metrics("v1", "abc", clock=lambda: NOW)


def samples(of: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(generate_latest(of.registry).decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(of: Metrics, name: str, **labels: str) -> float:
    return samples(of)[name, frozenset(labels.items())]


def test_known_labels_start_at_zero() -> None:
    fresh = samples(metrics())
    for name, label, values in [
        ("events", "outcome", ("scored", "dead_lettered", "skipped")),
        ("results", "risk_level", ("Low", "Medium", "High")),
        ("reasons", "reason", ("large_amount_odd_hour", "no_touches_mobile", "moderately_unusual", "multiple_signals")),
        ("dead_letters", "code", ("not_json", "wrong_type", "bad_date", "too_large")),
        ("imputed_fields", "field", ("device_motion", "time_on_page")),
        ("unseen_categories", "field", ("language",)),
        ("decoder_fallbacks", "reason", ("escaped_key", "repeated_key", "too_deep", "invalid")),
        ("transactions", "outcome", ("committed", "aborted")),
        ("rebalances", "event", ("assigned", "revoked", "lost")),
    ]:
        for known in values:
            assert fresh[f"session_scorer_{name}_total", frozenset({(label, known)})] == 0
    for stage in ("decode", "score", "encode", "publish", "commit"):
        assert fresh["session_scorer_stage_seconds_count", frozenset({("stage", stage)})] == 0


def test_every_metric_is_exported_with_its_kind() -> None:
    families = {f.name: f.type for f in text_string_to_metric_families(generate_latest(metrics().registry).decode())}
    assert {name: kind for name, kind in families.items() if name.startswith("session_scorer_")} == KINDS
    assert value(metrics(), "session_scorer_model_info", version="v1", sha256="abc") == 1


def test_a_commit_adds_the_stats_to_the_counters() -> None:
    seen = metrics()
    seen.record_commit(stats())
    seen.record_commit(stats())
    assert value(seen, "session_scorer_events_total", outcome="scored") == 6
    assert value(seen, "session_scorer_events_total", outcome="skipped") == 2
    assert value(seen, "session_scorer_results_total", risk_level="High") == 2
    assert value(seen, "session_scorer_results_total", risk_level="Medium") == 0
    assert value(seen, "session_scorer_reasons_total", reason="no_clicks") == 2
    assert value(seen, "session_scorer_reasons_total", reason="very_many_clicks") == 0
    assert value(seen, "session_scorer_dead_letters_total", code="wrong_type") == 2
    assert value(seen, "session_scorer_imputed_fields_total", field="device_motion") == 4
    assert value(seen, "session_scorer_unseen_categories_total", field="language") == 2
    assert value(seen, "session_scorer_decoder_fallbacks_total", reason="escaped_key") == 4
    assert value(seen, "session_scorer_transactions_total", outcome="committed") == 2


def test_an_unknown_code_is_counted() -> None:
    seen = metrics()
    seen.record_commit(stats(dead_letter_codes={"brand_new": 4}))
    assert value(seen, "session_scorer_dead_letters_total", code="brand_new") == 4


def test_an_abort_counts_the_transaction_alone() -> None:
    seen, before = metrics(), samples(metrics())
    seen.record_abort()
    name = ("session_scorer_transactions_total", frozenset({("outcome", "aborted")}))
    own = {key: number for key, number in samples(seen).items() if key[0].startswith("session_scorer_")}
    assert {key: number for key, number in own.items() if number != before[key]} == {name: 1}


def test_a_value_on_a_bound_counts_below_it() -> None:
    seen = metrics()
    seen.record_commit(stats())
    assert value(seen, "session_scorer_anomaly_score_bucket", le="0.05") == 1
    assert value(seen, "session_scorer_anomaly_score_bucket", le="0.1") == 2
    assert value(seen, "session_scorer_anomaly_score_bucket", le="1.0") == 3
    assert value(seen, "session_scorer_anomaly_score_count") == 3
    assert value(seen, "session_scorer_anomaly_score_sum") == pytest.approx(1.101)
    assert value(seen, "session_scorer_batch_events_bucket", le="5.0") == 1
    assert value(seen, "session_scorer_stage_seconds_bucket", stage="commit", le="10.0") == 0
    assert value(seen, "session_scorer_stage_seconds_bucket", stage="commit", le="+Inf") == 1


def test_a_future_event_has_no_negative_latency() -> None:
    seen = metrics()
    seen.record_commit(stats())
    assert value(seen, "session_scorer_latency_seconds_count") == 2
    assert value(seen, "session_scorer_latency_seconds_bucket", le="0.001") == 1
    assert value(seen, "session_scorer_latency_seconds_sum") == pytest.approx(0.003)


def test_a_batch_of_dead_letters_counts_as_batch() -> None:
    seen = metrics()
    none = np.array([], dtype=np.int64)
    seen.record_commit(stats(scored=0, levels={}, scores=none.astype(np.float64), timestamps=none))
    assert value(seen, "session_scorer_anomaly_score_count") == 0
    assert value(seen, "session_scorer_batch_events_count") == 1


def test_revoked_partitions_have_no_lag() -> None:
    seen = metrics()
    seen.set_lag({P0: 5, P1: 7})
    seen.set_lag({P1: 3})
    assert value(seen, "session_scorer_consumer_lag", topic="sessions", partition="1") == 3
    assert ("session_scorer_consumer_lag", frozenset({("topic", "sessions"), ("partition", "0")})) not in samples(seen)


def test_a_topic_that_is_no_longer_assigned_vanishes() -> None:
    seen, logins = metrics(), Partition("logins", 0)
    for partitions in ([P0, logins], [P0]):
        seen.set_lag(dict.fromkeys(partitions, 5))
        seen.set_unstable_offsets(dict.fromkeys(partitions, 2))
        seen.set_oldest_waiting(dict.fromkeys(partitions, 12.0))
        labels = [dict(labels) for _, labels in samples(seen)]
        topics = [each["topic"] for each in labels if "topic" in each]
        assert sorted(topics) == sorted([each.topic for each in partitions] * 3)


def test_a_commit_of_positions_is_no_batch() -> None:
    seen = metrics()
    none = np.array([], dtype=np.int64)
    nothing = {"scored": 0, "dead_lettered": 0, "skipped": 0, "levels": {}, "scores": none, "timestamps": none}
    seen.record_commit(stats(**nothing))
    assert value(seen, "session_scorer_transactions_total", outcome="committed") == 1
    assert value(seen, "session_scorer_batch_events_count") == 0


def test_unstable_offsets_are_exported() -> None:
    seen = metrics()
    seen.set_lag({P0: 0})
    seen.set_unstable_offsets({P0: 2})
    assert value(seen, "session_scorer_consumer_lag", topic="sessions", partition="0") == 0
    assert value(seen, "session_scorer_unstable_offsets", topic="sessions", partition="0") == 2


def test_the_oldest_wait_grows_between_updates() -> None:
    now = [float(NOW)]
    seen = Metrics("v1", "abc", clock=lambda: now[0])
    seen.set_oldest_waiting({P0: 12.0, P1: 0.0})
    now[0] += 30
    assert value(seen, "session_scorer_oldest_waiting_seconds", topic="sessions", partition="0") == 42
    assert value(seen, "session_scorer_oldest_waiting_seconds", topic="sessions", partition="1") == 0


def test_throttling_is_exported() -> None:
    seen = metrics()
    assert value(seen, "session_scorer_broker_throttle_seconds") == 0
    seen.set_throttle(1.5)
    assert value(seen, "session_scorer_broker_throttle_seconds") == 1.5


def test_never_seen_events_are_counted_by_partition() -> None:
    seen = metrics()
    seen.record_never_seen(Partition("sessions", 2), 40)
    seen.record_never_seen(Partition("sessions", 2), 2)
    assert value(seen, "session_scorer_events_never_seen_total", topic="sessions", partition="2") == 42


def test_two_instances_share_nothing() -> None:
    one, other = metrics(), metrics()
    one.record_commit(stats())
    assert value(other, "session_scorer_events_total", outcome="scored") == 0


def test_a_histogram_agrees_with_a_count_by_hand() -> None:
    random = np.random.default_rng(1)
    values = random.uniform(0, 12, 1000).round(1)
    histogram = Histogram((1, 2.5, 10))
    histogram.add(values[:400])
    histogram.add(values[400:])
    by_hand = [int((values <= bound).sum()) for bound in (1, 2.5, 10)]
    assert histogram.buckets() == list(zip(["1.0", "2.5", "10.0", "+Inf"], [*by_hand, 1000], strict=True))
    assert histogram.total == pytest.approx(float(values.sum()))


def test_dropped_log_lines_are_a_counter_without_labels() -> None:
    dropped = Metrics("v1", "abc", lines_dropped=lambda: 3)
    assert value(dropped, "session_scorer_log_lines_dropped_total") == 3
    assert value(metrics(), "session_scorer_log_lines_dropped_total") == 0


def test_the_build_is_in_its_labels() -> None:
    built = Metrics("v1", "abc", build=Build("1.2.0", "3.13.1", "2.16.0"))
    assert value(built, "session_scorer_build_info", version="1.2.0", python="3.13.1", librdkafka="2.16.0") == 1


def test_assigned_partitions_are_replaced() -> None:
    seen = metrics()
    seen.set_assigned_partitions({"sessions": 4, "logins": 2})
    seen.set_assigned_partitions({"sessions": 0})
    assert value(seen, "session_scorer_assigned_partitions", topic="sessions") == 0
    assert ("session_scorer_assigned_partitions", frozenset({("topic", "logins")})) not in samples(seen)


def test_rebalances_keep_events_that_did_not_happen_at_zero() -> None:
    seen = metrics()
    seen.set_rebalances({"assigned": 3})
    assert value(seen, "session_scorer_rebalances_total", event="assigned") == 3
    assert value(seen, "session_scorer_rebalances_total", event="lost") == 0


def test_an_unknown_round_trip_has_no_value() -> None:
    seen = metrics()
    assert ("session_scorer_broker_round_trip_seconds", frozenset()) not in samples(seen)
    seen.set_round_trip(0.0021)
    assert value(seen, "session_scorer_broker_round_trip_seconds") == 0.0021
