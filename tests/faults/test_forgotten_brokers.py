"""A client that forgets its brokers while a rebalance callback waits for them (librdkafka issue 5301)."""

import logging
import time
from collections.abc import Iterator

import pytest

from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.stream.batching import PART_EVENTS
from tests.faults.amnesia import AmnesiaProxy
from tests.faults.conftest import Full, Record
from tests.faults.proxy import broker_behind
from tests.support.kafka.topics import Topics
from tests.support.wire import Event, write

pytestmark = pytest.mark.usefixtures("java_and_maven")

BOUND = 40.0  # the callback alone once waited for 60 s; replaced at once, the client reads after 8
SOON = {"topic.metadata.refresh.interval.ms": "300"}  # default 5 min: when the client asks who the brokers are
AGAIN = "no answer during a rebalance: joining the group again"


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[str, AmnesiaProxy]]:
    """The address of a broker, and the proxy by which its clients know it."""
    with broker_behind(AmnesiaProxy) as pair:
        yield pair


@pytest.mark.parametrize("strategy", ["cooperative-sticky", "range"])
def test_a_client_that_forgets_its_brokers_within_the_callback_is_replaced(
    far: tuple[str, AmnesiaProxy],
    full: Full,
    strategy: str,
    caplog: pytest.LogCaptureFixture,
    record_property: Record,
) -> None:
    address, proxy = far
    connection = Connection(proxy.address, SOON | {"partition.assignment.strategy": strategy})
    slowest = 0.0
    for _ in range(full(1, 150)):
        caplog.clear()
        topics = Topics(address)
        topic = topics("sessions", partitions=2)
        write(address, topic, [Event(b"%d" % number, partition=number % 2) for number in range(10)])
        proxy.forget_at_offset_fetch(topic)
        reader = KafkaSource(connection, Subscription(f"group-of-{topic}", InputTopics((topic,))), FetchLimits())
        reader.subscribe()
        try:
            began = time.monotonic()
            values = read(reader, 10)
            slowest = max(slowest, time.monotonic() - began)
        finally:
            reader.close()
            topics.delete()
        assert proxy.lies > 0, "the client did not ask who the brokers are"
        assert sorted(map(int, values)) == list(range(10))
        assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []
        assert AGAIN in {each.getMessage() for each in caplog.records}
    record_property("slowest", f"{slowest:.1f} s")
    assert slowest < BOUND


def read(reader: KafkaSource, count: int) -> list[bytes]:
    """The values of so many events."""
    values: list[bytes] = []
    deadline = time.monotonic() + 2 * BOUND
    while len(values) < count:
        assert time.monotonic() < deadline, f"{len(values)} of {count} events after {2 * BOUND:g} s"
        for batch in reader.poll(0.2, lambda: False, PART_EVENTS):
            values += [value or b"" for value in batch.values]
    return values
