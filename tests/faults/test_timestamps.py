"""Records with dates that Kafka refuses or nobody meant: one bad clock does not stop a partition."""

import json
import time
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from tests.faults.conftest import LineOn
from tests.faults.raw import write_dated
from tests.support.end_to_end import Line
from tests.support.wire import Event, read, write
from training.synthetic.dataset import keyed_events

HOUR = 3_600_000  # ms
COUNT = 2000
NO_LIMIT = {"message.timestamp.after.max.ms": str(2**63 - 1)}


@pytest.fixture
def lenient(kafka: str, line_on: LineOn) -> Line:
    """A line whose input takes records of any date, as Kafka's defaults did before 3.6."""
    return line_on(kafka, config=NO_LIMIT)


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_records_dated_1970_or_not_at_all_or_hours_ahead_come_out_with_all_others_and_no_batch_is_read_twice(
    lenient: Line, delivery: str, tmp_path: Path
) -> None:
    now, bootstrap, topic = int(time.time() * 1000), lenient.bootstrap, lenient.sessions
    dates = [1, now, now + 2 * HOUR, now + HOUR // 10, now + 365 * 24 * HOUR, now - 2 * 365 * 24 * HOUR]
    stream = keyed_events(5)
    for number, (key, value) in enumerate(islice(stream, 2 * lenient.partitions)):  # before all others, and dated:
        partition, date = number % lenient.partitions, (0, -1)[number // lenient.partitions]
        write_dated(bootstrap, topic, Event(value, key, partition, timestamp=date))
    write(
        bootstrap,
        topic,
        [Event(value, key, timestamp=dates[i % len(dates)]) for i, (key, value) in enumerate(islice(stream, COUNT))],
    )
    log, total = tmp_path / "log", COUNT + 2 * lenient.partitions
    lenient.drain(log, total, "--delivery", delivery)
    assert lenient.check({}).faults() == {}
    assert "going back" not in log.read_text()
    came = {(each.partition(), each.offset()): stamp(each) for each in read(bootstrap, topic)}
    assert {-1, 0, *dates} == set(came.values())
    for result in read(bootstrap, lenient.results):
        source = json.loads(result.value() or b"")["source"]
        date, original = (
            came[source["partition"], source["offset"]],
            dict(result.headers() or []).get("source_timestamp"),
        )
        carried = 0 < date <= now + HOUR // 6
        assert (stamp(result) == date) is carried
        assert original == (None if carried else str(date).encode())
        assert (source["timestamp"] is None) is (date < 0)


def stamp(message: Message) -> int:
    """Its timestamp in ms; -1 when it has none."""
    kind, timestamp = message.timestamp()
    return -1 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp
