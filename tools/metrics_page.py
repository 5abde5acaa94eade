"""Write docs/metrics.md from what a worker exposes, the dashboard and the alerts:

python -m tools.metrics_page
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from prometheus_client.core import Metric
from ruamel.yaml import YAML

from consumer.observability.drift import LEAST_EVENTS
from consumer.observability.metrics import Build, Metrics
from consumer.records import BatchStats, Partition
from scoring import Scorer
from scoring.drift import Bins

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "metrics.md"
RULES: Final = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "dashboards" / "session-scorer.json"
MOST_VALUES: Final = 6  # of a label, as far as they are listed
UNITS: Final = {
    "session_scorer_events": "events",
    "session_scorer_results": "results",
    "session_scorer_reasons": "reasons",
    "session_scorer_dead_letters": "dead letters",
    "session_scorer_imputed_fields": "fields",
    "session_scorer_unseen_categories": "fields",
    "session_scorer_decoder_fallbacks": "events",
    "session_scorer_transactions": "transactions",
    "session_scorer_events_never_seen": "offsets",
    "session_scorer_log_lines_dropped": "lines",
    "session_scorer_batch_events": "events",
    "session_scorer_anomaly_score": "score, 0 to 1",
    "session_scorer_consumer_lag": "offsets",
    "session_scorer_unstable_offsets": "offsets",
    "session_scorer_rebalances": "callbacks",
    "session_scorer_assigned_partitions": "partitions",
    "session_scorer_build_info": "1",
    "session_scorer_model_info": "1",
    "session_scorer_drift_psi": "index, from 0",
    "session_scorer_drift_window_events": "events",
    "process_open_fds": "files",
    "process_max_fds": "files",
}
RECORDS: Final = {
    "job_topic_partition:session_scorer_standstill_seconds:max": "age of the oldest event, by stuck partition",
    "job:session_scorer_blocked_events:sum": "events that wait while none is committed",
    "job:session_scorer_waiting_events:sum": "events that have waited for over a second, except in stuck partitions",
    "job:session_scorer_late_events:ratio_rate5m": "share of events in 5 minutes that took, or have waited, over 1 s",
    "job:session_scorer_late_events:ratio_rate30m": "the same over 30 minutes",
    "job:session_scorer_late_events:ratio_rate1h": "the same over an hour",
    "job:session_scorer_late_events:ratio_rate6h": "the same over six hours",
    "job:session_scorer_high_results:ratio_rate30m": "share of High results over half an hour",
    "job:session_scorer_high_results:ratio_avg1d": "its average over the day before",
    "job_topic:session_scorer_events_never_seen:increase15m": "offsets deleted unread in 15 minutes",
    "job_alertname:session_scorer_pages:max1h": "1 for each alert that has paged within an hour",
}
HEAD: Final = """\
# Metrics

<!-- Written by `python -m tools.metrics_page`: change the metric's help, the dashboard or the alerts, then run it. -->

A worker serves `/metrics` on its port (9108, `--metrics-port`) in Prometheus' text format. Names and labels are stable:
later releases add some and change none. Counters move when a transaction commits, never for aborted work. Labels whose
values are known in advance start at 0. Prometheus adds `job` and `instance`. A histogram has the series `_bucket`
(label `le`), `_sum` and `_count`.

*Panels* are on the dashboard (`deploy/grafana`), *alerts* in `deploy/prometheus/rules.yml`. Both columns also list
those that use a metric through a recorded value. [runbook.md](runbook.md) explains each alert.

"""
RECORDED: Final = """
## Recorded by Prometheus

`deploy/prometheus/rules.yml` computes these for each job, not for each worker.

"""


class Use(NamedTuple):
    """A panel or an alert, with its query."""

    name: str
    query: str


def busy_metrics() -> Metrics:
    """Return the metrics of a worker that has something to report on each of them."""
    baseline = Scorer.load().artifacts.baseline
    if baseline is None:
        raise RuntimeError("the set in artifacts/ has no baseline: train it again, make train")
    metrics = Metrics("v1", "abc", baseline, build=Build("1", "3", "2"))
    metrics.set_round_trip(0.001)
    metrics.set_assigned_partitions({"sessions": 1})
    metrics.record_commit(
        BatchStats(
            scored=1,
            dead_lettered=0,
            skipped=0,
            levels={"Low": 1},
            reasons={},
            dead_letter_codes={},
            imputed={},
            unseen={},
            scores=np.zeros(1),
            timestamps=np.ones(1, dtype=np.int64),
            stage_seconds={"decode": 0.1},
            dead_letter_flags=[False],
            drift=np.full(len(Bins(baseline)), LEAST_EVENTS),
        )
    )
    partition = Partition("sessions", 0)
    metrics.set_lag({partition: 1})
    metrics.set_unstable_offsets({partition: 1})
    metrics.set_oldest_waiting({partition: 1.0})
    metrics.record_never_seen(partition, 1)
    return metrics


def page() -> str:
    """Return the page, in Markdown."""
    rules = _rules()
    recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    alerts = [Use(rule["alert"], expanded(rule["expr"], recorded)) for rule in rules if "alert" in rule]
    panels = [Use(name, expanded(query, recorded)) for name, query in _panels()]
    rows = [_row(family, panels, alerts) for family in busy_metrics().registry.collect()]
    shown = [Use(name, query) for name, query in _panels()]
    asked = [Use(rule["alert"], rule["expr"]) for rule in rules if "alert" in rule]
    records = [[f"`{name}`", _meaning(name), _users(name, shown), _linked(name, asked)] for name in recorded]
    head = ["metric", "type", "labels", "unit", "meaning", "panels", "alerts"]
    return HEAD + _table(head, rows) + RECORDED + _table(["name", "meaning", "panels", "alerts"], records)


def expanded(query: str, recorded: Mapping[str, str]) -> str:
    """Return a query with each recorded name replaced by what it records."""
    for name, expression in recorded.items():
        if re.search(rf"{re.escape(name)}(?!\w)", query):
            query = f"{query} {expanded(expression, recorded)}"
    return query


def _row(family: Metric, panels: list[Use], alerts: list[Use]) -> list[str]:
    exposed = family.name + ("_total" if family.type == "counter" else "")
    return [
        f"`{exposed}`",
        family.type,
        "; ".join(_labels(family)),
        _unit(family.name),
        family.documentation,
        _users(exposed, panels),
        _linked(exposed, alerts),
    ]


def _labels(family: Metric) -> Iterator[str]:
    values: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        for label in (each for each in sample.labels if each != "le"):
            values.setdefault(label, {})[sample.labels[label]] = None
    for label, found in values.items():
        fixed = 1 < len(found) <= MOST_VALUES
        yield f"`{label}`" + (f" ({', '.join(found)})" if fixed else "")


def _unit(name: str) -> str:
    if name in UNITS:
        return UNITS[name]
    for suffix, unit in (("_seconds", "seconds"), ("_bytes", "bytes"), ("_ratio", "share, 0 to 1")):
        if name.endswith(suffix):
            return unit
    raise KeyError(f"{name}: give its unit in UNITS of tools/metrics_page.py")


def _meaning(name: str) -> str:
    if name not in RECORDS:
        raise KeyError(f"{name}: give its meaning in RECORDS of tools/metrics_page.py")
    return RECORDS[name]


def _using(name: str, uses: list[Use]) -> list[str]:
    """Return the names of those that ask for the metric."""
    series = re.compile(rf"(?<!\w){re.escape(name)}(_bucket|_sum|_count)?(?!\w)")
    return list(dict.fromkeys(use.name for use in uses if series.search(use.query)))


def _users(name: str, panels: list[Use]) -> str:
    return "; ".join(_using(name, panels))


def _linked(name: str, alerts: list[Use]) -> str:
    return ", ".join(f"[{each}](runbook.md#{each.lower()})" for each in _using(name, alerts))


def _rules() -> list[dict[str, Any]]:
    return [rule for group in YAML(typ="safe").load(RULES)["groups"] for rule in group["rules"]]


def _panels() -> Iterator[tuple[str, str]]:
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
