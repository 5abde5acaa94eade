"""A coordinator that takes requests and never answers: the process ends itself, in its bound, and says why."""

import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from consumer.delivery.exactly_once import ExactlyOnce
from consumer.delivery.interface import GRACE_SECONDS
from consumer.errors import UndeliveredError
from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.kafka.producer import KafkaProducer
from consumer.records import OutRecord
from consumer.runtime import Retry
from tests.faults.mocked import Api, MockBroker
from tests.support.end_to_end import Line
from tests.support.fakes import P0, deliver
from tests.support.wire import Event, write
from training.synthetic.dataset import keyed_events

BOUND = 8  # seconds; the watchdog looks every half second, and a busy machine takes its time
MARGIN = 15
NEVER = 3_600_000  # ms
OUTPUTS = ("session-results", "session-alerts", "session-dead-letters")

COORDINATORS = (Api.INIT_PRODUCER_ID, Api.ADD_PARTITIONS_TO_TXN, Api.ADD_OFFSETS_TO_TXN, Api.TXN_OFFSET_COMMIT)


@pytest.fixture
def broker() -> Iterator[MockBroker]:
    with MockBroker(["sessions", *OUTPUTS], partitions=4) as running:
        yield running


def feed(broker: MockBroker) -> None:
    write(broker.bootstrap_servers, "sessions", [Event(value, key) for key, value in islice(keyed_events(7), 100)])


def until(log: Path, words: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while words not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def ended(broker: MockBroker, log: Path, silence: Callable[[], None], *options: str) -> float:
    """Lets a worker start, does `silence`, feeds it. Returns how long it took to end; its exit status was 1."""
    line = Line(broker.bootstrap_servers, "scorer", "sessions", *OUTPUTS)
    with line.running(log, "--watchdog-seconds", str(BOUND), *options) as process:
        until(log, "partitions assigned", process)
        silence()
        feed(broker)
        began = time.monotonic()
        assert process.wait(120) == 1
        return time.monotonic() - began


def test_a_coordinator_of_transactions_that_never_answers(broker: MockBroker, tmp_path: Path) -> None:
    def silence() -> None:
        for api in (*COORDINATORS, Api.END_TXN):
            broker.answer(api, *[0] * 100, late_ms=NEVER)

    took = ended(broker, tmp_path / "log", silence)
    assert f"delivering a batch did not end within {BOUND} s: gave up" in (tmp_path / "log").read_text()
    assert BOUND <= took < BOUND + MARGIN


def test_a_coordinator_of_groups_that_never_answers(broker: MockBroker, tmp_path: Path) -> None:
    took = ended(
        broker,
        tmp_path / "log",
        lambda: broker.answer(Api.OFFSET_COMMIT, *[0] * 100, late_ms=NEVER),
        *("--delivery", "at-least-once"),
    )
    assert f"delivering a batch did not end within {BOUND} s: gave up" in (tmp_path / "log").read_text()
    assert BOUND <= took < BOUND + MARGIN


def test_offsets_whose_coordinator_is_nowhere_to_be_found_are_given_up_in_time(broker: MockBroker) -> None:
    """librdkafka itself asks for the coordinator without end (its issue 5456)."""
    connection = Connection(broker.bootstrap_servers)
    reader = KafkaSource(connection, Subscription("scorer", InputTopics(("sessions",))), FetchLimits())
    reader.subscribe()
    while not reader.joined():
        reader.poll(0.1)
    made = []

    def make(name: str) -> KafkaProducer:
        made.append(KafkaProducer(connection, name, seconds=1.0))
        return made[-1]

    delivery = ExactlyOnce(make, ["scorer-0"], reader.membership, Retry(call_seconds=1.0))
    delivery.start()
    broker.keep_answering(Api.FIND_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE)
    began = time.monotonic()
    delivery.publish([OutRecord(OUTPUTS[0], b"key", b"value", [], 0)])
    delivery.begin_commit({P0: 1})
    delivery.wait()
    assert not delivery.committing()
    assert time.monotonic() - began < 1.0 + GRACE_SECONDS + MARGIN
    broker.relent(Api.FIND_COORDINATOR)
    with pytest.raises(UndeliveredError, match="could not send offsets to the transaction: no answer within 4 s"):
        delivery.finish_commit()
    assert len(made) == 2, "the producer is not replaced"
    deliver(delivery, [OutRecord(OUTPUTS[0], b"key", b"value", [], 0)], {P0: 1})
    delivery.close()
    reader.close()


def test_offsets_that_are_not_sent_are_given_up_in_time_also_when_no_event_follows(
    broker: MockBroker, tmp_path: Path
) -> None:
    log, line = tmp_path / "log", Line(broker.bootstrap_servers, "scorer", "sessions", *OUTPUTS)
    with line.running(log) as process:
        until(log, "partitions assigned", process)
        broker.keep_answering(Api.FIND_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE)
        began = time.monotonic()
        feed(broker)
        until(log, "could not send offsets to the transaction: no answer within 6 s", process)
        assert 6 <= time.monotonic() - began < 6 + MARGIN
        broker.relent(Api.FIND_COORDINATOR)


def test_a_member_put_out_for_good_says_so_though_it_cannot_leave(broker: MockBroker, tmp_path: Path) -> None:
    took = ended(
        broker,
        tmp_path / "log",
        lambda: broker.answer(Api.OFFSET_COMMIT, KafkaError.FENCED_INSTANCE_ID),
        *("--delivery", "at-least-once"),
    )
    assert "another worker has the same -X group.instance.id: give each its own" in (tmp_path / "log").read_text()
    assert took < BOUND + MARGIN
