"""Every query of the dashboard, asked of Prometheus itself beside a consumer that has events to score."""

import functools
from pathlib import Path

import pytest

from tests.deploy.prometheus import HOST, watching
from tests.deploy.test_dashboard import PANELS
from tests.support.end_to_end import Line
from tests.support.kafka.brokers import free_ports
from tests.support.kafka.topics import Topics

VARIABLES = {"$__rate_interval": "1m", "$job": "session-scorer", "$instance": ".+"}
# what is there only when something is wrong, or after a day
MAY_BE_EMPTY = ("ALERTS{", "session_scorer_events_never_seen_total", "offset 1d")

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]


def filled_in(query: str) -> str:
    """As Grafana sends it."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


QUERIES = [filled_in(target["expr"]) for panel in PANELS for target in panel["targets"]]
SELDOM = [query for query in QUERIES if any(mark in query for mark in MAY_BE_EMPTY)]


def test_each_query_of_the_dashboard_is_one_and_gives_what_a_consumer_at_work_has(
    kafka: str, topics: Topics, tmp_path: Path
) -> None:
    line = Line.on(kafka, topics)
    port, target = free_ports(2)
    with (
        watching([f"{HOST}:{target}"], port, tmp_path) as prometheus,
        line.running(tmp_path / "consumer", "--metrics-port", str(target)),
    ):
        joined = "sum(session_scorer_consumer_lag) == 0"
        prometheus.wait_for(lambda: bool(prometheus.ask(joined)), "its partitions are assigned")
        line.feed(20_000)  # of which Prometheus has then seen the counters rise
        for query in SELDOM:
            prometheus.values(query)
        for query in set(QUERIES) - set(SELDOM):
            prometheus.wait_for(functools.partial(prometheus.has, query), query)
    assert len(SELDOM) < len(QUERIES) / 4
