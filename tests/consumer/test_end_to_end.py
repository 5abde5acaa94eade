"""The whole line as a user runs it, on a real broker: every event comes out once, also when the process is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from tests.consumer.wire import Event, read, write
from tests.topics import Topics
from training.broken import Broken, broken
from training.dataset import keyed_events

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

EVENTS = 100_000
BAD_ONE_IN = 100
PARTITIONS = 4
SECONDS = 120.0

Place = tuple[int, int]  # partition, offset


@dataclass(frozen=True)
class Line:
    """The names that one run of the line uses."""

    bootstrap: str
    group: str
    sessions: str
    results: str
    alerts: str
    dead_letters: str

    def options(self) -> list[str]:
        """As the command line says it."""
        named = {
            "bootstrap-servers": self.bootstrap,
            "group-id": self.group,
            "input-topic": self.sessions,
            "results-topic": self.results,
            "alerts-topic": self.alerts,
            "dead-letters-topic": self.dead_letters,
            "metrics-port": "0",
        }
        return [text for name, value in named.items() for text in (f"--{name}", value)]


@pytest.fixture
def line(kafka: str, topics: Topics) -> Line:
    sessions = topics("sessions", partitions=PARTITIONS)
    return Line(kafka, f"scorer-of-{sessions}", sessions, topics("results"), topics("alerts"), topics("dead-letters"))


@dataclass(frozen=True)
class Written:
    """What went in, by where it stands in the input topic."""

    values: dict[Place, bytes]
    invalid: dict[Place, Broken]


def feed(line: Line) -> Written:
    """Generated events, every hundredth of them broken, each kind in turn."""
    good = keyed_events(seed=7)
    bad = broken(seed=7)
    kinds: dict[bytes, Broken] = {}
    events = []
    for number, (key, value) in enumerate(islice(good, EVENTS)):
        if number % BAD_ONE_IN:
            events.append(Event(value, key))
        else:
            one = next(bad)
            kinds[one.value] = one
            events.append(Event(one.value, key))
    write(line.bootstrap, line.sessions, events)
    values = {place(message): message.value() or b"" for message in read(line.bootstrap, line.sessions)}
    return Written(values, {where: kinds[value] for where, value in values.items() if value in kinds})


def place(message: Message) -> Place:
    return message.partition() or 0, message.offset() or 0


@contextmanager
def running(line: Line, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`session-scorer run` in a process of its own."""
    command = [sys.executable, "-c", "from consumer.cli import main; main()", "run", *line.options()]
    with (
        (tmp_path / "log").open("ab") as errors,
        subprocess.Popen(command, stderr=errors, env=_environment()) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("SESSION_SCORER_", "KAFKA_"))}


def wait_for_commits(line: Line, process: subprocess.Popen[bytes], enough: Callable[[int], bool]) -> int:
    """Waits until so many input records are committed."""
    asker = Consumer({"bootstrap.servers": line.bootstrap, "group.id": line.group, "log_level": 0})
    partitions = [TopicPartition(line.sessions, partition) for partition in range(PARTITIONS)]
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            count = sum(max(0, each.offset) for each in asker.committed(partitions, 10.0))
            if enough(count):
                return count
            assert process.poll() is None, f"session-scorer ended with {process.returncode}"
            time.sleep(0.05)
    finally:
        asker.close()
    raise AssertionError(f"{count} events committed within {SECONDS:g} s")


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(SECONDS)


def test_every_event_comes_out_exactly_once(line: Line, tmp_path: Path) -> None:
    written = feed(line)
    with running(line, tmp_path) as process:
        wait_for_commits(line, process, lambda count: count == EVENTS)
        assert stop(process) == 0
    check(line, written)


def test_every_event_comes_out_exactly_once_when_the_process_is_killed_and_started_again(
    line: Line, tmp_path: Path
) -> None:
    written = feed(line)
    with running(line, tmp_path) as process:
        assert wait_for_commits(line, process, lambda count: count >= 0.4 * EVENTS) < EVENTS, "all done before the kill"
        process.send_signal(signal.SIGKILL)
        assert process.wait(SECONDS) == -signal.SIGKILL
    with running(line, tmp_path) as process:
        wait_for_commits(line, process, lambda count: count == EVENTS)
        assert stop(process) == 0
    check(line, written)


def test_two_workers_share_the_partitions_and_one_may_leave_at_any_time(line: Line, tmp_path: Path) -> None:
    written = feed(line)
    with running(line, tmp_path) as stays, running(line, tmp_path) as leaves:
        wait_for_commits(line, stays, lambda _: log(tmp_path).count("partitions assigned") >= 2)
        assert stop(leaves) == 0
        wait_for_commits(line, stays, lambda count: count == EVENTS)
        assert stop(stays) == 0
    assert "FENCED" not in log(tmp_path)
    check(line, written)


def log(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text()


def check(line: Line, written: Written) -> None:
    """What a read-committed reader finds is what went in, each event in its place, once, unharmed and in order."""
    results = [Result(message) for message in read(line.bootstrap, line.results)]
    dead_letters = read(line.bootstrap, line.dead_letters)
    assert len(results) + len(dead_letters) == EVENTS
    check_places(written, [result.place for result in results], [dead_letter_place(each) for each in dead_letters])
    check_results(written, results)
    check_dead_letters(written, dead_letters)
    check_alerts(results, read(line.bootstrap, line.alerts))


class Result:
    """A result as read."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.value = message.value() or b""
        self.said: dict[str, Any] = json.loads(self.value)
        self.place: Place = (self.said["source"]["partition"], self.said["source"]["offset"])


def check_places(written: Written, results: list[Place], dead_letters: list[Place]) -> None:
    counted = Counter(results + dead_letters)
    assert counted.keys() == written.values.keys()
    assert set(counted.values()) == {1}
    assert set(dead_letters) == written.invalid.keys()


def check_results(written: Written, results: list[Result]) -> None:
    seen: dict[tuple[int, int | None, bytes | None], int] = defaultdict(lambda: -1)
    for result in results:
        assert result.value.endswith(b'"event":' + written.values[result.place] + b"}")
        partition, offset = result.place
        stream = (partition, result.message.partition(), result.message.key())
        assert offset > seen[stream], "out of order"
        seen[stream] = offset


def check_dead_letters(written: Written, dead_letters: list[Message]) -> None:
    kinds = set()
    for message in dead_letters:
        where = dead_letter_place(message)
        expected = written.invalid[where]
        headers = dict(message.headers() or [])
        assert message.value() == written.values[where]
        assert headers["dead_letter.code"] == expected.code.encode()
        assert headers.get("dead_letter.field") == (expected.field and expected.field.encode())
        kinds.add(expected.kind)
    assert len(kinds) >= 12


def check_alerts(results: list[Result], alerts: list[Message]) -> None:
    high = [result.said["result_id"] for result in results if result.said["risk_level"] == "High"]
    assert high, "nothing High among the events: the test shows nothing"
    assert sorted(json.loads(alert.value() or b"")["alert_id"] for alert in alerts) == sorted(high)


def dead_letter_place(message: Message) -> Place:
    headers = dict(message.headers() or [])
    return int(headers["__connect.errors.partition"] or -1), int(headers["__connect.errors.offset"] or -1)
