import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, Producer

from consumer.errors import FencedError, MustAbortError, RecordsRefusedError, RefusedError, RejectedRecord, Rejection
from consumer.kafka.client import Clients
from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.kafka.producer import KafkaProducer
from consumer.records import Headers, OutRecord, Partition
from tests.faults.mocked import Api, MockBroker
from tests.support.kafka.topics import Topics
from tests.support.waiting import wait_until
from tests.support.wire import committed, read

pytestmark = pytest.mark.kafka

LARGE = random.Random(1).randbytes(5000)  # no compression makes it small


def record(topic: str, value: bytes | None, key: bytes | None = None, headers: Headers | None = None) -> OutRecord:
    return OutRecord(topic, key, value, headers or [], 1234)


def values(messages: list[Message]) -> list[bytes | None]:
    return [message.value() for message in messages]


def transactional(kafka: str, topic: str) -> KafkaProducer:
    producer = KafkaProducer(Connection(kafka), f"writer-of-{topic}-0")
    producer.init()
    return producer


def commit(producer: KafkaProducer, records: list[OutRecord]) -> None:
    """Write the records in one transaction."""
    producer.begin()
    producer.produce(records)
    producer.commit()


def test_committed_records_are_read_as_written(kafka: str, topic: str) -> None:
    headers: Headers = [("a", b"\x00"), ("none", None), ("a", b"2")]
    commit(transactional(kafka, topic), [record(topic, b"value", b"key", headers), record(topic, None)])
    first, second = read(kafka, topic)
    assert (first.key(), first.value(), first.timestamp()[1]) == (b"key", b"value", 1234)
    assert first.headers() == headers
    assert (second.key(), second.value(), second.headers()) == (None, None, None)


def test_aborted_records_are_never_read(kafka: str, topic: str) -> None:
    producer = transactional(kafka, topic)
    producer.begin()
    producer.produce([record(topic, b"no")])
    producer.abort()
    commit(producer, [record(topic, b"yes")])
    assert values(read(kafka, topic)) == [b"yes"]


def test_purged_records_do_not_fail_the_next_transaction(kafka: str, topic: str) -> None:
    producer = transactional(kafka, topic)
    for _ in range(10):
        producer.begin()
        producer.produce([record(topic, b"no" * 100)] * 5000)
        producer.abort()
    commit(producer, [record(topic, b"yes")])
    assert values(read(kafka, topic)) == [b"yes"]


def test_full_queue_waits_for_room(kafka: str, topic: str) -> None:
    producer = KafkaProducer(Connection(kafka, {"queue.buffering.max.messages": "10"}))
    producer.produce([record(topic, b"%d" % i) for i in range(1000)])
    producer.flush()
    assert values(read(kafka, topic)) == [b"%d" % i for i in range(1000)]


def test_record_too_large_is_refused_with_a_remedy(kafka: str, topics: Topics) -> None:
    topic = topics("records", config={"max.message.bytes": "1000"})
    producer = transactional(kafka, topic)
    remedy = f"could not write to {topic}: .*too large.*raise max.message.bytes"
    with pytest.raises(RecordsRefusedError, match=remedy) as caught:
        commit(producer, [record(topic, b"small"), record(topic, LARGE)])
    assert [*caught.value.records] == [RejectedRecord(topic, Rejection.SIZE)]
    producer.abort()
    assert read(kafka, topic) == []


def test_failed_transaction_refuses_records_and_says_why(kafka: str, topics: Topics) -> None:
    topic = topics("records", config={"max.message.bytes": "1000"})
    producer = transactional(kafka, topic)
    producer.begin()
    with pytest.raises(RefusedError, match=f"could not (write|produce) to {topic}: .*too large"):
        until_it_fails(lambda: producer.produce([record(topic, LARGE)]))
    producer.abort()
    try:
        commit(producer, [record(topic, b"small")])
    except MustAbortError:  # librdkafka may miss the sequence numbers of what failed, once (test_error_codes.py)
        producer.abort()
        commit(producer, [record(topic, b"small")])
    assert values(read(kafka, topic)) == [b"small"]


def until_it_fails(call: Callable[[], None]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        call()
        time.sleep(0.01)


def test_failed_record_fails_a_plain_flush(kafka: str, topics: Topics) -> None:
    topic = topics("records", config={"max.message.bytes": "1000"})
    producer = KafkaProducer(Connection(kafka))
    producer.produce([record(topic, LARGE)])
    with pytest.raises(RefusedError, match=f"could not write to {topic}"):
        producer.flush()


def test_record_too_large_for_the_client_is_refused(kafka: str, topics: Topics) -> None:
    producer = KafkaProducer(Connection(kafka))
    with pytest.raises(RefusedError, match=r"raise max\.message\.bytes"):
        producer.produce([record(topics("records"), b"x" * 2_000_000)])


def test_missing_topic_is_refused(kafka: str, topics: Topics) -> None:
    missing = topics("records") + "-missing"
    producer = KafkaProducer(Connection(kafka, {"topic.metadata.propagation.max.ms": "0"}))
    producer.produce([record(missing, b"x")])
    with pytest.raises(RefusedError, match=f"could not write to {missing}: .*create the topic"):
        producer.flush()


def test_newer_producer_fences_the_older_one(kafka: str, topic: str) -> None:
    old = transactional(kafka, topic)
    old.begin()
    old.produce([record(topic, b"old")])
    new = transactional(kafka, topic)
    with pytest.raises(FencedError):
        old.commit()
    commit(new, [record(topic, b"new")])
    assert values(read(kafka, topic)) == [b"new"]


def test_lost_fatal_error_is_asked_for_again() -> None:
    class Mark:
        looked_up = 0

    mark = Mark()
    mark.here = 0  # type: ignore[attr-defined]  # an attribute of the instance, which the type does not have

    def forgetful(config: dict[str, Any], **kwargs: Any) -> Producer:
        def on_delivery(*_: object) -> None:
            Mark.looked_up += 1  # empties the interpreter's cache of the type: the next look-up clears the error
            mark.here  # type: ignore[attr-defined]  # noqa: B018 - as above

        return Producer({**config, "on_delivery": on_delivery}, **kwargs)

    with MockBroker(["records"]) as broker:
        producer = KafkaProducer(Connection(broker.bootstrap_servers, clients=Clients(producer=forgetful)), "writer")
        producer.init()
        producer.begin()
        broker.answer(Api.PRODUCE, KafkaError.INVALID_PRODUCER_EPOCH)
        producer.produce([record("records", b"x")])
        with pytest.raises(FencedError, match="could not write: "):
            producer.flush()


def test_offsets_of_a_former_member_are_refused(kafka: str, topic: str) -> None:
    group = f"group-of-{topic}"
    reader = KafkaSource(Connection(kafka), Subscription(group, InputTopics((topic,))), FetchLimits())
    reader.subscribe()
    while not reader.unstable():  # until it has its partition: who leaves before is not always known to have left
        reader.poll(0.1)
    member = reader.membership().metadata
    reader.close()
    producer = transactional(kafka, topic)
    producer.begin()
    producer.produce([record(topic, b"x")])
    with pytest.raises(MustAbortError):
        producer.send_offsets({Partition(topic, 0): 5}, member)
    producer.abort()
    assert committed(kafka, group, topic, 1) == {}


@pytest.mark.parametrize(
    ("key", "hashed"), [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)]
)
def test_key_maps_to_a_java_producers_partition(kafka: str, topics: Topics, key: bytes, hashed: int) -> None:
    topic = topics("records", partitions=7)
    producer = KafkaProducer(Connection(kafka))
    producer.produce([record(topic, b"x", key)])
    producer.flush()
    assert [message.partition() for message in read(kafka, topic)] == [(hashed & 0x7FFFFFFF) % 7]


def test_dropped_producer_sends_no_more(kafka: str, topic: str) -> None:
    producer = KafkaProducer(Connection(kafka, {"linger.ms": "10000"}))
    producer.produce([record(topic, b"x")])
    producer.drop()
    assert read(kafka, topic) == []


def test_dropped_producer_has_no_records_in_flight() -> None:
    # one that has, and is fenced by an answer that comes late, frees its error twice: the process ends by SIGABRT
    with MockBroker(["records"], partitions=4) as broker:
        producer = transactional(broker.bootstrap_servers, "records")
        producer.begin()
        broker.answer(Api.PRODUCE, *[0] * 4, late_ms=5000)
        producer.produce([record("records", b"x", b"%d" % number) for number in range(1000)])
        wait_until(lambda: not broker.left(Api.PRODUCE))
        client, began = producer._producer, time.monotonic()
        producer.drop()
        assert (broker.left(Api.PRODUCE), len(client)) == (0, 0)
        assert time.monotonic() - began < 4  # an answer would take 5


def refused(producer: KafkaProducer, records: list[OutRecord]) -> list[RejectedRecord]:
    """What the broker refuses of these records, written in one transaction."""
    with pytest.raises(RecordsRefusedError) as caught:
        commit(producer, records)
    producer.abort()
    return [*caught.value.records]


def test_size_refused_by_the_client_names_its_topic(kafka: str, topics: Topics) -> None:
    other, topic = topics("others"), topics("records")
    found = refused(transactional(kafka, topic), [record(other, b"x"), record(topic, b"x" * 2_000_000)])
    assert found == [RejectedRecord(topic, Rejection.SIZE)]


@pytest.mark.parametrize("count", [1, 200])
def test_refused_date_names_its_topic(kafka: str, topics: Topics, count: int) -> None:
    topic = topics("records", partitions=1, config={"message.timestamp.before.max.ms": "60000"})
    now = time.time_ns() // 1_000_000
    good = [OutRecord(topic, b"k", b"%d" % number, [], now) for number in range(300)]
    bad = [OutRecord(topic, b"k", b"x", [], 1234 + number) for number in range(count)]
    assert refused(transactional(kafka, topic), good + bad) == [RejectedRecord(topic, Rejection.DATE)]


@pytest.mark.parametrize("count", [1, 2])
def test_missing_key_on_a_compacted_topic_is_named(kafka: str, topics: Topics, count: int) -> None:
    topic = topics("records", partitions=1, config={"cleanup.policy": "compact"})
    good = [record(topic, b"x", b"k")] * 300
    found = refused(transactional(kafka, topic), good + [record(topic, b"y")] * count)
    assert RejectedRecord(topic, Rejection.NO_KEY) in found


def test_batch_bytes_bounds_batches(kafka: str, topics: Topics) -> None:
    topic = topics("records", partitions=1, config={"max.message.bytes": "20000"})
    connection = Connection(kafka, {"compression.type": "none"})
    producer = KafkaProducer(connection, batch_bytes=20_000)
    producer.produce([record(topic, LARGE)] * 200)
    producer.flush()
    assert len(read(kafka, topic)) == 200
