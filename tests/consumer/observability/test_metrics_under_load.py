"""/metrics while the real thing works: every metric of the contract, its values sane, read by the Prometheus parser."""

import json
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.consumer.observability.test_metrics import KINDS
from tests.support.end_to_end import Line, stop
from tests.support.kafka.topics import Topics

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

EVENTS = 60_000
Sample = tuple[str, tuple[tuple[str, str], ...]]


def scrape(url: str) -> tuple[dict[str, str], dict[Sample, float]]:
    """Kinds by name, values by name and labels."""
    families = list(text_string_to_metric_families(httpx.get(url).text))
    samples = [sample for family in families for sample in family.samples]
    values = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    return {family.name: family.type for family in families}, values


def total(values: dict[Sample, float], name: str, *labels: tuple[str, str]) -> float:
    return sum(value for (each, has), value in values.items() if each == name and set(labels) <= set(has))


def test_every_metric_is_plausible_under_load(kafka: str, topics: Topics, tmp_path: Path) -> None:
    line, log = Line.on(kafka, topics), tmp_path / "log"
    line.feed(EVENTS)
    with line.running(log) as process:
        line.wait_for(lambda count: count > EVENTS // 20, process)
        [url] = [said["metrics"] for said in map(json.loads, log.read_text().splitlines()) if "metrics" in said]
        kinds, early = scrape(url)
        line.wait_for(lambda count: count == EVENTS, process)
        _, late = scrape(url)
        assert stop(process) == 0

    assert kinds.items() >= KINDS.items()
    sane(early)
    sane(late)
    assert 0 < total(early, "session_scorer_events_total") < total(late, "session_scorer_events_total") == EVENTS
    assert total(early, "session_scorer_consumer_lag") > 0
    assert total(late, "session_scorer_transactions_total", ("outcome", "aborted")) == 0
    counters = [sample for sample in early if sample[0].startswith("session_scorer") and sample[0].endswith("_total")]
    assert all(early[sample] <= late[sample] for sample in counters)


def sane(values: dict[Sample, float]) -> None:
    scored = total(values, "session_scorer_events_total", ("outcome", "scored"))
    dead = total(values, "session_scorer_events_total", ("outcome", "dead_lettered"))
    batches = total(values, "session_scorer_batch_events_count")
    assert total(values, "session_scorer_results_total") == scored
    assert total(values, "session_scorer_dead_letters_total") == dead > 0
    assert total(values, "session_scorer_batch_events_sum") == scored + dead
    assert total(values, "session_scorer_latency_seconds_count") == scored
    assert total(values, "session_scorer_anomaly_score_count") == scored
    assert 0 < total(values, "session_scorer_anomaly_score_sum") < scored
    assert total(values, "session_scorer_transactions_total", ("outcome", "committed")) == batches > 0
    assert 0 < total(values, "session_scorer_imputed_fields_total") < 16 * scored
    assert total(values, "session_scorer_model_info") == 1
    for stage in ("decode", "score", "encode", "publish", "commit"):
        assert total(values, "session_scorer_stage_seconds_count", ("stage", stage)) == batches
        assert 0 < total(values, "session_scorer_stage_seconds_sum", ("stage", stage)) < 100
