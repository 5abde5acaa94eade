"""Prometheus itself, with the rules that ship: of two consumers one is killed, the right alert fires and resolves."""

import contextlib
import json
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.brokers import free_ports
from tests.line import Line
from tests.topics import Topics

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml"
SECONDS = 150.0  # an alert that waits a minute, twice over
HOST = "127.0.0.1"

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]


class Prometheus:
    """A running one."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{HOST}:{port}/api/v1/query?"

    def ask(self, query: str) -> list[dict[str, str]]:
        """The labels of each series that the query gives now; none while nobody answers."""
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(self._url + urllib.parse.urlencode({"query": query}), timeout=5) as answer,
        ):
            return [each["metric"] for each in json.load(answer)["data"]["result"]]
        return []

    def firing(self) -> set[tuple[str, str]]:
        """Alert and instance of all that fire."""
        found = self.ask('ALERTS{alertstate="firing"}')
        return {(each["alertname"], each.get("instance", "")) for each in found}

    def wait_for(self, happened: Callable[[], bool], what: str) -> None:
        """Until it has."""
        deadline = time.monotonic() + SECONDS
        while not happened():
            assert time.monotonic() < deadline, f"{what}: not within {SECONDS:g} s; firing: {self.firing()}"
            time.sleep(0.5)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Prometheus, list[str]]]:
    """Prometheus, and the two addresses that it asks for metrics."""
    command = shutil.which("prometheus")
    if command is None:
        pytest.skip("no prometheus: install Debian's package of that name")
    port, *ports = free_ports(3)
    targets = [f"{HOST}:{each}" for each in ports]
    job = {"job_name": "session-scorer", "static_configs": [{"targets": targets}]}
    settings = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = tmp_path / "prometheus.yml"
    YAML().dump({"global": settings, "rule_files": [str(RULES)], "scrape_configs": [job]}, config)
    options = (
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    )
    with (tmp_path / "log").open("wb") as log, subprocess.Popen([command, *options], stdout=log, stderr=log) as process:
        try:
            yield Prometheus(port), targets
        finally:
            process.send_signal(signal.SIGTERM)


def test_a_consumer_that_is_killed_fires_its_alert_which_resolves_when_it_is_back(
    kafka: str, topics: Topics, tmp_path: Path, watched: tuple[Prometheus, list[str]]
) -> None:
    prometheus, targets = watched
    line = Line.on(kafka, topics)
    line.feed(2_000)

    def consumer(target: str) -> "contextlib.AbstractContextManager[subprocess.Popen[bytes]]":
        return line.running(tmp_path / "consumer", "--metrics-port", target.split(":")[1])

    up = 'up{job="session-scorer"} == 1'
    with consumer(targets[0]), contextlib.ExitStack() as second:
        killed = second.enter_context(consumer(targets[1]))
        prometheus.wait_for(lambda: len(prometheus.ask(up)) == len(targets), "both are up")
        scored = 'sum(session_scorer_events_total{outcome="scored"}) > 0'
        prometheus.wait_for(lambda: bool(prometheus.ask(scored)), "events are counted")
        assert prometheus.firing() == set()
        killed.kill()
        alert = ("SessionScorerDown", targets[1])
        prometheus.wait_for(lambda: alert in prometheus.firing(), "the alert fires")
        assert prometheus.firing() == {alert}
        with consumer(targets[1]):
            prometheus.wait_for(lambda: prometheus.firing() == set(), "the alert resolves")
            assert len(prometheus.ask(up)) == len(targets)
