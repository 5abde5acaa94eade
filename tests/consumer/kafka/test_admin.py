import socket
import time

import pytest

from consumer.errors import WorkerError
from consumer.kafka.admin import Admin
from consumer.kafka.client import EmbeddedBroker
from consumer.kafka.config import Connection
from consumer.kafka.membership import InputTopics
from tests.support.kafka.topics import Topics
from tests.support.waiting import wait_until


def test_unreachable_broker_is_named_with_the_reason() -> None:
    admin = Admin(Connection("127.0.0.1:1"), seconds=0.3)
    with pytest.raises(WorkerError) as caught:
        admin.missing_topics(["sessions"])
    said = str(caught.value)
    assert said.startswith("no Kafka broker answered at 127.0.0.1:1")
    assert "Connection refused" in said
    assert said.endswith("; start one, or give the right --bootstrap-servers")


def test_refusing_brokers_are_not_waited_for() -> None:
    admin = Admin(Connection("127.0.0.1:1,localhost:2"), seconds=60.0)
    began = time.monotonic()
    with pytest.raises(WorkerError, match=r"no Kafka broker answered at 127.0.0.1:1,localhost:2: .*Connection refused"):
        admin.require_topics(["sessions"])
    assert time.monotonic() - began < 30  # 3 s on a quiet host


def test_silent_broker_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        admin = Admin(Connection(f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:1"), seconds=3.0)
        began = time.monotonic()
        with pytest.raises(WorkerError, match=r" within 3 s: "):
            admin.require_topics(["sessions"])
        assert time.monotonic() - began >= 3.0


@pytest.mark.kafka
def test_all_missing_topics_are_named_in_one_line(kafka: str, topics: Topics) -> None:
    there = topics("sessions")
    admin = Admin(Connection(kafka))
    assert admin.missing_topics([f"{there}-b", there, f"{there}-a"]) == [f"{there}-b", f"{there}-a"]
    with pytest.raises(WorkerError, match=rf"2 topics are missing: {there}-b, {there}-a; create them, or"):
        admin.require_topics([f"{there}-b", there, f"{there}-a"])
    admin.require_topics([there])


def test_embedded_broker_is_not_asked_for_rights() -> None:
    with EmbeddedBroker(["in", "out"]) as broker:
        admin = Admin(Connection(broker.bootstrap_servers, {}))
        since = time.monotonic()
        admin.require_topics(["in"], ["out"])
    assert time.monotonic() - since < 5  # the question is given 10 s


@pytest.mark.kafka
def test_only_missing_topics_are_created(kafka: str, topics: Topics) -> None:
    there = topics("sessions", partitions=1)
    admin = Admin(Connection(kafka))
    assert admin.create_topics([there, f"{there}-new"], partitions=3) == ([f"{there}-new"], [])
    assert admin.create_topics([there, f"{there}-new"], partitions=3) == ([], [])
    # a broker hears of a new topic a moment after the controller made it
    wait_until(lambda: not admin.missing_topics([there, f"{there}-new"]))


@pytest.mark.kafka
def test_trouble_names_missing_topics_beside_a_known_witness(kafka: str, topics: Topics) -> None:
    there = topics("sessions")
    said = Admin(Connection(kafka)).trouble(
        InputTopics(
            (there,),
            (
                f"{there}-a",
                there,
            ),
        )
    )
    assert said is not None
    assert said.startswith(f"{there}-a: gone since this worker started; create the topic, or")
    assert Admin(Connection(kafka)).trouble(InputTopics((there,), (there,))) is None
    assert Admin(Connection(kafka)).trouble(InputTopics((f"{there}-b",), (f"{there}-a",))) is None
    assert Admin(Connection("127.0.0.1:1"), seconds=0.3).trouble(InputTopics((there,), (f"{there}-a",))) is None


@pytest.mark.kafka
def test_failed_topic_creation_says_why(kafka: str) -> None:
    with pytest.raises(WorkerError, match=r"^could not create topic too-many: .*replication"):
        Admin(Connection(kafka)).create_topics(["too-many"], partitions=1, replication_factor=99)
