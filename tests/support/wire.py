"""Both ends of the wire, for tests on a broker: writing events, and reading as a careful subscriber does."""

import ctypes
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from consumer.records import Headers
from tests.support import schema_validation

SECONDS = 30.0


class Event(NamedTuple):
    """A record to write. Partition -1: the key decides."""

    value: bytes | None
    key: bytes | None = None
    partition: int = -1
    headers: Headers = []  # noqa: RUF012 - a NamedTuple's default, never changed
    timestamp: int = 0  # ms; 0: now


def write(
    bootstrap: str, topic: str, events: Iterable[Event], properties: Mapping[str, str | int] | None = None
) -> None:
    """Writes the events and waits until all are there.

    By librdkafka's own partitioner keys stand in other partitions than those of the results, which is harder.
    """
    failed: list[KafkaError] = []
    own = {"queue.buffering.max.messages": 1_000_000, "linger.ms": 5, "log_level": 0}
    producer = Producer({"bootstrap.servers": bootstrap, **own, **(properties or {})})
    for event in events:
        producer.produce(
            topic,
            event.value,
            event.key,
            partition=event.partition,
            headers=[*event.headers],
            timestamp=event.timestamp,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
        producer.poll(0)
    assert producer.flush(SECONDS) == 0
    assert not failed


def read(bootstrap: str, *topics: str, isolation: str = "read_committed") -> list[Message]:
    """All that such a reader sees in these topics up to their present ends, each partition in its order.

    What the consumer writes must be what docs/api says: each message is held to it.
    """
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "nobody",
            "enable.auto.commit": False,
            "isolation.level": isolation,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        found = _drain(reader, topics)
    finally:
        reader.close()
    schema_validation.hold_all(found)
    return found


def _drain(reader: Consumer, topics: Sequence[str]) -> list[Message]:
    known = reader.list_topics(timeout=SECONDS).topics
    left = {(topic, partition) for topic in topics for partition in known[topic].partitions}
    reader.assign([TopicPartition(topic, partition, 0) for topic, partition in left])
    found: list[Message] = []
    deadline = time.monotonic() + SECONDS
    while left:
        assert time.monotonic() < deadline, f"not at the end of {left}: is a transaction still open?"
        for message in reader.consume(10_000, 0.2):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                place = TopicPartition(message.topic() or "", message.partition() or 0)
                # a reader of what is committed stops before a transaction whose end is decided, but not yet written
                if (message.offset() or 0) >= reader.get_watermark_offsets(place, cached=True)[1]:
                    left.discard((place.topic, place.partition))
            else:
                raise AssertionError(error.str())
    return found


def is_open(bootstrap: str, topic: str) -> bool:
    """Whether some transaction that wrote to the topic has not ended."""
    return _ends(bootstrap, topic, "read_committed") != _ends(bootstrap, topic, "read_uncommitted")


def _ends(bootstrap: str, topic: str, isolation: str) -> list[int]:
    reader = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "nobody", "isolation.level": isolation, "log_level": 0}
    )
    try:
        places = [
            TopicPartition(topic, number)
            for number in reader.list_topics(topic, timeout=SECONDS).topics[topic].partitions
        ]
        return [high for _, high in (reader.get_watermark_offsets(place, SECONDS) for place in places)]
    finally:
        reader.close()


def committed(bootstrap: str, group: str, topic: str, partitions: int) -> dict[int, int]:
    """The group's committed offsets; partitions without one are left out."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})
    try:
        wanted = [TopicPartition(topic, partition) for partition in range(partitions)]
        return {each.partition: each.offset for each in reader.committed(wanted, SECONDS) if each.offset >= 0}
    finally:
        reader.close()


def write_header_name(bootstrap: str, topic: str, name: bytes, value: bytes) -> None:
    """Writes a record with a header of this name, which need not be text. The client for Python cannot; the library
    that it has loaded can."""
    maps = Path("/proc/self/maps").read_text()
    library = ctypes.CDLL(next(line.split()[-1] for line in maps.splitlines() if "librdkafka" in line))
    library.rd_kafka_conf_new.restype = library.rd_kafka_new.restype = ctypes.c_void_p
    reason = ctypes.create_string_buffer(512)
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(conf, b"bootstrap.servers", bootstrap.encode(), reason, len(reason))
    producer = ctypes.c_void_p(library.rd_kafka_new(0, conf, reason, len(reason)))
    assert producer.value, reason.value
    of_topic = (1, ctypes.c_char_p(topic.encode()))
    of_value = (4, ctypes.c_char_p(value), ctypes.c_size_t(len(value)))
    copied = (7, ctypes.c_int(2))
    of_header = (9, ctypes.c_char_p(name), ctypes.c_char_p(b"x"), ctypes.c_ssize_t(1))
    assert library.rd_kafka_producev(producer, *of_topic, *of_value, *copied, *of_header, 0) == 0
    assert library.rd_kafka_flush(producer, int(SECONDS * 1000)) == 0
    library.rd_kafka_destroy(producer)
