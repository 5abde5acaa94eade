"""Prometheus itself (Debian's package of that name), as a child process that asks consumers for their metrics."""

import contextlib
import json
import math
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yml"
SECONDS = 150.0  # an alert that waits a minute, twice over
HOST = "127.0.0.1"


class Prometheus:
    """A running one."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{HOST}:{port}/api/v1/query?"

    def values(self, query: str) -> list[float]:
        """What the query gives now, series by series. Fails for a query that Prometheus refuses."""
        try:
            return [float(each["value"][1]) for each in self._result(query)]
        except urllib.error.HTTPError as refused:
            with refused:
                pytest.fail(f"{query}: {json.load(refused)['error']}")

    def has(self, query: str) -> bool:
        """Whether the query gives a number now."""
        return any(not math.isnan(value) for value in self.values(query))

    def ask(self, query: str) -> list[dict[str, str]]:
        """The labels of each series that the query gives now; none while nobody answers."""
        with contextlib.suppress(OSError):
            return [each["metric"] for each in self._result(query)]
        return []

    def _result(self, query: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(self._url + urllib.parse.urlencode({"query": query}), timeout=5) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result

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


@contextmanager
def watching(targets: Sequence[str], port: int, place: Path) -> Iterator[Prometheus]:
    """One with the rules that ship, which asks these addresses each second; its files are in `place`."""
    command = shutil.which("prometheus")
    if command is None:
        pytest.skip("no prometheus: install Debian's package of that name")
    job = {"job_name": "session-scorer", "static_configs": [{"targets": list(targets)}]}
    settings = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = place / "prometheus.yml"
    YAML().dump({"global": settings, "rule_files": [str(RULES)], "scrape_configs": [job]}, config)
    options = (
        f"--config.file={config}",
        f"--storage.tsdb.path={place / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    )
    with (place / "log").open("wb") as log, subprocess.Popen([command, *options], stdout=log, stderr=log) as process:
        try:
            yield Prometheus(port)
        finally:
            process.send_signal(signal.SIGTERM)
