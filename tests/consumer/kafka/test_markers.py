"""Offsets that hold no record: commit markers and aborted records of a transactional producer upstream."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer

from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.records import Batch, Partition
from consumer.stream.batching import PART_EVENTS
from tests.support.kafka.topics import Topics
from tests.support.wire import committed

pytestmark = pytest.mark.kafka

SECONDS = 30.0
WAYS = [{}, {"partition.assignment.strategy": "range"}, {"group.protocol": "consumer"}]


class Upstream:
    """A transactional producer to partition 0 of one topic."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"up-{topic}", "log_level": 0})
        self._producer.init_transactions(SECONDS)
        self._topic = topic

    def begin(self, count: int) -> None:
        """Leaves a transaction of so many records open."""
        self._producer.begin_transaction()
        for number in range(count):
            self._producer.produce(self._topic, b"%d" % number, partition=0)
        self._producer.flush(SECONDS)

    def commit(self, count: int) -> None:
        """One transaction."""
        self.begin(count)
        self._producer.commit_transaction(SECONDS)

    def abort(self, count: int = 0) -> None:
        """One transaction, or the one that is open."""
        if count:
            self.begin(count)
        self._producer.abort_transaction(SECONDS)


@contextmanager
def source(kafka: str, topic: str, way: dict[str, str] | None = None) -> Iterator[KafkaSource]:
    subscription = Subscription(f"group-of-{topic}", InputTopics((topic,)))
    opened = KafkaSource(Connection(kafka, way or {}), subscription, FetchLimits(age=0.2))
    opened.subscribe()
    try:
        yield opened
    finally:
        opened.close()


def take(reader: KafkaSource, count: int) -> dict[Partition, int]:
    """Reads so many events. Returns the offsets to commit after them."""
    offsets: dict[Partition, int] = {}
    deadline = time.monotonic() + SECONDS
    while count > 0:
        batch = poll(reader)
        assert time.monotonic() < deadline, f"{count} more events expected"
        if batch is not None:
            count -= len(batch)
            offsets |= batch.next_offsets()
    assert count == 0
    return offsets


def poll(reader: KafkaSource) -> Batch | None:
    batches = reader.poll(0.2, lambda: False, PART_EVENTS)
    assert len(batches) <= 1
    return batches[0] if batches else None


def wait_for_lag(reader: KafkaSource, lag: int) -> None:
    deadline = time.monotonic() + SECONDS
    while [*reader.lag().values()] != [lag]:
        batch = poll(reader)
        assert batch is None or len(batch) == 0
        assert time.monotonic() < deadline, f"lag is {reader.lag()}"


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_lag_is_zero_behind_a_commit_marker(kafka: str, topic: str, way: dict[str, str]) -> None:
    upstream = Upstream(kafka, topic)
    upstream.commit(10)
    upstream.abort(4)
    upstream.commit(6)
    upstream.abort(3)
    with source(kafka, topic, way) as reader:
        take(reader, 16)
        wait_for_lag(reader, 0)


def test_last_events_commit_passes_the_marker_behind_it(kafka: str, topic: str) -> None:
    upstream = Upstream(kafka, topic)
    upstream.commit(10)
    with source(kafka, topic) as reader:
        assert take(reader, 10) == {Partition(topic, 0): 11}
        upstream.abort(3)
        upstream.commit(2)
        assert take(reader, 2) == {Partition(topic, 0): 18}


def test_markers_alone_move_positions_seldom(kafka: str, topic: str) -> None:
    upstream = Upstream(kafka, topic)
    upstream.commit(1)
    handed_out = []
    with source(kafka, topic) as reader:
        reader.commit(take(reader, 1))
        began = time.monotonic()
        while (taken := time.monotonic() - began) < 8:
            upstream.abort(1)
            batch = poll(reader)
            if batch is not None:
                assert len(batch) == 0
                handed_out.append(batch.next_offsets()[Partition(topic, 0)])
        wait_for_lag(reader, 0)
    assert handed_out == sorted(set(handed_out))
    assert 1 <= len(handed_out) <= 1 + taken / 5


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_positions_do_not_pass_rewound_events(kafka: str, topic: str, way: dict[str, str]) -> None:
    upstream = Upstream(kafka, topic)
    upstream.commit(10)
    with source(kafka, topic, way) as reader:
        for _ in range(20):
            assert take(reader, 10) == {Partition(topic, 0): 11}
            reader.rewind()
            assert reader.read_on() is None
            batch = poll(reader)
            assert reader.read_on() is None
            if batch is not None:  # they came at once
                assert batch.offsets[0] == 0
                reader.rewind()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_group_before_a_marker_continues_behind_it(kafka: str, topic: str, way: dict[str, str]) -> None:
    """As older versions have left it: one past the last record."""
    upstream = Upstream(kafka, topic)
    upstream.commit(10)
    with source(kafka, topic) as reader:
        take(reader, 10)
        reader.commit({Partition(topic, 0): 10})
    with source(kafka, topic, way) as reader:
        wait_for_lag(reader, 0)
        upstream.commit(1)
        assert take(reader, 1) == {Partition(topic, 0): 13}


def test_next_member_starts_behind_the_markers(kafka: str, topic: str) -> None:
    Upstream(kafka, topic).commit(10)
    with source(kafka, topic) as reader:
        reader.commit(take(reader, 10))
    assert committed(kafka, f"group-of-{topic}", topic, 1) == {0: 11}


def test_open_transaction_is_unstable_not_lag(kafka: str, topic: str) -> None:
    upstream = Upstream(kafka, topic)
    upstream.commit(2)
    with source(kafka, topic) as reader:
        take(reader, 2)
        upstream.begin(5)
        deadline = time.monotonic() + SECONDS
        first = Partition(topic, 0)
        while (reader.lag(), reader.unstable()) != ({first: 0}, {first: 5}):
            assert time.monotonic() < deadline, (reader.lag(), reader.unstable())
            poll(reader)
        upstream.abort()
        while (reader.lag(), reader.unstable()) != ({first: 0}, {first: 0}):
            assert time.monotonic() < deadline, (reader.lag(), reader.unstable())
            poll(reader)


def test_events_behind_an_open_transaction_age(kafka: str, topics: Topics) -> None:
    topic = topics("sessions", partitions=2)
    upstream = Upstream(kafka, topic)
    with source(kafka, topic) as reader:
        upstream.begin(5)
        deadline = time.monotonic() + SECONDS
        while reader.oldest_waiting().get(Partition(topic, 0), 0.0) < 3:
            assert time.monotonic() < deadline, reader.oldest_waiting()
            poll(reader)
        assert reader.oldest_waiting()[Partition(topic, 1)] == 0
        upstream.abort()
        while reader.oldest_waiting()[Partition(topic, 0)] > 0:
            assert time.monotonic() < deadline, reader.oldest_waiting()
            poll(reader)
