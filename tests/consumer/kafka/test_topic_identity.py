import time
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer.kafka.client import Clients
from consumer.kafka.config import Connection
from consumer.kafka.topic_identity import Denial, ReadPosition, ReadPositions, TopicIdentities, describe_recreated
from consumer.records import Gap, Partition
from tests.support.fakes import P0, FakeAdmin, FakeClock
from tests.support.wire import SECONDS

LOGIN_0, LOGIN_1 = Partition("logins", 0), Partition("logins", 1)


def answers(identities: TopicIdentities, positions: ReadPositions) -> Iterator[dict[str, ReadPositions]]:
    """What they say, asked again and again for as long as a test may take."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        yield identities.check(positions)
        time.sleep(0.05)


@pytest.mark.kafka
def test_recreated_topic_is_reported_once_with_old_positions(kafka: str, topic: str) -> None:
    identities = TopicIdentities(Connection(kafka), [topic])
    calls = answers(identities, {Partition(topic, 0): ReadPosition(1, 1000)})
    assert [next(calls) for _ in range(20)] == [{}] * 20
    client = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    client.delete_topics([topic])[topic].result(SECONDS)
    assert [next(calls) for _ in range(10)] == [{}] * 10  # gone is not made anew
    while client.create_topics([NewTopic(topic, 1, -1)])[topic].exception(SECONDS):
        time.sleep(0.1)
    assert next(found for found in calls if found) == {topic: {Partition(topic, 0): ReadPosition(1, 1000)}}
    assert [next(calls) for _ in range(10)] == [{}] * 10


def test_identity_is_unknown_without_a_broker() -> None:
    identities = TopicIdentities(Connection("127.0.0.1:1"), ["sessions"])
    assert identities.check({P0: ReadPosition(1, 1)}) == {}
    assert identities.check({P0: ReadPosition(1, 2)}) == {}


@pytest.mark.kafka
def test_deleted_topic_is_noticed_within_seconds(kafka: str, topic: str) -> None:
    identities = TopicIdentities(Connection(kafka), [topic])
    calls = answers(identities, {})
    assert [next(calls) for _ in range(20)] == [{}] * 20
    assert not identities.deleted()
    client = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    client.delete_topics([topic])[topic].result(SECONDS)
    began = time.monotonic()
    assert any(identities.deleted() for _ in calls)
    assert time.monotonic() - began < 10
    identities.reopen()
    assert identities.deleted() == {topic}
    while client.create_topics([NewTopic(topic, 1, -1)])[topic].exception(SECONDS):
        time.sleep(0.1)
    assert any(not identities.deleted() for _ in calls)


def test_topic_that_never_existed_is_not_deleted() -> None:
    identities = TopicIdentities(Connection("127.0.0.1:1"), ["sessions"])
    identities.check({})
    assert not identities.deleted()


def identities_of(admin: FakeAdmin, topics: list[str], clock: FakeClock | None = None) -> TopicIdentities:
    clients = Clients(admin=lambda *_, **__: admin.client())
    return TopicIdentities(Connection("nowhere:9092", clients=clients), topics, clock or FakeClock())


def test_only_the_recreated_topic_of_two_is_reported() -> None:
    admin = FakeAdmin({"sessions": "id-1", "logins": "id-2"})
    identities = identities_of(admin, ["sessions", "logins"])
    positions = {P0: ReadPosition(1, 10), LOGIN_0: ReadPosition(1, 20), LOGIN_1: ReadPosition(1, 30)}
    assert [identities.check(positions) for _ in range(3)] == [{}] * 3
    admin.topic_ids["logins"] = "id-3"
    assert identities.check(positions) == {}  # asks
    assert identities.check(positions) == {"logins": {LOGIN_0: ReadPosition(1, 20), LOGIN_1: ReadPosition(1, 30)}}
    assert [identities.check(positions) for _ in range(3)] == [{}] * 3
    assert identities.deleted() == frozenset()


def test_recreated_topic_is_reported_with_the_positions_of_the_old_one() -> None:
    admin = FakeAdmin({"logins": "id-2"})
    identities = identities_of(admin, ["logins"])
    for _ in range(2):
        identities.check({LOGIN_0: ReadPosition(1, 20)})
    admin.topic_ids["logins"] = "id-3"
    later = {LOGIN_0: ReadPosition(1, 25), LOGIN_1: ReadPosition(1, 7)}  # perhaps of the new one
    assert identities.check(later) == {}
    assert identities.check(later) == {"logins": {LOGIN_0: ReadPosition(1, 20), LOGIN_1: ReadPosition(1, 7)}}


def test_deleted_topic_counts_only_if_it_is_named() -> None:
    """One that a pattern matched is no longer subscribed to: other topics may match."""
    admin, clock = FakeAdmin({"sessions": "id-1", "logins": "id-2"}), FakeClock()
    identities = identities_of(admin, ["sessions"], clock)
    positions = {P0: ReadPosition(1, 10), LOGIN_0: ReadPosition(1, 20)}
    for _ in range(2):
        identities.check(positions)
    admin.topic_ids.clear()
    for _ in range(6):
        assert identities.check(positions) == {}
        clock.sleep(1.0)
    assert identities.deleted() == {"sessions"}


def test_topic_of_a_pattern_is_watched_while_it_is_read() -> None:
    admin = FakeAdmin({"logins": "id-2"})
    identities = identities_of(admin, [])
    positions = {LOGIN_0: ReadPosition(1, 20)}
    assert [identities.check(read) for read in ({}, positions, positions)] == [{}] * 3
    admin.topic_ids["logins"] = "id-3"
    assert identities.check(positions) == {}  # asks
    assert identities.check(positions) == {"logins": positions}


def test_denial_lasts_by_answers_alone() -> None:
    denial = Denial()
    assert not denial.lasts()
    denial.add(0.0)
    assert not denial.lasts(), "one answer, and silence since"
    denial.add(2.9)
    assert not denial.lasts()
    denial.add(3.0)
    assert denial.lasts()
    denial.clear()
    denial.add(4.0)
    assert not denial.lasts()


def test_recreated_topic_message_names_skipped_offsets() -> None:
    gaps = [Gap(P0, 0, 40, 100), Gap(Partition("sessions", 2), 0, 2, 90)]
    said = describe_recreated("sessions", gaps)
    assert said.startswith("sessions was deleted and recreated while this worker read it: reading went on in the new")
    assert "past at least 42 offsets that were never read (partition 0 before offset 40, partition 2 before" in said
    assert "once more what was read of the new one behind them; start again" in said
    assert ": nothing of the new one is known to be passed over; start" in describe_recreated("sessions", [])
