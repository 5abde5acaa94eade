import time
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer.kafka.config import Connection
from consumer.kafka.identity import Identity
from tests.consumer.wire import SECONDS
from tests.topics import Topics


def answers(identity: Identity, positions: dict[int, int]) -> Iterator[dict[int, int] | None]:
    """What it says, asked again and again for as long as a test may take."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        yield identity.lost(positions)
        time.sleep(0.05)


@pytest.mark.kafka
def test_a_topic_made_anew_is_told_once_with_the_positions_in_the_old_one(kafka: str, topics: Topics) -> None:
    topic = topics("sessions", partitions=1)
    identity = Identity(Connection(kafka), topic)
    calls = answers(identity, {0: 1000})
    assert [next(calls) for _ in range(20)] == [None] * 20
    client = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    client.delete_topics([topic])[topic].result(SECONDS)
    assert [next(calls) for _ in range(10)] == [None] * 10  # gone is not made anew
    while client.create_topics([NewTopic(topic, 1, -1)])[topic].exception(SECONDS):
        time.sleep(0.1)
    assert next(found for found in calls if found is not None) == {0: 1000}
    assert [next(calls) for _ in range(10)] == [None] * 10


def test_without_a_broker_nothing_is_known() -> None:
    identity = Identity(Connection("127.0.0.1:1"), "sessions")
    assert identity.lost({0: 1}) is None
    assert identity.lost({0: 2}) is None
