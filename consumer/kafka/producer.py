"""Produces records, with or without a transaction: one librdkafka producer, and no policy.

What an error asks for is delivery's business.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from consumer.errors import (
    DeliveryError,
    ExpiredError,
    FatalError,
    LostReasonError,
    MustAbortError,
    RecordsRefusedError,
    RefusedError,
    RejectedRecord,
    Rejection,
    UnansweredError,
)
from consumer.kafka.client import ErrorLog, open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import classify, explain, kafka_errors
from consumer.records import OutRecord, Partition
from consumer.runtime import SYSTEM, Runtime

_REPORTS_KEPT = 100  # failed delivery reports that are remembered; one is enough to abort, the rest help to say why

_DROP_SECONDS = 1.0  # for the client's threads to let go of what is in flight; milliseconds, unless one is stuck

_PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # unsent after an abort or a drop

# The client fails a transaction before it reports the record that failed it; milliseconds, longer on a busy host.
_REPORT_SECONDS = 3.0

_FOLLOW_UPS = {KafkaError._STATE, KafkaError._FATAL}  # "a call before this one has failed", without the reason

_REJECTIONS = {  # of single records
    KafkaError.MSG_SIZE_TOO_LARGE: Rejection.SIZE,
    KafkaError.RECORD_LIST_TOO_LARGE: Rejection.SIZE,
    KafkaError.INVALID_TIMESTAMP: Rejection.DATE,
    # also of a date, where a batch has several such records: librdkafka 2.16 gives them all this code
    KafkaError.INVALID_RECORD: Rejection.DATE,
}


class KafkaProducer:
    """Writes the output topics. Every method raises DeliveryError of the kind that says what must follow.

    `seconds` bounds every call to the broker; a call that outlasts it raises UnansweredError. Of the calls that make a
    commit librdkafka does not always keep to it (its issues 5456 and 5511).
    """

    def __init__(
        self,
        connection: Connection,
        transactional_id: str | None = None,
        *,
        seconds: float = 15.0,
        batch_bytes: int | None = None,
        runtime: Runtime = SYSTEM,
    ) -> None:
        """`batch_bytes` bounds a batch of several records."""
        self._id = transactional_id
        self._seconds = seconds
        self._clock = runtime.clock
        self._failed: list[tuple[KafkaError, str]] = []
        self._rejected: set[RejectedRecord] = set()
        callbacks = {"error_cb": ErrorLog(self._clock), "on_delivery": self._on_report}
        config = {**connection.producer(transactional_id, batch_bytes), **callbacks}
        self._producer = open_client(connection.clients.producer, config)

    def init(self) -> None:
        """Take the transactional id: end what an earlier producer of that id left open, and fence that producer."""
        with kafka_errors(f"initialise transactions as {self._id}"):
            self._producer.init_transactions(self._seconds)

    def begin(self) -> None:
        """Begin a transaction, without a request to the broker."""
        self._failed.clear()
        self._rejected.clear()
        with kafka_errors("begin a transaction"):
            self._producer.begin_transaction()

    def produce(self, records: Sequence[OutRecord]) -> None:
        """Queue all records for sending; wait while the queue is full."""
        # its stub asks for headers wider than ours; by position, since names cost 0.2 of 1.0 µs a record
        produce: Callable[..., None] = self._producer.produce
        done = 0
        while done < len(records):
            try:
                for topic, key, value, headers, timestamp in records[done:] if done else records:
                    produce(topic, value, key, -1, None, None, timestamp, headers)
                    done += 1
            except BufferError:
                self._make_room()
            except KafkaException as exception:
                raise self._refused(exception.args[0], records[done].topic) from exception
        with self._errors("produce"):
            self._producer.poll(0)

    def flush(self) -> None:
        """Wait until every record is delivered or has failed; raise when one failed. Reads all reports."""
        with self._errors("write"):
            unacknowledged = self._producer.flush(self._seconds)
        if unacknowledged:
            raise UnansweredError(f"{len(self._producer)} records were not acknowledged within {self._seconds:g} s")
        self._raise_failed()
        # of records that could not even be sent none is reported as failed
        if self._id is not None and (failure := self._failure("write")):
            raise failure

    def send_offsets(
        self,
        next_offsets: Mapping[Partition, int],
        group: bytes,
        metadata: Mapping[Partition, str] | None = None,
    ) -> None:
        """Make the input's offsets part of the transaction, on behalf of the member that `group` names.

        Kafka keeps the text in `metadata` with a partition's offset.
        """
        texts = metadata or {}
        offsets = [
            TopicPartition(*partition, offset, texts.get(partition, "")) for partition, offset in next_offsets.items()
        ]
        with self._transaction_errors("send offsets to the transaction"):
            self._producer.send_offsets_to_transaction(offsets, group, self._seconds)

    def commit(self) -> None:
        """Send what is still queued, then commit: all of it becomes visible, offsets included, or none."""
        with self._transaction_errors("commit the transaction"):
            self._producer.commit_transaction(self._seconds)

    def abort(self) -> None:
        """Abort the transaction: no record of it becomes visible."""
        with self._errors("abort the transaction"):
            self._producer.abort_transaction(self._seconds)
        # its reports, lest the next transaction takes them for its own
        with self._errors("abort the transaction"):
            self._producer.flush(self._seconds)

    def serve(self) -> None:
        """Poll an idle producer, so that the client reports errors, and renews a token before that expires."""
        with contextlib.suppress(DeliveryError), kafka_errors("serve the producer"):
            self._producer.poll(0)  # a fatal error comes out of the next call

    def drop(self) -> None:
        """Drop the producer and what it has not sent; it must not be used after."""
        # Not before all in flight is answered: an answer that finds the producer going, and says that it is fenced, has
        # librdkafka 2.16 free the text of that error twice. `purge` does not wait for it, since the client (2.16.1)
        # takes its argument `blocking` the wrong way round.
        deadline = self._clock() + _DROP_SECONDS
        with contextlib.suppress(DeliveryError), kafka_errors("drop what is not sent"):
            self._producer.purge()
        while len(self._producer) and self._clock() < deadline:
            with contextlib.suppress(DeliveryError), kafka_errors("drop what is not sent"):
                self._producer.poll(0.01)  # a fatal error comes out of the next call
        del self._producer

    @contextmanager
    def _errors(self, operation: str) -> Iterator[None]:
        """Raise DeliveryError for what the client raises; ask it for a fatal error whose reason it lost."""
        try:
            with kafka_errors(operation):
                yield
        except LostReasonError as error:
            raise self._failure(operation) or error from error

    @contextmanager
    def _transaction_errors(self, operation: str) -> Iterator[None]:
        """Do the same, but raise what the transaction failed on first, or a record's failed report."""
        try:
            with self._errors(operation):
                yield
        except (MustAbortError, RefusedError) as error:
            raise self._reason(error, operation) from error
        self._raise_failed()

    def _refused(self, error: KafkaError, topic: str) -> DeliveryError:
        operation = f"produce to {topic}"
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return RecordsRefusedError(explain(error, operation), [RejectedRecord(topic, Rejection.SIZE)])
        failure = classify(error, operation)
        return self._reason(failure, operation) if error.code() in _FOLLOW_UPS else failure

    def _reason(self, error: DeliveryError, operation: str) -> DeliveryError:
        """Return what the transaction failed on first, which may be `error` itself.

        Raises the record's report if one failed, since that names the topic.
        """
        failure = self._failure(operation)
        if isinstance(failure, FatalError):
            return failure
        self._await_reports()
        self._raise_failed()
        return failure or error

    def _failure(self, operation: str) -> DeliveryError | None:
        """Return why the open transaction cannot be committed; None while it can.

        The client keeps the first error of a transaction, and refuses to begin another one with it.
        """
        try:
            self._producer.begin_transaction()
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.code() in _REJECTIONS:  # only the record's report names the topic: not final
                return MustAbortError(explain(error, operation))
            return classify(error, operation) if error.txn_requires_abort() or error.fatal() else None
        return None

    def _await_reports(self) -> None:
        """Wait until a record is reported as failed, or none is in flight any more."""
        deadline = self._clock() + _REPORT_SECONDS
        while len(self._producer) and not self._failed and self._clock() < deadline:
            with self._errors("read delivery reports"):
                self._producer.poll(0.01)

    def _make_room(self) -> None:
        """Wait until some of a full queue is delivered."""
        queued = len(self._producer)
        deadline = self._clock() + self._seconds
        while len(self._producer) >= queued:
            if self._clock() > deadline:
                raise MustAbortError(f"the queue is full, and nothing was acknowledged within {self._seconds:g} s")
            with self._errors("produce"):
                self._producer.poll(0.01)

    def _raise_failed(self) -> None:
        if not self._failed:
            return
        failures = [classify(error, f"write to {topic}") for error, topic in self._failed]
        refused = [failure for failure in failures if isinstance(failure, RefusedError)]
        for (error, _), failure in zip(self._failed, failures, strict=True):
            if isinstance(failure, RefusedError | ExpiredError) and error.code() not in _REJECTIONS:
                raise failure
        if refused:
            raise RecordsRefusedError(str(refused[0]), list(self._rejected))
        raise MustAbortError(str(failures[0]))

    def _on_report(self, error: KafkaError | None, message: Message) -> None:
        # a callback: must not raise
        if error is None or error.code() in _PURGED:
            return
        code, topic = error.code(), message.topic() or ""
        if code in _REJECTIONS:
            self._rejected.add(RejectedRecord(topic, _rejection(code, message)))
        # of a batch that is refused for some records the others fail, too: they must not push those out
        if len(self._failed) < _REPORTS_KEPT or (code in _REJECTIONS and len(self._failed) < 2 * _REPORTS_KEPT):
            self._failed.append((error, topic))


def _rejection(code: int, message: Message) -> Rejection:
    """Return why a record was refused: an invalid one without a key most likely for that, by a compacted topic."""
    no_key = code == KafkaError.INVALID_RECORD and message.key() is None
    return Rejection.NO_KEY if no_key else _REJECTIONS[code]
