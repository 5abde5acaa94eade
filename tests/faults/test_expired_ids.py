"""Transactional ids that expire while no event comes, on a real broker that keeps them three seconds, not a week."""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from tests.faults.conftest import LineOn
from tests.support.end_to_end import Line, logged, stop
from tests.support.kafka.brokers import KafkaBroker
from tests.support.waiting import wait_until
from tests.support.wire import Event, read, write
from training.synthetic.dataset import keyed_events

EXPIRY_MS: Final = 3000
EXPIRES: Final = {
    "transactional.id.expiration.ms": str(EXPIRY_MS),
    "transaction.remove.expired.transaction.cleanup.interval.ms": "200",
    "producer.id.expiration.ms": str(EXPIRY_MS),
    "producer.id.expiration.check.interval.ms": "200",
}


@pytest.fixture(scope="module")
def broker(java_and_maven: None) -> Iterator[str]:  # noqa: ARG001 - a condition
    """The address of a broker that forgets an idle id after three seconds."""
    with KafkaBroker(properties=EXPIRES) as running:
        yield running.address


@pytest.fixture
def line(broker: str, line_on: LineOn) -> Line:
    return line_on(broker)


class Feeder:
    """Writes events one by one, each once the one before it is committed."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._events = keyed_events(seed=7)
        self._fed = 0

    def feed(self, count: int) -> None:
        """Write so many."""
        for key, value in islice(self._events, count):
            write(self._line.bootstrap, self._line.sessions, [Event(value, key)])
            self._fed += 1
            wait_until(lambda: self._line.committed("read_uncommitted") == self._fed)


def known_ids(line: Line) -> set[bytes]:
    """Return the transactional ids of this line's group that the coordinator keeps: those its log has no tombstone for.

    Each of its keys ends with the id (version and length go before it).
    """
    log = read(line.bootstrap, "__transaction_state", isolation="read_uncommitted")
    newest = {key[4:]: each.value() for each in log if (key := each.key()) is not None}
    return {name for name, value in newest.items() if value is not None and name.startswith(line.group.encode())}


def messages(log: Path) -> list[str]:
    return [each["message"] for each in logged(log)]


def test_ids_that_expired_cost_one_abort_and_events_go_on(line: Line, tmp_path: Path) -> None:
    log, feeder = tmp_path / "log", Feeder(line)
    with line.running(log) as worker:
        feeder.feed(2)
        for idle in range(1, 3):
            assert known_ids(line)
            wait_until(lambda: not known_ids(line))
            feeder.feed(4)
            assert messages(log).count("transaction given up") == idle
        assert stop(worker) == 0
    assert messages(log).count("going back to the committed offsets") == 2
    assert line.check({}).faults() == {}


def test_a_plain_producer_whose_id_expired_goes_on_without_a_setback(line: Line, tmp_path: Path) -> None:
    log, feeder = tmp_path / "log", Feeder(line)
    with line.running(log, "--delivery", "at-least-once") as worker:
        feeder.feed(2)
        time.sleep(2 * EXPIRY_MS / 1000)  # no client can ask whether a partition's leader still keeps an id
        feeder.feed(2)
        assert stop(worker) == 0
    assert "batch given up" not in messages(log)
    assert line.check({}).faults() == {}
