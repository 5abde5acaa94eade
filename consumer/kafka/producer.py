"""The output: records produced, with or without a transaction around them. One librdkafka producer, and no policy:
what to do about each kind of error is delivery's business."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

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
from consumer.kafka.client import Complaints, open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import calling, classify, explain
from consumer.records import OutRecord
from consumer.runtime import SYSTEM, Runtime

T = TypeVar("T")

_REPORTS_KEPT = 100  # failed delivery reports that are remembered; one is enough to abort, the rest help to say why

_DROP_SECONDS = 1.0  # for the client's threads to let go of what is in flight; milliseconds, unless one is stuck

_OUR_DOING = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # what an abort or a drop leaves unsent

# The client fails a transaction before it reports the record that failed it; milliseconds, longer on a busy host.
_REPORT_SECONDS = 3.0

_FOLLOW_UPS = {KafkaError._STATE, KafkaError._FATAL}  # "a call before this one has failed", and no word on why


_REJECTIONS = {  # of single records
    KafkaError.MSG_SIZE_TOO_LARGE: Rejection.SIZE,
    KafkaError.RECORD_LIST_TOO_LARGE: Rejection.SIZE,
    KafkaError.INVALID_TIMESTAMP: Rejection.DATE,
    # also of a date, where a batch has several such records: librdkafka 2.16 gives them all this code
    KafkaError.INVALID_RECORD: Rejection.DATE,
}


class KafkaProducer:
    """Writes the output topics. Every method raises DeliveryError of the kind that says what must follow.

    `seconds` bounds each call to the broker; a call that outlasts it raises UnansweredError. Of the calls that make a
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
        callbacks = {"error_cb": Complaints(self._clock), "on_delivery": self._on_report}
        config = {**connection.producer(transactional_id, batch_bytes), **callbacks}
        self._producer = open_client(connection.clients.producer, config)

    def init(self) -> None:
        """Takes the transactional id: ends what an earlier producer of that id left open, and fences that producer."""
        calling(f"initialise transactions as {self._id}", lambda: self._producer.init_transactions(self._seconds))

    def begin(self) -> None:
        """Opens a transaction. Nothing is sent yet."""
        self._failed.clear()
        self._rejected.clear()
        calling("begin a transaction", self._producer.begin_transaction)

    def produce(self, records: Sequence[OutRecord]) -> None:
        """Queues all records for sending; waits while the queue is full."""
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
                raise self._not_taken(exception.args[0], records[done].topic) from exception
        self._call("produce", lambda: self._producer.poll(0))

    def flush(self) -> None:
        """Waits until every record is delivered or has failed; raises when one failed. All reports are read then."""
        if self._call("write", lambda: self._producer.flush(self._seconds)):
            raise UnansweredError(f"{len(self._producer)} records were not acknowledged within {self._seconds:g} s")
        self._raise_failed()
        # of records that could not even be sent none is reported as failed
        if self._id is not None and (failure := self._failure("write")):
            raise failure

    def send_offsets(
        self, topic: str, next_offsets: dict[int, int], group: bytes, notes: Mapping[int, str] | None = None
    ) -> None:
        """Makes the input's offsets part of the transaction, on behalf of the member `group`; `notes` are texts for
        Kafka to keep beside them, by partition."""
        notes = notes or {}
        offsets = [
            TopicPartition(topic, number, offset, notes.get(number, "")) for number, offset in next_offsets.items()
        ]
        self._transacting(
            "send offsets to the transaction",
            lambda: self._producer.send_offsets_to_transaction(offsets, group, self._seconds),
        )

    def commit(self) -> None:
        """Sends what is still queued, then commits: all of it is visible, offsets included, or none is."""
        self._transacting("commit the transaction", lambda: self._producer.commit_transaction(self._seconds))

    def abort(self) -> None:
        """Gives the transaction up: nothing of it will be seen."""
        self._call("abort the transaction", lambda: self._producer.abort_transaction(self._seconds))
        # its reports, lest the next transaction takes them for its own
        self._call("abort the transaction", lambda: self._producer.flush(self._seconds))

    def serve(self) -> None:
        """For a producer that has nothing to do: lets the client do what it does only when it is polled, which is to
        report errors, and to renew a token that it makes itself before that expires."""
        with contextlib.suppress(DeliveryError):  # a fatal error comes out of whatever is called next
            calling("serve the producer", lambda: self._producer.poll(0))

    def drop(self) -> None:
        """Lets go of the producer and of what it has not sent; it must not be used after."""
        # Not before nothing is in flight: an answer that finds the producer going, and says that it is fenced, has
        # librdkafka 2.16 free the text of that error twice. `purge` does not wait for it, since the client (2.16.1)
        # takes its argument `blocking` the wrong way round.
        deadline = self._clock() + _DROP_SECONDS
        with contextlib.suppress(DeliveryError):
            calling("drop what is not sent", self._producer.purge)
        while len(self._producer) and self._clock() < deadline:
            with contextlib.suppress(DeliveryError):  # a fatal error comes out of whatever is called next
                calling("drop what is not sent", lambda: self._producer.poll(0.01))
        del self._producer

    def _call(self, doing: str, call: Callable[[], T]) -> T:
        """Return the answer of `call`; ask the client for a fatal error whose reason it lost."""
        try:
            return calling(doing, call)
        except LostReasonError as error:
            raise self._failure(doing) or error from error

    def _transacting(self, doing: str, call: Callable[[], None]) -> None:
        try:
            self._call(doing, call)
        except (MustAbortError, RefusedError) as error:
            raise self._reason(error, doing) from error
        self._raise_failed()

    def _not_taken(self, error: KafkaError, topic: str) -> DeliveryError:
        doing = f"produce to {topic}"
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return RecordsRefusedError(explain(error, doing), [RejectedRecord(topic, Rejection.SIZE)])
        failure = classify(error, doing)
        return self._reason(failure, doing) if error.code() in _FOLLOW_UPS else failure

    def _reason(self, error: DeliveryError, doing: str) -> DeliveryError:
        """Return what the transaction failed on first, which may be `error` itself; raise the record's report if one
        failed, since that names the topic."""
        failure = self._failure(doing)
        if isinstance(failure, FatalError):
            return failure
        self._await_reports()
        self._raise_failed()
        return failure or error

    def _failure(self, doing: str) -> DeliveryError | None:
        """Return why the open transaction cannot be committed; None while it can.

        The client keeps the first error of a transaction, and refuses to begin another one with it.
        """
        try:
            self._producer.begin_transaction()
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.code() in _REJECTIONS:  # nothing names the topic until the record's report is read: not final
                return MustAbortError(explain(error, doing))
            return classify(error, doing) if error.txn_requires_abort() or error.fatal() else None
        return None

    def _await_reports(self) -> None:
        """Wait until a record is reported as failed, or nothing is in flight any more."""
        deadline = self._clock() + _REPORT_SECONDS
        while len(self._producer) and not self._failed and self._clock() < deadline:
            self._call("read delivery reports", lambda: self._producer.poll(0.01))

    def _make_room(self) -> None:
        """The queue is full: waits until some of it is delivered."""
        queued = len(self._producer)
        deadline = self._clock() + self._seconds
        while len(self._producer) >= queued:
            if self._clock() > deadline:
                raise MustAbortError(f"the queue is full, and nothing was acknowledged within {self._seconds:g} s")
            self._call("produce", lambda: self._producer.poll(0.01))

    def _raise_failed(self) -> None:
        if not self._failed:
            return
        faults = [classify(error, f"write to {topic}") for error, topic in self._failed]
        refused = [fault for fault in faults if isinstance(fault, RefusedError)]
        for (error, _), fault in zip(self._failed, faults, strict=True):
            if isinstance(fault, RefusedError | ExpiredError) and error.code() not in _REJECTIONS:
                raise fault
        raise RecordsRefusedError(str(refused[0]), list(self._rejected)) if refused else MustAbortError(str(faults[0]))

    def _on_report(self, error: KafkaError | None, message: Message) -> None:
        # a callback: must not raise
        if error is None or error.code() in _OUR_DOING:
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
