import pytest

from consumer.errors import WorkerError
from consumer.kafka.config import Connection
from consumer.kafka.properties import RESERVED


def test_user_properties_override_our_defaults() -> None:
    connection = Connection("host:1", {"linger.ms": "50", "session.timeout.ms": "6000", "security.protocol": "SSL"})
    assert connection.producer("id")["linger.ms"] == "50"
    assert connection.consumer("g")["session.timeout.ms"] == "6000"
    for config in (connection.producer("id"), connection.producer(), connection.consumer("g"), connection.admin()):
        assert config["security.protocol"] == "SSL"
        assert config["bootstrap.servers"] == "host:1"


@pytest.mark.parametrize("name", [*RESERVED, "error_cb", "oauth_cb"])
def test_reserved_properties_cannot_be_changed(name: str) -> None:
    with pytest.raises(WorkerError, match=rf"^Kafka setting {name} cannot be changed: \S"):
        Connection("host:1", {name: "x"})


def test_consumer_reads_committed_and_never_commits_by_itself() -> None:
    config = Connection("host:1").consumer("g")
    assert (config["isolation.level"], config["enable.auto.commit"], config["auto.offset.reset"]) == (
        "read_committed",
        False,
        "error",
    )


def test_plain_producer_is_idempotent_with_all_acks() -> None:
    config = Connection("host:1").producer()
    assert "transactional.id" not in config
    assert "transaction.timeout.ms" not in config
    assert (config["enable.idempotence"], config["acks"]) == (True, "all")


def test_transaction_timeout_is_below_the_poll_interval() -> None:
    Connection("host:1", {"transaction.timeout.ms": "20000", "max.poll.interval.ms": "30000"})
    with pytest.raises(WorkerError, match=r"transaction.timeout.ms \(10000\) must be less than max.poll.interval.ms"):
        Connection("host:1", {"max.poll.interval.ms": "10000"})
    with pytest.raises(WorkerError, match=r"max.poll.interval.ms must be a whole number of milliseconds"):
        Connection("host:1", {"max.poll.interval.ms": "soon"})


def test_consumer_protocol_leaves_session_properties_to_the_broker() -> None:
    connection = Connection("host:1", {"group.protocol": "consumer"})
    assert connection.cooperative
    assert not {"session.timeout.ms", "partition.assignment.strategy"} & connection.consumer("g").keys()
    assert not Connection("host:1", {"partition.assignment.strategy": "range"}).cooperative


def test_user_properties_are_not_printed() -> None:
    assert "hunter2" not in repr(Connection("host:1", {"sasl.password": "hunter2"}))
