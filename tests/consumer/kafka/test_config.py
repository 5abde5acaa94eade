import pytest

from consumer.errors import WorkerError
from consumer.kafka.config import Connection
from consumer.kafka.properties import RESERVED


def test_the_users_settings_come_before_our_defaults() -> None:
    connection = Connection("host:1", {"linger.ms": "50", "session.timeout.ms": "6000", "security.protocol": "SSL"})
    assert connection.producer("id")["linger.ms"] == "50"
    assert connection.consumer("g")["session.timeout.ms"] == "6000"
    for config in (connection.producer("id"), connection.producer(), connection.consumer("g"), connection.admin()):
        assert config["security.protocol"] == "SSL"
        assert config["bootstrap.servers"] == "host:1"


@pytest.mark.parametrize("name", [*RESERVED, "error_cb", "oauth_cb"])
def test_what_the_guarantee_needs_cannot_be_changed(name: str) -> None:
    with pytest.raises(WorkerError, match=rf"^Kafka setting {name} cannot be changed: \S"):
        Connection("host:1", {name: "x"})


def test_the_consumer_reads_committed_records_and_commits_nothing_by_itself() -> None:
    config = Connection("host:1").consumer("g")
    assert (config["isolation.level"], config["enable.auto.commit"], config["auto.offset.reset"]) == (
        "read_committed",
        False,
        "error",
    )


def test_without_an_id_a_producer_is_plain_but_writes_everything_once_and_to_all_replicas() -> None:
    config = Connection("host:1").producer()
    assert "transactional.id" not in config
    assert "transaction.timeout.ms" not in config
    assert (config["enable.idempotence"], config["acks"]) == (True, "all")


def test_a_transaction_must_end_before_the_group_gives_its_worker_up() -> None:
    Connection("host:1", {"transaction.timeout.ms": "20000", "max.poll.interval.ms": "30000"})
    with pytest.raises(WorkerError, match=r"transaction.timeout.ms \(10000\) must be less than max.poll.interval.ms"):
        Connection("host:1", {"max.poll.interval.ms": "10000"})
    with pytest.raises(WorkerError, match=r"max.poll.interval.ms must be a whole number of milliseconds"):
        Connection("host:1", {"max.poll.interval.ms": "soon"})


def test_the_newer_group_protocol_leaves_to_the_broker_what_is_the_brokers() -> None:
    connection = Connection("host:1", {"group.protocol": "consumer"})
    assert connection.cooperative
    assert not {"session.timeout.ms", "partition.assignment.strategy"} & connection.consumer("g").keys()
    assert not Connection("host:1", {"partition.assignment.strategy": "range"}).cooperative


def test_the_users_settings_are_not_shown() -> None:
    assert "hunter2" not in repr(Connection("host:1", {"sasl.password": "hunter2"}))
