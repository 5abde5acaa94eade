import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.errors import MustAbortError, WorkerError
from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.records import Batch, Gap, Partition
from consumer.stream.batching import PART_EVENTS
from tests.support.kafka.topics import Topics
from tests.support.wire import Event, committed, write, write_header_name

pytestmark = pytest.mark.kafka

SECONDS = 30.0
T = TypeVar("T")


@contextmanager
def source(
    connection: str | Connection, topic: str, *, limits: FetchLimits | None = None, continue_on_gap: bool = False
) -> Iterator[KafkaSource]:
    connection = Connection(connection) if isinstance(connection, str) else connection
    subscription = Subscription(f"group-of-{topic}", InputTopics((topic,)), continue_on_gap)
    opened = KafkaSource(connection, subscription, limits or FetchLimits())
    opened.subscribe()
    try:
        yield opened
    finally:
        opened.close()


def next_batch(reader: KafkaSource, most: int = PART_EVENTS) -> Batch:
    """The next one, given time to fill: as if the one before were being committed."""
    since = time.monotonic()

    def poll() -> list[Batch]:
        batches = reader.poll(0.2, lambda: time.monotonic() < since + SECONDS / 2, most)
        return [batch for batch in batches if len(batch)]

    (batch,) = until(poll)
    return batch


def until(ask: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
    raise AssertionError(f"nothing within {SECONDS:g} s")


def take(reader: KafkaSource, count: int, most: int = PART_EVENTS) -> list[bytes | None]:
    values: list[bytes | None] = []
    while len(values) < count:
        values += next_batch(reader, most).values
    return values


def test_publishable_batch_does_not_wait_for_more_events(kafka: str, topic: str) -> None:
    write(kafka, topic, numbered(1))
    with source(kafka, topic, limits=FetchLimits(age=SECONDS)) as reader:
        until(lambda: reader.poll(0.2))
        write(kafka, topic, numbered(1, start=1))
        began = time.monotonic()
        (batch,) = until(lambda: reader.poll(SECONDS))
        assert len(batch) == 1
        assert time.monotonic() - began < SECONDS / 2


def numbered(count: int, start: int = 0) -> list[Event]:
    return [Event(b"%d" % i, partition=0) for i in range(start, start + count)]


def test_batch_holds_records_as_written(kafka: str, topic: str) -> None:
    write(
        kafka,
        topic,
        [
            Event(b"one", b"key", headers=[("t", b"\x00\xff"), ("empty", None), ("t", b"again")], timestamp=1234),
            Event(None, b"tombstone", timestamp=1235),
            Event(b"", None, timestamp=1236),
        ],
    )
    with source(kafka, topic) as reader:
        batch = next_batch(reader)
    assert batch == Batch(
        topic=topic,
        partitions=[0, 0, 0],
        offsets=[0, 1, 2],
        timestamps=[1234, 1235, 1236],
        keys=[b"key", b"tombstone", None],
        values=[b"one", None, b""],
        headers=[[("t", b"\x00\xff"), ("empty", None), ("t", b"again")], [], []],
    )


def test_header_with_a_binary_name_stops_no_worker(kafka: str, topic: str, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):  # the interpreter changes how it calls once it has called often
        write_header_name(kafka, topic, b"caf\xe9", b"value")
        write(kafka, topic, [Event(b"next", headers=[("fine", b"1")])])
    with source(kafka, topic, limits=FetchLimits(age=5.0)) as reader:
        batch = next_batch(reader)
    assert batch.values == [b"value", b"next"] * 20
    assert batch.headers == [[], [("fine", b"1")]] * 20
    (logged,) = [vars(each) for each in caplog.records if each.levelname == "WARNING"]  # once, not with each of them
    assert logged["message"] == "headers left out: a name is not UTF-8"
    assert (logged["partition"], logged["offset"]) == (batch.partitions[0], batch.offsets[0])


def test_batch_is_bounded_by_count(kafka: str, topic: str) -> None:
    write(kafka, topic, numbered(10))
    with source(kafka, topic, limits=FetchLimits(age=1.0)) as reader:
        assert [len(next_batch(reader, 4)) for _ in range(3)] == [4, 4, 2]


def test_group_starts_at_its_committed_or_oldest_offset(kafka: str, topic: str) -> None:
    write(kafka, topic, numbered(10))
    with source(kafka, topic) as reader:
        assert take(reader, 10)[0] == b"0"
        reader.commit({Partition(topic, 0): 6})
    with source(kafka, topic) as reader:
        assert take(reader, 4) == [b"6", b"7", b"8", b"9"]


def test_only_uncommitted_events_return_after_a_rewind(kafka: str, topic: str) -> None:
    write(kafka, topic, numbered(100))
    with source(kafka, topic, limits=FetchLimits(age=1.0)) as reader:
        assert take(reader, 20, 10)[-1] == b"19"
        reader.commit({Partition(topic, 0): 10})
        reader.rewind()
        assert take(reader, 90) == [b"%d" % i for i in range(10, 100)]


def test_rewind_before_any_commit_returns_to_the_oldest(kafka: str, topics: Topics) -> None:
    topic = topics("sessions", partitions=2)
    write(kafka, topic, numbered(5))
    with source(kafka, topic) as reader:
        take(reader, 5)
        reader.rewind()
        assert take(reader, 5) == [b"0", b"1", b"2", b"3", b"4"]


def test_aborted_events_are_never_handed_out(kafka: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"upstream-of-{topic}", "log_level": 0})
    producer.init_transactions(SECONDS)
    for value, end in ((b"aborted", producer.abort_transaction), (b"committed", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(SECONDS)
        end(SECONDS)
    with source(kafka, topic) as reader:
        assert next_batch(reader).values == [b"committed"]


def delete_before(kafka: str, topic: str, offset: int) -> None:
    """What retention does, at once."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    for answer in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        answer.result(SECONDS)


def test_gap_stops_the_worker_and_is_counted(kafka: str, topic: str) -> None:
    write(kafka, topic, numbered(10))
    with source(kafka, topic) as reader:
        take(reader, 10)
        reader.commit({Partition(topic, 0): 3})
    delete_before(kafka, topic, 7)
    with source(kafka, topic) as reader, pytest.raises(WorkerError) as caught:
        next_batch(reader)
    assert str(caught.value) == str(Gap(Partition(topic, 0), position=3, low=7, high=10))
    assert committed(kafka, f"group-of-{topic}", topic, 1) == {0: 3}


def test_on_gap_continue_counts_a_gap_once(kafka: str, topic: str) -> None:
    write(kafka, topic, numbered(10))
    with source(kafka, topic) as reader:
        take(reader, 10)
        reader.commit({Partition(topic, 0): 3})
    delete_before(kafka, topic, 7)
    with source(kafka, topic, continue_on_gap=True) as reader:
        assert take(reader, 3) == [b"7", b"8", b"9"]
        reader.rewind()
        assert take(reader, 3) == [b"7", b"8", b"9"]
        assert [gap.never_seen for gap in reader.take_gaps()] == [4]
        assert reader.take_gaps() == []


def test_retention_past_a_running_worker_is_a_gap(kafka: str, topic: str) -> None:
    write(kafka, topic, [Event(b"%d" % i + b"." * 100_000, partition=0) for i in range(100)])
    # a small local queue, so that reading is far behind when the records go
    small = Connection(kafka, {"queued.max.messages.kbytes": "100", "fetch.message.max.bytes": "100000"})
    with source(small, topic, continue_on_gap=True) as reader:
        first = next_batch(reader, 1)
        reader.commit(first.next_offsets())
        delete_before(kafka, topic, 90)
        offset = until(lambda: next((o for o in next_batch(reader, 1).offsets if o >= 90), None))
        assert offset == 90
        assert sum(gap.never_seen for gap in reader.take_gaps()) > 50


def test_committed_offset_past_the_end_stops_the_worker(kafka: str, topic: str) -> None:
    write(kafka, topic, numbered(2))
    with source(kafka, topic) as reader:
        take(reader, 2)
        reader.commit({Partition(topic, 0): 10})
    with source(kafka, topic) as reader, pytest.raises(WorkerError) as caught:
        next_batch(reader)
    assert "offset 10 is next, but the end is 2, so the topic was recreated or lost its end" in str(caught.value)
    with source(kafka, topic, continue_on_gap=True) as reader:
        assert take(reader, 2) == [b"0", b"1"]


def test_membership_is_known_once_the_group_is_joined(kafka: str, topic: str) -> None:
    write(kafka, topic, numbered(1))
    with source(kafka, topic) as reader:
        assert not reader.joined()
        with pytest.raises(MustAbortError, match=f"not a member of group group-of-{topic}"):
            reader.membership()
        next_batch(reader)
        assert reader.joined()
        assert reader.membership().metadata


def test_lag_counts_events_not_handed_out(kafka: str, topic: str) -> None:
    write(kafka, topic, numbered(10))
    with source(kafka, topic, limits=FetchLimits(age=1.0)) as reader:
        next_batch(reader, 4)
        assert reader.lag() == {Partition(topic, 0): 6}
        take(reader, 6)
        assert reader.lag() == {Partition(topic, 0): 0}


def test_broker_answer_ends_the_silence(kafka: str, topic: str) -> None:
    with source(kafka, topic) as reader:
        assert reader.silent_seconds() == float("inf")
        until(lambda: reader.poll(0.2) or reader.silent_seconds() < 5.0)


@pytest.mark.parametrize("protocol", [{"group.protocol": "consumer"}, {"partition.assignment.strategy": "range"}])
def test_other_assignment_protocols_work(kafka: str, topic: str, protocol: dict[str, str]) -> None:
    write(kafka, topic, numbered(5))
    with source(Connection(kafka, protocol), topic) as reader:
        take(reader, 5)
        reader.commit({Partition(topic, 0): 2})
        assert reader.joined()
    with source(Connection(kafka, protocol), topic) as reader:
        assert take(reader, 3) == [b"2", b"3", b"4"]


def each_has(count: int, *readers: KafkaSource) -> bool:
    """Whether each has been given so many partitions."""
    for reader in readers:
        reader.poll(0.1)
    return all(len(reader.lag()) == count for reader in readers)


def test_membership_changes_when_partitions_are_revoked(kafka: str, topics: Topics) -> None:
    topic = topics("sessions", partitions=2)
    with source(kafka, topic) as reader:
        until(lambda: each_has(2, reader))
        before = reader.membership()
        with source(kafka, topic) as other:
            until(lambda: each_has(1, reader, other))
            after = reader.membership()
            assert after != before
            assert after.member_id == before.member_id
        until(lambda: each_has(2, reader))
        later = reader.membership()
        assert later == after
        assert later.metadata != after.metadata  # the group's next generation, which is what a commit must name


def test_leaving_member_does_not_wait_for_an_assignment(kafka: str, topics: Topics) -> None:
    topic = topics("sessions", partitions=2)
    connection = Connection(kafka, {"heartbeat.interval.ms": "200"})
    with source(connection, topic) as leaving:
        with source(connection, topic) as other:
            until(lambda: each_has(1, leaving, other))
        generation = leaving.membership().metadata
        until(
            lambda: leaving.membership().metadata != generation
        )  # it has joined the next one, and was not polled since
        time.sleep(1)  # until it knows its share, of which there is no sign before it is polled
        began = time.monotonic()
    assert time.monotonic() - began < 10


def test_refused_property_is_one_line(kafka: str) -> None:
    with pytest.raises(WorkerError, match=r'^Kafka settings: No such configuration property: "no.such.thing"; see -X'):
        KafkaSource(Connection(kafka, {"no.such.thing": "1"}), Subscription("g", InputTopics(("t",))), FetchLimits())
