"""Transactions of whoever writes the input: what they abort was never there."""

import json
import subprocess
import time
from itertools import islice
from pathlib import Path

from confluent_kafka import Producer

from tests.faults.asking import metric
from tests.support.command_line import COMMAND
from tests.support.end_to_end import Line, environment, stop
from tests.support.waiting import wait_until
from tests.support.wire import SECONDS
from training.synthetic.dataset import keyed_events

EACH = 50


def test_events_of_an_aborted_upstream_transaction_are_never_scored(line: Line, tmp_path: Path) -> None:
    upstream = Producer({"bootstrap.servers": line.bootstrap, "transactional.id": line.sessions, "log_level": 0})
    upstream.init_transactions(SECONDS)
    stream, places = keyed_events(9), []
    with line.running(tmp_path / "log") as process:
        for number in range(40):
            upstream.begin_transaction()
            for key, value in islice(stream, EACH):
                upstream.produce(line.sessions, value, key, partition=0, on_delivery=lambda _, at: places.append(at))
            assert upstream.flush(SECONDS) == 0
            if number % 3 == 1:
                upstream.abort_transaction(SECONDS)
            else:
                upstream.commit_transaction(SECONDS)
        last = max(at.offset() or 0 for at in places)
        line.wait_for(lambda count: count > last, process)
        assert stop(process) == 0
    report = line.check({})
    assert report.faults() == {}
    assert report.counts["inputs"] == report.counts["results"] == 27 * EACH
    assert len(places) == 40 * EACH


def check(line: Line) -> list[str]:
    """What `session-scorer check` warns of the input's events."""
    command = [*COMMAND, "check", "--json", *line.options()]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    checks = json.loads(done.stdout)["checks"]
    return [
        each["message"] for each in checks if each["name"] == f"events of {line.sessions}" and each["status"] == "warn"
    ]


def test_a_partition_held_by_an_open_upstream_transaction_is_told(line: Line, tmp_path: Path) -> None:
    upstream = Producer({"bootstrap.servers": line.bootstrap, "transactional.id": line.sessions, "log_level": 0})
    upstream.init_transactions(SECONDS)
    log = tmp_path / "log"
    with line.running(log) as process:
        wait_until(lambda: '"partitions assigned"' in log.read_text())
        upstream.begin_transaction()
        for key, value in islice(keyed_events(9), EACH):
            upstream.produce(line.sessions, value, key, partition=1)
        assert upstream.flush(SECONDS) == 0
        began = time.monotonic()
        wait_until(lambda: metric(log, "session_scorer_oldest_waiting_seconds") > 10)
        assert time.monotonic() - began > 9, "it is older than the events"
        assert metric(log, "session_scorer_unstable_offsets") == EACH
        assert metric(log, "session_scorer_consumer_lag") == 0
        (warning,) = check(line)
        assert f"partition 1: a transaction of a producer is open: {EACH} offsets from 0 on" in warning
        upstream.commit_transaction(SECONDS)
        line.wait_for(lambda count: count == EACH + 1, process)
        wait_until(lambda: metric(log, "session_scorer_oldest_waiting_seconds") == 0)
        wait_until(lambda: metric(log, "session_scorer_unstable_offsets") == 0)
        assert check(line) == []
        assert stop(process) == 0
