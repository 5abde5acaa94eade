"""Kafka's own retention takes transactions whose records were all scored: nothing is missing, no worker stops."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tests.faults.asking import ask, metric
from tests.faults.conftest import LineOn
from tests.support.end_to_end import SECONDS, Line, last_words, stop
from tests.support.kafka.brokers import KafkaBroker
from tests.support.waiting import wait_until
from training.synthetic.dataset import keyed_events

pytestmark = pytest.mark.usefixtures("java_and_maven")

NEVER_SEEN = "session_scorer_events_never_seen_total"
LAG = "session_scorer_consumer_lag"
OFTEN = {
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    "log.segment.delete.delay.ms": "100",
}


@pytest.fixture(scope="module")
def node() -> Iterator[KafkaBroker]:
    """A broker that looks twice a second what retention is to take."""
    with KafkaBroker(properties=OFTEN) as running:
        yield running


@pytest.fixture
def line(node: KafkaBroker, line_on: LineOn) -> Line:
    return line_on(node.address, partitions=2)


def transaction(line: Line, count: int, *, abort: bool = False) -> None:
    """So many events on each partition, in one transaction upstream; returns once its markers are written.

    The broker answers a commit before. Retention may take the records meanwhile, and the marker stays.
    """
    before = ends(line)
    producer = Producer({"bootstrap.servers": line.bootstrap, "transactional.id": f"up-{line.sessions}"})
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    for partition in range(line.partitions):
        for key, value in islice(keyed_events(partition), count):
            producer.produce(line.sessions, value, key, partition)
    producer.flush(SECONDS)
    (producer.abort_transaction if abort else producer.commit_transaction)(SECONDS)
    wait_until(lambda: ends(line) == before + line.partitions * (count + 1))


def watermarks(line: Line) -> list[tuple[int, int]]:
    """The oldest and the next offset of each partition."""
    asker = Consumer({"bootstrap.servers": line.bootstrap, "group.id": "asker", "log_level": 0})
    try:
        places = [TopicPartition(line.sessions, partition) for partition in range(line.partitions)]
        return [asker.get_watermark_offsets(place, SECONDS) for place in places]
    finally:
        asker.close()


def retain(line: Line, milliseconds: int) -> None:
    """How long the input keeps its records from now on."""
    entries = [
        ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET)
        for name, value in (("retention.ms", milliseconds), ("segment.ms", max(milliseconds, 100)))
    ]
    resource = ConfigResource(ResourceType.TOPIC, line.sessions, incremental_configs=entries)
    ask(line.bootstrap, lambda client: client.incremental_alter_configs([resource]))


def take_all(line: Line) -> None:
    """Retention takes what is there, then it is as long as before."""
    retain(line, 1)
    wait_until(lambda: all(low == high > 0 for low, high in watermarks(line)))
    retain(line, 604_800_000)


def ends(line: Line) -> int:
    """What `line.committed()` says when all is read."""
    return sum(high for _, high in watermarks(line))


def older(line: Line) -> ConsumerGroupTopicPartitions:
    """What older versions committed after ten events in one transaction."""
    places = [TopicPartition(line.sessions, partition, 10) for partition in range(line.partitions)]
    return ConsumerGroupTopicPartitions(line.group, places)


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_scored_transactions_that_retention_took_are_no_gap(line: Line, delivery: str, tmp_path: Path) -> None:
    transaction(line, 10)
    with line.running(tmp_path / "first", "--delivery", delivery) as process:
        line.wait_for(lambda count: count >= 20, process)
        assert stop(process) == 0
    assert line.committed() == ends(line) == 22
    take_all(line)
    with line.running(tmp_path / "second", "--delivery", delivery) as process:
        transaction(line, 5)
        line.wait_for(lambda count: count == ends(line), process)
        assert metric(tmp_path / "second", NEVER_SEEN) == 0
        assert stop(process) == 0
    assert line.committed() == 34


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_a_group_goes_on_when_retention_took_all_and_a_worker_joins(line: Line, delivery: str, tmp_path: Path) -> None:
    with line.running(tmp_path / "first", "--delivery", delivery) as first:
        transaction(line, 5)
        transaction(line, 5, abort=True)
        line.wait_for(lambda count: count == ends(line), first)  # also behind the aborted ones, within seconds
        wait_until(lambda: metric(tmp_path / "first", LAG) == 0)
        take_all(line)
        with line.running(tmp_path / "second", "--delivery", delivery) as second:
            wait_until(lambda: '"partitions assigned"' in (tmp_path / "second").read_text())
            transaction(line, 3)
            line.wait_for(lambda count: count == ends(line), first, second)
            assert (first.poll(), second.poll()) == (None, None)
            assert stop(second) == 0
        assert stop(first) == 0
    assert "never seen" not in (tmp_path / "first").read_text() + (tmp_path / "second").read_text()


def test_a_marker_that_retention_took_before_an_older_commit_is_not_called_a_lost_record(
    line: Line, tmp_path: Path
) -> None:
    """Older versions committed one past the last record: whether that was a marker nobody can tell once it is gone."""
    transaction(line, 10)
    ask(line.bootstrap, lambda client: client.alter_consumer_group_offsets([older(line)]))
    take_all(line)
    with line.running(tmp_path / "log") as process:
        said = last_words(process, tmp_path / "log")
    assert "offset 10 is next, but the oldest left is 11, so up to 1 records were never seen" in said
    assert "some may have been transaction markers" in said
    with line.running(tmp_path / "on", "--on-gap", "continue") as process:
        transaction(line, 1)
        line.wait_for(lambda count: count == ends(line), process)
        assert metric(tmp_path / "on", NEVER_SEEN) == 2
        assert stop(process) == 0
