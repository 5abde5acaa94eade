"""Prometheus itself, with the rules that ship: of two consumers one is killed, the right alert fires and resolves."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.prometheus import HOST, Prometheus, watching
from tests.support.end_to_end import Line
from tests.support.kafka.brokers import free_ports
from tests.support.kafka.topics import Topics

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Prometheus, list[str]]]:
    """Prometheus, and the two addresses that it asks for metrics."""
    port, *ports = free_ports(3)
    targets = [f"{HOST}:{each}" for each in ports]
    with watching(targets, port, tmp_path) as prometheus:
        yield prometheus, targets


def test_a_consumer_that_is_killed_fires_its_alert_which_resolves_when_it_is_back(
    kafka: str, topics: Topics, tmp_path: Path, watched: tuple[Prometheus, list[str]]
) -> None:
    prometheus, targets = watched
    line = Line.on(kafka, topics)

    def consumer(target: str) -> "contextlib.AbstractContextManager[subprocess.Popen[bytes]]":
        return line.running(tmp_path / "consumer", "--metrics-port", target.split(":")[1])

    up = 'up{job="session-scorer"} == 1'
    with consumer(targets[0]), contextlib.ExitStack() as second:
        killed = second.enter_context(consumer(targets[1]))
        prometheus.wait_for(lambda: len(prometheus.ask(up)) == len(targets), "both are up")
        # not while partitions change hands: what is fed then is late, and alerts say so
        share = line.partitions // len(targets)
        assigned = f"count(count by (instance) (session_scorer_consumer_lag == 0) == {share}) == {len(targets)}"
        prometheus.wait_for(lambda: bool(prometheus.ask(assigned)), "each waits for events of its share")
        line.feed(2_000)
        done = "sum(session_scorer_events_total) == 2000"
        prometheus.wait_for(lambda: bool(prometheus.ask(done)), "all events are done with")
        assert prometheus.firing() == set()
        killed.kill()
        alert = ("SessionScorerDown", targets[1])
        prometheus.wait_for(lambda: alert in prometheus.firing(), "the alert fires")
        assert prometheus.firing() == {alert}
        with consumer(targets[1]):
            prometheus.wait_for(lambda: prometheus.firing() == set(), "the alert resolves")
            assert len(prometheus.ask(up)) == len(targets)
