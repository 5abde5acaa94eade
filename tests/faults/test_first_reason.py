"""Of a transaction that failed the first reason is reported, not an error that follows from it, whatever the timing."""

import time
from collections.abc import Iterator

import pytest

from consumer.errors import (
    DeliveryError,
    FatalError,
    FencedError,
    MustAbortError,
    RefusedError,
    UndeliveredError,
    WorkerError,
)
from consumer.kafka.config import Connection
from consumer.kafka.errors import REMEDIES
from consumer.kafka.producer import KafkaProducer
from tests.faults.bench import RECORDS, SECONDS, begun, code, exactly_once
from tests.faults.mocked import Api, MockBroker

LATE_MS = 500  # an answer that comes this much later finds the transaction failed


@pytest.fixture
def broker() -> Iterator[MockBroker]:
    with MockBroker(["sessions", "results"]) as running:
        yield running


@pytest.fixture
def producer(broker: MockBroker) -> Iterator[KafkaProducer]:
    """A producer whose transaction is open."""
    opened = KafkaProducer(Connection(broker.bootstrap_servers), "id", seconds=SECONDS)
    opened.init()
    opened.begin()
    yield opened
    opened.drop()


def produce_until_refused(producer: KafkaProducer) -> DeliveryError:
    """Produce again and again, as the parts of a long batch do, until the transaction is known to have failed."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            producer.produce(RECORDS)
        except DeliveryError as error:
            return error
    raise AssertionError("no record was refused")


@pytest.mark.parametrize("name", ["UNSUPPORTED_FOR_MESSAGE_FORMAT", "UNKNOWN", "INVALID_TXN_STATE"])
def test_a_write_that_fails_while_offsets_are_sent_is_the_reason(name: str) -> None:
    with exactly_once() as bench:
        begun(bench)
        bench.broker.answer(Api.PRODUCE, code(name))
        bench.broker.answer(Api.ADD_OFFSETS_TO_TXN, 0, late_ms=LATE_MS)
        with pytest.raises(UndeliveredError, match=f"results.*{name}"):
            bench.deliver()


@pytest.mark.parametrize("name", ["TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "POLICY_VIOLATION"])
def test_a_write_refused_while_offsets_are_sent_stops_with_its_remedy(name: str) -> None:
    with exactly_once() as bench:
        begun(bench)
        bench.broker.answer(Api.PRODUCE, code(name))
        bench.broker.answer(Api.ADD_OFFSETS_TO_TXN, 0, late_ms=LATE_MS)
        with pytest.raises(WorkerError, match=f"results.*{name}") as caught:
            bench.deliver()
        assert REMEDIES[code(name)] in str(caught.value)


def test_a_record_refused_for_its_size_is_read_again_when_its_report_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.kafka.producer._REPORT_SECONDS", 0.0)
    # the report comes milliseconds after the failure, and sometimes a poll in between finds it
    monkeypatch.setattr(KafkaProducer, "_on_report", lambda *_: None)
    with exactly_once() as bench:
        begun(bench)
        bench.broker.answer(Api.PRODUCE, code("MSG_SIZE_TOO_LARGE"))
        bench.broker.answer(Api.ADD_OFFSETS_TO_TXN, 0, late_ms=LATE_MS)
        with pytest.raises(UndeliveredError, match="MSG_SIZE_TOO_LARGE"):
            bench.deliver()


@pytest.mark.parametrize(
    ("api", "name", "kind"),
    [
        (Api.ADD_PARTITIONS_TO_TXN, "TOPIC_AUTHORIZATION_FAILED", RefusedError),
        (Api.ADD_PARTITIONS_TO_TXN, "OPERATION_NOT_ATTEMPTED", MustAbortError),
        (Api.ADD_PARTITIONS_TO_TXN, "INVALID_TXN_STATE", FatalError),
        (Api.ADD_PARTITIONS_TO_TXN, "INVALID_PRODUCER_EPOCH", FencedError),
        (Api.PRODUCE, "TOPIC_AUTHORIZATION_FAILED", RefusedError),
        (Api.PRODUCE, "UNSUPPORTED_FOR_MESSAGE_FORMAT", MustAbortError),
        (Api.PRODUCE, "INVALID_PRODUCER_EPOCH", FencedError),
    ],
)
def test_a_part_refused_after_the_failure_names_its_reason(
    broker: MockBroker, producer: KafkaProducer, api: Api, name: str, kind: type[DeliveryError]
) -> None:
    broker.answer(api, code(name))
    error = produce_until_refused(producer)
    assert type(error) is kind
    assert name in str(error) or kind is FencedError
    assert not str(error).endswith(("(_STATE)", "(_FATAL)"))


@pytest.mark.parametrize("name", ["TOPIC_AUTHORIZATION_FAILED", "OPERATION_NOT_ATTEMPTED"])
def test_a_flush_raises_when_its_records_were_never_sent(
    broker: MockBroker, producer: KafkaProducer, name: str
) -> None:
    broker.answer(Api.ADD_PARTITIONS_TO_TXN, code(name))
    producer.produce(RECORDS)
    with pytest.raises(DeliveryError, match=name):
        producer.flush()
