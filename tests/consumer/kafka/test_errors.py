import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.errors import (
    DeliveryError,
    FatalError,
    FencedError,
    LostReasonError,
    MustAbortError,
    RefusedError,
    RetriableError,
    UnansweredError,
)
from consumer.kafka.errors import classify, explain, kafka_errors


def error(code: int, *flags: str) -> KafkaError:
    return KafkaError(code, "what the broker said", **dict.fromkeys(flags, True))


@pytest.mark.parametrize(
    ("reported", "kind"),
    [
        # what librdkafka says of its transactional calls
        (error(KafkaError.NOT_COORDINATOR, "retriable"), RetriableError),
        (error(KafkaError._STATE, "retriable"), RetriableError),
        (error(KafkaError.INVALID_TXN_STATE, "txn_requires_abort"), MustAbortError),
        (error(KafkaError._INCONSISTENT, "txn_requires_abort"), MustAbortError),
        (error(KafkaError._TIMED_OUT, "retriable"), UnansweredError),
        (error(KafkaError._TIMED_OUT), UnansweredError),
        (error(KafkaError._FENCED, "fatal"), FencedError),
        (error(KafkaError.PRODUCER_FENCED, "fatal"), FencedError),
        (error(KafkaError.INVALID_PRODUCER_EPOCH, "fatal"), FencedError),
        (error(KafkaError.INVALID_PRODUCER_EPOCH, "txn_requires_abort"), MustAbortError),
        (error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "fatal"), FatalError),
        (error(KafkaError._STATE), FatalError),
        (error(KafkaError._INVALID_ARG), FatalError),
        # the group has gone on without this worker
        (error(KafkaError.ILLEGAL_GENERATION), MustAbortError),
        (error(KafkaError.ILLEGAL_GENERATION, "txn_requires_abort"), MustAbortError),
        (error(KafkaError.UNKNOWN_MEMBER_ID), MustAbortError),
        (error(KafkaError.REBALANCE_IN_PROGRESS), MustAbortError),
        (error(KafkaError.STALE_MEMBER_EPOCH), MustAbortError),
        # the consumer's calls, which say nothing of themselves
        (error(KafkaError._TRANSPORT), RetriableError),
        (error(KafkaError._ALL_BROKERS_DOWN), RetriableError),
        (error(KafkaError._DESTROY_BROKER), RetriableError),
        (error(KafkaError.COORDINATOR_LOAD_IN_PROGRESS), RetriableError),
        (error(KafkaError.NOT_LEADER_FOR_PARTITION), RetriableError),
        (error(KafkaError.UNSTABLE_OFFSET_COMMIT), RetriableError),
        # what no repetition mends, whatever else is said of it
        (error(KafkaError.TOPIC_AUTHORIZATION_FAILED), RefusedError),
        (error(KafkaError.TOPIC_AUTHORIZATION_FAILED, "txn_requires_abort"), RefusedError),
        (error(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "fatal"), RefusedError),
        (error(KafkaError.GROUP_AUTHORIZATION_FAILED, "txn_requires_abort"), RefusedError),
        (error(KafkaError.MSG_SIZE_TOO_LARGE), RefusedError),
        (error(KafkaError.INVALID_TRANSACTION_TIMEOUT, "fatal"), RefusedError),
        (error(KafkaError._UNKNOWN_TOPIC), RefusedError),
    ],
)
def test_error_code_has_its_kind(reported: KafkaError, kind: type[DeliveryError]) -> None:
    assert type(classify(reported, "commit the transaction")) is kind


def test_message_names_operation_answer_and_remedy() -> None:
    said = str(classify(error(KafkaError._UNKNOWN_TOPIC), "write to results"))
    assert said == (
        "could not write to results: what the broker said (_UNKNOWN_TOPIC); "
        "create the topic, or have run make it (--create-topics)"
    )
    assert str(classify(error(KafkaError._TRANSPORT), "read")) == "could not read: what the broker said (_TRANSPORT)"


def test_kafka_exception_becomes_a_delivery_error() -> None:
    with pytest.raises(RetriableError, match="could not ask: "), kafka_errors("ask"):
        raise KafkaException(error(KafkaError._TRANSPORT))


def test_fatal_error_beneath_a_system_error_is_raised() -> None:
    beneath = KafkaException(error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "fatal"))
    with pytest.raises(FatalError, match="could not write: "), kafka_errors("write"):
        raise SystemError("returned a result with an exception set") from beneath


def test_cleared_fatal_error_has_lost_its_reason() -> None:
    with pytest.raises(LostReasonError, match="could not write: the client failed"), kafka_errors("write"):
        raise SystemError("<built-in method flush of …> returned NULL without setting an exception")


def test_other_system_error_passes_through() -> None:
    with pytest.raises(SystemError, match="bad argument"), kafka_errors("write"):
        raise SystemError("bad argument")


@pytest.mark.parametrize(
    "refused",
    [
        KafkaError(KafkaError.INCONSISTENT_GROUP_PROTOCOL),
        KafkaError(
            KafkaError._FATAL,
            "Fatal error: Broker: The group id does not exist: ConsumerGroupHeartbeat fatal error: Broker: The group "
            "id does not exist",
            True,
        ),
    ],
)
def test_foreign_group_is_explained_in_both_protocols(refused: KafkaError) -> None:
    said = explain(refused, "read sessions as group g")
    assert said.endswith("give all members one -X partition.assignment.strategy and group.protocol")
    assert "choose another --group-id" in said
