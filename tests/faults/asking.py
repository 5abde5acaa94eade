"""Asking the broker for something as its administrator, and waiting until it is done; and asking the worker."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from tests.support.end_to_end import SECONDS


def ask(bootstrap: str, call: Callable[[AdminClient], Mapping[Any, "Future[Any]"]]) -> None:
    """Raises what the broker answers, if it is no."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for answer in call(client).values():
        answer.result(SECONDS)


def until(true: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Waits until it is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not so within {seconds:g} s"
        time.sleep(0.1)


def last_words(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """What it said to the user when it ended by itself, in the one line that is not a log line."""
    assert process.wait(SECONDS) == 1
    plain = [text for text in log.read_text().splitlines() if not text.startswith("{")]
    assert len(plain) == 1, plain
    return plain[0]


def metric(log: Path, name: str) -> float:
    """The sum of a metric over its labels, from the /metrics of the worker that wrote this log."""
    said = [json.loads(line) for line in log.read_text().splitlines() if '"metrics":' in line]
    with urllib.request.urlopen(said[-1]["metrics"], timeout=SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))
