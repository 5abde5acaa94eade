"""The size that is computed is the size that a broker counts."""

import random

import pytest
from confluent_kafka import KafkaError, Producer
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.records import Headers
from consumer.stream.record_size import encode_headers, record_bytes, value_room
from tests.support.kafka.topics import Topics
from tests.support.wire import SECONDS

LIMIT = 20_000
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
HEADERS = st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=200)), max_size=20)
KEYS = st.none() | st.binary(max_size=300)


def test_headers_are_encoded_in_record_format_v2() -> None:
    headers: Headers = [("é", None), ("", b""), ("n" * 64, b"v" * 8192)]
    expected = b"\x04\xc3\xa9\x01" + b"\x00\x00" + b"\x80\x01" + b"n" * 64 + b"\x80\x80\x01" + b"v" * 8192
    assert encode_headers(headers) == expected


@given(KEYS, st.none() | st.binary(max_size=300), HEADERS)
def test_record_size_includes_the_encoded_headers(key: bytes | None, value: bytes | None, headers: Headers) -> None:
    with_them, without = record_bytes(key, value, headers), record_bytes(key, value, [])
    assert 0 <= with_them - without - len(encode_headers(headers)) <= 2  # their number, the record's own length


@given(st.lists(st.tuples(KEYS, HEADERS), max_size=4), st.integers(0, 30_000), st.integers(100, 30_000))
def test_a_value_within_the_room_fits(rows: list[tuple[bytes | None, Headers]], size: int, limit: int) -> None:
    usual: Headers = [("model_version", b"2026")]
    keys, headers = [key for key, _ in rows], [own or usual for _, own in rows]
    room = value_room(limit, keys, headers, usual)
    for key, each in zip(keys, headers, strict=True):
        assert size > room or record_bytes(key, b"v" * size, each) <= limit


def test_empty_headers_count() -> None:
    headers: Headers = [("", b"")] * 60_000
    assert record_bytes(None, b"", headers) > 120_000
    assert value_room(LIMIT, [None], [headers], []) < 0


def largest(key: bytes | None, headers: Headers) -> int:
    """The size of the largest value that fits."""
    size = LIMIT
    while record_bytes(key, b"v" * size, headers) > LIMIT:
        size -= 1
    return size


def written(bootstrap: str, topic: str, value: bytes, key: bytes | None, headers: Headers) -> list[KafkaError | None]:
    """What the broker says to this record, with a client that sends no larger one than that."""
    errors: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": LIMIT, "log_level": 0})
    producer.produce(topic, value, key, headers=[*headers], on_delivery=lambda error, _: errors.append(error))
    producer.flush(SECONDS)
    return errors


@pytest.mark.kafka
def test_a_broker_refuses_one_byte_more(kafka: str, topics: Topics) -> None:
    topic = topics("records", partitions=1, config={"max.message.bytes": str(LIMIT)})

    @settings(max_examples=40, deadline=None)
    @given(KEYS, HEADERS, st.integers(0, 2**32))
    def hold(key: bytes | None, headers: Headers, seed: int) -> None:
        size = largest(key, headers)
        value = random.Random(seed).randbytes(size + 1)
        assert written(kafka, topic, value[:-1], key, headers) == [None]
        (refused,) = written(kafka, topic, value, key, headers)
        assert refused is not None
        assert refused.code() == KafkaError.MSG_SIZE_TOO_LARGE

    hold()
