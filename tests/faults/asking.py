"""Ask a broker for something as its administrator, and a worker for its metrics."""

import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from tests.support.end_to_end import SECONDS, metrics_url


def ask(bootstrap: str, call: Callable[[AdminClient], Mapping[Any, "Future[Any]"]]) -> None:
    """Raises what the broker answers, if it is no."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for answer in call(client).values():
        answer.result(SECONDS)


def metric(log: Path, name: str) -> float:
    """The sum of a metric over its labels, from the /metrics of the worker that wrote this log."""
    with urllib.request.urlopen(metrics_url(log), timeout=SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))
