"""Kafka's error codes, sorted by what has to be done about them: the one table of them."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from consumer.errors import (
    DeliveryError,
    ExpiredError,
    FatalError,
    FencedError,
    LostReasonError,
    MustAbortError,
    RefusedError,
    RetriableError,
    UnansweredError,
)

_FOREIGN_GROUP = (
    "the group is of others, or of another kind (another assignor or group.protocol, Connect, a share group): choose "
    "another --group-id, or give all members one -X partition.assignment.strategy and group.protocol"
)

_NO_REASON = "returned NULL without setting an exception"

_NO_SUCH_GROUP = KafkaError(KafkaError.GROUP_ID_NOT_FOUND).str()

# Errors that no retry mends, and what does.
REMEDIES: dict[int, str] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (
        "this user needs the right Read on the input topic, Write on the output topics"
    ),
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this user needs the right Read on the consumer group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (
        "this user needs the right Write on the transactional ids that begin with the group's name and a dash, "
        "or use --delivery at-least-once"
    ),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user needs the right IdempotentWrite on the cluster",
    KafkaError.SASL_AUTHENTICATION_FAILED: "check the user name and password, or the token (--login, -X sasl.…)",
    KafkaError._AUTHENTICATION: "check the user name and password, or the token (--login, -X sasl.…)",
    KafkaError._SSL: "check the certificates (-X ssl.ca.location and its kin)",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise max.message.bytes of the topics written to and -X message.max.bytes",
    KafkaError.RECORD_LIST_TOO_LARGE: "raise segment.bytes of the topics written to",
    KafkaError.INVALID_RECORD: (
        "look at the settings of the topics written to (a compacted topic refuses records without a key, and a topic "
        "dates that are too far away)"
    ),
    KafkaError.POLICY_VIOLATION: "look at the brokers' policies for the topics written to",
    KafkaError.INVALID_TIMESTAMP: (
        "look at message.timestamp.before.max.ms and .after.max.ms of the topics written to, and at the clocks"
    ),
    KafkaError.TOPIC_EXCEPTION: "choose another topic name",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "create the topic, or have run make it (--create-topics)",
    KafkaError._UNKNOWN_TOPIC: "create the topic, or have run make it (--create-topics)",
    KafkaError._UNKNOWN_PARTITION: "create the topic's partitions",
    KafkaError.UNSUPPORTED_VERSION: "use brokers of version 2.5 or newer, or --delivery at-least-once",
    KafkaError._UNSUPPORTED_FEATURE: "use brokers of version 2.5 or newer, or --delivery at-least-once",
    KafkaError.INVALID_TRANSACTION_TIMEOUT: "lower -X transaction.timeout.ms, or raise the brokers' maximum",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: _FOREIGN_GROUP,
    KafkaError.INVALID_GROUP_ID: "choose another --group-id",
    KafkaError.UNSUPPORTED_ASSIGNOR: "give a -X group.remote.assignor that the brokers have (group.consumer.assignors)",
    KafkaError.INVALID_SESSION_TIMEOUT: (
        "give a -X session.timeout.ms within the brokers' bounds (group.min.session.timeout.ms, group.max.…)"
    ),
    KafkaError.GROUP_MAX_SIZE_REACHED: "start fewer workers, or raise the brokers' group.max.size",
    KafkaError.FENCED_INSTANCE_ID: "another worker has the same -X group.instance.id: give each its own",
}

_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}

# The id was idle for longer than transactional.id.expiration.ms (7 days), or its records in the partition are deleted.
# librdkafka calls it the transaction's fault, yet keeps the dead id if AddOffsetsToTxn was the first request to fail.
_EXPIRED = {KafkaError.INVALID_PRODUCER_ID_MAPPING, KafkaError.UNKNOWN_PRODUCER_ID}

# The group has moved on without this worker, or is about to: what was read must be read again by its owner now.
_NOT_A_MEMBER = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError._ASSIGNMENT_LOST,
}

# Errors that pass: the consumer's calls do not flag them as retriable.
_PASSING = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._DESTROY_BROKER,  # asked of a broker that has just left the cluster: the next is asked of another
    KafkaError._RESOLVE,
    KafkaError._WAIT_COORD,
    KafkaError._WAIT_CACHE,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.CONCURRENT_TRANSACTIONS,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
}


def explain(error: KafkaError, operation: str) -> str:
    """Return one line: the operation that failed, what the broker answered, and the remedy where one is known."""
    remedy = REMEDIES.get(error.code()) or _remedy_of_fatal(error)
    message = f"could not {operation}: {error.str()} ({error.name()})"
    return message if remedy is None else f"{message}; {remedy}"


def _remedy_of_fatal(error: KafkaError) -> str | None:
    """Return the remedy where the client reports a group's error as the text of a fatal one (group.protocol=consumer).

    So brokers refuse it in a share group, and in a group of classic members that they cannot convert.
    """
    if error.code() == KafkaError._FATAL and _NO_SUCH_GROUP in error.str():
        return _FOREIGN_GROUP
    return None


def classify(error: KafkaError, operation: str) -> DeliveryError:
    """Return `error` as the kind of DeliveryError that says what to do about it.

    librdkafka's own flags count first, the tables above where it sets none.
    """
    return _kind(error)(explain(error, operation))


def _kind(error: KafkaError) -> type[DeliveryError]:
    code = error.code()
    if code in REMEDIES:
        return RefusedError
    if code in _EXPIRED:
        return ExpiredError
    if error.txn_requires_abort() or code in _NOT_A_MEMBER:
        return MustAbortError
    if code in _FENCED:
        return FencedError
    if code == KafkaError._TIMED_OUT:  # flagged as retriable, but for a commit it is no answer
        return UnansweredError
    passes = not error.fatal() and (error.retriable() or code in _PASSING)
    return RetriableError if passes else FatalError


@contextmanager
def kafka_errors(operation: str, retriable: AbstractSet[int] = frozenset()) -> Iterator[None]:
    """Raise DeliveryError, of the kind that `classify` says, for what the Kafka client raises.

    `retriable` are further codes that are known to pass in this operation: they become RetriableError.
    """
    try:
        yield
    except KafkaException as exception:
        error: KafkaError = exception.args[0]
        if error.code() in retriable:
            raise RetriableError(explain(error, operation)) from exception
        raise classify(error, operation) from exception
    except SystemError as exception:
        if cause := underlying_error(exception):
            raise classify(cause, operation) from exception
        if _NO_REASON in str(exception):
            raise LostReasonError(f"could not {operation}: the client failed and does not say why") from exception
        raise


def underlying_error(exception: SystemError) -> KafkaError | None:
    """Return the Kafka error beneath a SystemError, if there is one.

    The client raises a fatal error in mid-call, and the next callback in that call fails over it ("returned a result
    with an exception set"), or clears it: an attribute that is not in the interpreter's cache of types does so
    (`_PyType_Lookup`), and no trace of it is left.
    """
    cause = exception.__cause__
    return cause.args[0] if isinstance(cause, KafkaException) else None
