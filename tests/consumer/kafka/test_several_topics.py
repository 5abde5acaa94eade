"""A source of several topics: a batch for each, and offsets by topic and partition."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import WorkerError
from consumer.kafka.client import Clients
from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.records import Partition
from tests.support.fakes import P0, P1, FakeAdmin, FakeClock, FakeConsumer

LOGIN_0 = Partition("logins", 0)
ASSIGNED = (P0, P1, LOGIN_0)


def source(
    *consumers: FakeConsumer,
    admin: FakeAdmin | None = None,
    clock: FakeClock | None = None,
    topics: tuple[str, ...] = ("sessions", "logins"),
) -> KafkaSource:
    """A source with these clients, the first of which is assigned partitions."""
    admin = admin or FakeAdmin({"sessions": "id-1", "logins": "id-2"})
    unopened = iter(consumers)

    def open_consumer(config: dict[str, Any], **_: object) -> Consumer:
        consumer = next(unopened)
        consumer.report_statistics = config["stats_cb"]
        return consumer.client()

    reader = KafkaSource(
        Connection("nowhere:9092", clients=Clients(consumer=open_consumer, admin=lambda *_, **__: admin.client())),
        Subscription("scorer", InputTopics(topics)),
        FetchLimits(),
        (clock or FakeClock()).retry(),
    )
    reader.subscribe()
    consumers[0].give(*ASSIGNED)
    return reader


def records(partitions: Iterable[Partition]) -> list[Message]:
    """Records of these partitions in turn; each has its partition and offset as value."""
    next_offsets: defaultdict[Partition, int] = defaultdict(int)
    messages = []
    for partition in partitions:
        offset = next_offsets[partition]
        next_offsets[partition] += 1
        value = b"%s-%d-%d" % (partition.topic.encode(), partition.number, offset)
        messages.append(Message(*partition, offset, None, value))
    return messages


def test_poll_returns_a_batch_for_each_topic() -> None:
    consumer = FakeConsumer({})
    reader = source(consumer)
    consumer.messages = records([P0, LOGIN_0, P1, LOGIN_0, P0])
    sessions, logins = reader.poll(0.0)
    assert (sessions.topic, sessions.partitions, sessions.offsets) == ("sessions", [0, 1, 0], [0, 0, 1])
    assert sessions.values == [b"sessions-0-0", b"sessions-1-0", b"sessions-0-1"]
    assert sessions.next_offsets() == {P0: 2, P1: 1}
    assert (logins.topic, logins.partitions, logins.offsets) == ("logins", [0, 0], [0, 1])
    assert logins.values == [b"logins-0-0", b"logins-0-1"]
    assert logins.next_offsets() == {LOGIN_0: 2}
    assert reader.poll(0.0) == []


@given(st.lists(st.sampled_from(ASSIGNED), min_size=1, max_size=40), st.integers(1, 10))
def test_interleaved_records_keep_the_order_of_their_partition(partitions: list[Partition], most: int) -> None:
    consumer = FakeConsumer({})
    reader = source(consumer)
    consumer.messages = records(partitions)
    values: defaultdict[str, list[bytes | None]] = defaultdict(list)
    next_offsets: dict[Partition, int] = {}
    while batches := reader.poll(0.0, most=most):
        assert 0 < sum(map(len, batches)) <= most
        assert len({batch.topic for batch in batches}) == len(batches)
        for batch in batches:
            assert {partition.topic for partition in batch.next_offsets()} == {batch.topic}
            values[batch.topic] += batch.values
            next_offsets |= batch.next_offsets()
    for topic in ("sessions", "logins"):
        assert values[topic] == [message.value() for message in records(partitions) if message.topic() == topic]
    assert next_offsets == {partition: partitions.count(partition) for partition in set(partitions)}


def test_no_record_behind_an_unreadable_batch_is_handed_out() -> None:
    consumer = FakeConsumer({})
    reader = source(consumer)
    first, second, third, login = records([P0, P0, P0, LOGIN_0])
    damaged = Message(*P0, second.offset(), error=KafkaError(KafkaError._BAD_MSG))
    consumer.messages = [first, damaged, third, login]
    sessions, logins = reader.poll(0.0)
    assert (sessions.values, logins.values) == ([b"sessions-0-0"], [b"logins-0-0"])
    with pytest.raises(WorkerError, match="offset 1"):
        reader.poll(0.0)


def test_batch_passes_the_markers_of_its_own_topic_alone() -> None:
    consumer = FakeConsumer({})
    reader = source(consumer)
    consumer.messages = records([P0, LOGIN_0])
    consumer.read_to = {P0: 3, P1: 8, LOGIN_0: 5}
    sessions, logins = reader.poll(0.0)
    assert (sessions.next_offsets(), logins.next_offsets()) == ({P0: 3}, {LOGIN_0: 5})
    (markers,) = reader.poll(0.0)
    assert (len(markers), markers.next_offsets()) == (0, {P1: 8})


def test_topic_that_is_no_longer_assigned_is_not_measured() -> None:
    consumer = FakeConsumer({P0: 40, P1: 40, LOGIN_0: 90})
    reader = source(consumer)
    assert reader.lag() == {P0: 60, P1: 60, LOGIN_0: 10}
    assert reader.unstable().keys() == reader.oldest_waiting().keys() == set(ASSIGNED)
    consumer.take(LOGIN_0)
    assert reader.lag().keys() == reader.unstable().keys() == reader.oldest_waiting().keys() == {P0, P1}


def test_deleted_topic_is_not_measured_and_the_other_is_read_on(caplog: pytest.LogCaptureFixture) -> None:
    consumer, clock = FakeConsumer({}), FakeClock()
    admin = FakeAdmin({"sessions": "id-1", "logins": "id-2"})
    reader = source(consumer, admin=admin, clock=clock)
    for second in range(10):
        if second == 3:
            del admin.topic_ids["logins"]
        reader.poll(0.0)
        clock.sleep(1.0)
    assert reader.deleted_topics() == ["logins"]
    assert [(each.message, vars(each)["topic"]) for each in caplog.records] == [("the input topic is gone", "logins")]
    assert reader.lag().keys() == reader.unstable().keys() == reader.oldest_waiting().keys() == {P0, P1}
    consumer.messages = records([P0])
    (batch,) = reader.poll(0.0)
    assert batch.topic == "sessions"


def test_partitions_are_counted_by_topic() -> None:
    consumer = FakeConsumer({})
    reader = source(consumer)
    assert reader.partition_counts() == {"sessions": 2, "logins": 1}
    consumer.take(LOGIN_0)
    assert reader.partition_counts() == {"sessions": 2, "logins": 0}


def test_topic_of_a_pattern_is_counted_while_it_is_assigned() -> None:
    consumer = FakeConsumer({})
    reader = source(consumer, topics=("^logins", "sessions"))
    assert reader.partition_counts() == {"sessions": 2, "logins": 1}
    consumer.take(*ASSIGNED)
    assert reader.partition_counts() == {"sessions": 0}


def test_pattern_without_topics_is_no_interruption(caplog: pytest.LogCaptureFixture) -> None:
    consumer = FakeConsumer({})
    reader = source(consumer, topics=("sessions", "^shop-.*"))
    for topic, lines in (("^shop-.*", []), ("sessions", ["reading was interrupted"])):
        caplog.clear()
        consumer.messages = [Message(topic, 0, error=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "not available"))]
        assert reader.poll(0.0) == []
        assert [record.message for record in caplog.records if record.levelname == "WARNING"] == lines


def test_rebalances_of_a_replaced_client_still_count() -> None:
    first, second = FakeConsumer({}), FakeConsumer({})
    reader = source(first, second)
    first.errors = {"committed": [KafkaError(KafkaError._TRANSPORT, "broker is away")] * 1000}
    first.give(P0)
    reader.poll(0.0)
    second.give(P0)
    first.take(P0, lost=True)
    assert reader.rebalance_counts() == {"assigned": 3, "lost": 1}


@pytest.mark.parametrize(
    ("kept", "counts"), [((P0,), {"assigned": 1, "revoked": 1, "lost": 1}), ((), {"assigned": 1, "revoked": 1})]
)
def test_replaced_client_loses_the_partitions_that_it_has(kept: tuple[Partition, ...], counts: dict[str, int]) -> None:
    first, second = FakeConsumer({}), FakeConsumer({})
    reader = source(first, second)
    first.take(*(partition for partition in ASSIGNED if partition not in kept))
    first.report_statistics('{"brokers": {}}')  # it has forgotten them
    reader.poll(0.0)
    assert second.topics == ["sessions", "logins"]
    assert reader.rebalance_counts() == counts
