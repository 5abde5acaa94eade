"""Readers without a group: of the newest records of a topic, of all dead letters, of what a group reads next."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar, cast

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, Message, TopicPartition

from consumer.errors import RetriableError, UnansweredError, WorkerError
from consumer.kafka.client import ErrorLog, close, open_client, request
from consumer.kafka.config import Connection
from consumer.kafka.descriptions import FirstRecord, Position
from consumer.kafka.errors import classify, explain, kafka_errors
from consumer.kafka.fetching import DroppedHeaders, headers_of, timestamp_of
from consumer.kafka.unreadable import unreadable
from consumer.records import Headers

D = TypeVar("D")
P = TypeVar("P")

_MAX_MESSAGES: Final = 500  # of one call
_MAX_NEWEST: Final = 20_000  # returned at a time; a screenful is ten
_FIRST_SECONDS: Final = 3.0
_TAIL_GROUP: Final = "session-scorer-watch"  # the client needs a name; no group of this name is created
_MAX_DEAD_LETTERS = 100  # read from the client's queue at a time, which its properties bound in bytes


class _TopicClient:
    """Answers what readers ask of one topic. `seconds` bounds each wait. Raises WorkerError, in one line."""

    def __init__(
        self, connection: Connection, group_id: str, topic: str, seconds: float, callbacks: Mapping[str, Any]
    ) -> None:
        self.group_id = group_id
        self.topic = topic
        self.seconds = seconds
        self.consumer = open_client(Consumer, {**connection.reader(group_id), **callbacks})

    def close(self) -> None:
        """Close the client."""
        close(self.consumer)

    def partitions(self) -> list[int]:
        list_topics = partial(self.consumer.list_topics, self.topic, self.seconds)
        topics = request(f"ask for the topic {self.topic}", list_topics, self.seconds).topics
        return sorted(topics[self.topic].partitions)

    def span(self, partition: int) -> tuple[int, int]:
        """Return the oldest offset, and the end."""
        ask = partial(self.consumer.get_watermark_offsets, self.at(partition), self.seconds)
        return request(f"ask for the end of {self.topic}", ask, self.seconds)

    def committed(self, partitions: Sequence[int]) -> list[TopicPartition]:
        operation = f"read the committed offsets of group {self.group_id}"
        ask = partial(self.consumer.committed, [self.at(number) for number in partitions], self.seconds)
        answers = request(operation, ask, self.seconds)
        for answer in answers:
            if answer.error is not None:
                raise WorkerError(explain(answer.error, operation))
        return answers

    def at(self, partition: int, offset: int = OFFSET_INVALID) -> TopicPartition:
        return TopicPartition(self.topic, partition, offset)

    def require_passing(self, message: Message, error: KafkaError) -> None:
        """Raise for an error, instead of a record, that does not pass by itself."""
        operation = f"read {self.topic}, partition {message.partition()}"
        if not isinstance(classify(error, operation), RetriableError | UnansweredError):
            raise WorkerError(explain(error, operation))


class TopicTail:
    """Reads what is committed, from the newest `back` offsets of every partition on."""

    def __init__(self, connection: Connection, topic: str, back: int) -> None:
        self._client = _TopicClient(connection, _TAIL_GROUP, topic, 10.0, {"error_cb": ErrorLog()})
        self._behind: set[int] = set()  # partitions whose end has not been reached yet
        try:
            partitions = self._client.partitions()
            self._client.consumer.assign([self._client.at(number, self._start(number, back)) for number in partitions])
            self._behind.update(partitions)
        except WorkerError:
            self.close()
            raise

    def close(self) -> None:
        self._client.close()

    def take(self) -> list[bytes]:
        """Return the values that have come since the last call, the oldest first.

        The first call waits for those that are there already, a few seconds at most.
        """
        deadline = time.monotonic() + _FIRST_SECONDS
        messages: list[Message] = []
        while time.monotonic() < deadline and len(messages) < _MAX_NEWEST:
            more = self._records(0.05 if self._behind else 0.0)
            messages += more
            if not more and not self._behind:
                break
        self._behind.clear()
        messages.sort(key=timestamp_of)  # of several partitions; within one it keeps the order where times are alike
        return [value for value in map(Message.value, messages) if value is not None]

    def _start(self, partition: int, back: int) -> int:
        low, high = self._client.span(partition)
        return max(low, high - back)

    def _records(self, seconds: float) -> list[Message]:
        return [
            message for message in self._client.consumer.consume(_MAX_MESSAGES, seconds) if self._is_record(message)
        ]

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            self._behind.discard(message.partition() or 0)
        else:
            self._client.require_passing(message, error)
        return False


class KafkaDeadLetterReader(Generic[D, P]):
    """Reads a topic of dead letters; `group_id` is the group that keeps the progress of redrives.

    `make_dead_letter` takes partition, offset, timestamp (ms), key, value and headers, `decode_progress` a committed
    offset and its metadata.
    """

    complete: Final = True
    """`dead_letters` yields every record of the topic."""

    def __init__(
        self,
        connection: Connection,
        group_id: str,
        topic: str,
        make_dead_letter: Callable[[int, int, int, bytes | None, bytes | None, Headers], D],
        decode_progress: Callable[[int, str], P],
    ) -> None:
        self._client = _TopicClient(connection, group_id, topic, 30.0, {"error_cb": ErrorLog()})
        self._servers = connection.bootstrap_servers
        self._make_dead_letter = make_dead_letter
        self._decode_progress = decode_progress
        self._dropped_headers = DroppedHeaders()

    def close(self) -> None:
        self._client.close()

    def dead_letters(self) -> Iterator[D]:
        """Yield all records, from the oldest up to the present end of every partition."""
        for partition, (start, end) in [(number, self._client.span(number)) for number in self._client.partitions()]:
            yield from self._read(partition, start, end)

    def ends(self) -> dict[int, int]:
        """Return the present end of each partition."""
        return {number: self._client.span(number)[1] for number in self._client.partitions()}

    def progress(self) -> dict[int, P]:
        """Return what earlier redrives have done, by partition."""
        answers = self._client.committed(self._client.partitions())
        for answer in answers:
            self._require_same_topic(answer)
        return {
            answer.partition: self._decode_progress(max(0, answer.offset), answer.metadata or "") for answer in answers
        }

    def _require_same_topic(self, committed: TopicPartition) -> None:
        _, end = self._client.span(committed.partition)
        if committed.offset > end:
            raise WorkerError(
                f"{self._client.topic}, partition {committed.partition}: the last redrive reached offset "
                f"{committed.offset}, but the end is {end}: the topic was recreated; delete the consumer group "
                f"{self._client.group_id}"
            )

    def group(self) -> bytes:
        """Return the group metadata to commit progress with."""
        return cast("bytes", self._client.consumer.consumer_group_metadata())

    def _read(self, partition: int, start: int, end: int) -> Iterator[D]:
        if start >= end:
            return
        self._client.consumer.assign([self._client.at(partition, start)])
        last_record = time.monotonic()
        while True:
            messages = self._client.consumer.consume(_MAX_DEAD_LETTERS, 0.2)
            records = [message for message in messages if message.error() is None]
            for message, headers in zip(records, headers_of(records, self._dropped_headers), strict=True):
                offset = cast("int", message.offset())
                if offset >= end:
                    return
                yield self._make_dead_letter(
                    partition, offset, timestamp_of(message), message.key(), message.value(), headers
                )
            if any(self._at_end(message) for message in messages):
                return
            last_record = time.monotonic() if records else last_record
            if time.monotonic() - last_record > self._client.seconds:
                raise WorkerError(
                    f"{self._servers}: nothing of {self._client.topic} came within {self._client.seconds:g} s"
                )

    def _at_end(self, message: Message) -> bool:
        error = message.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            return error is not None
        self._client.require_passing(message, error)
        return False


class GroupReader:
    """Reads what a group reads next, without joining it. Raises WorkerError or DeliveryError, in one line."""

    def __init__(self, connection: Connection, group_id: str, topic: str) -> None:
        self._client = _TopicClient(connection, group_id, topic, 10.0, {})
        self.unreadable: dict[int, Message] = {}
        """Partition -> the error message, where the next batch cannot be read; set by `first_records`."""

    def close(self) -> None:
        self._client.close()

    def positions(self, partitions: int) -> list[Position]:
        """Return the positions of the group in so many partitions."""
        return [self._position(answer) for answer in self._client.committed(range(partitions))]

    def _position(self, committed: TopicPartition) -> Position:
        offset = committed.offset if committed.offset >= 0 else None
        return Position(committed.partition, offset, *self._client.span(committed.partition))

    def first_records(self, positions: Sequence[Position]) -> list[FirstRecord]:
        """Return the first records by partition, from these positions on.

        None of a partition that is read to its end, or of one whose next batch cannot be read.
        """
        self._client.consumer.assign([self._client.at(position.partition, position.start) for position in positions])
        left = {position.partition for position in positions}
        first: dict[int, Message] = {}
        deadline = time.monotonic() + self._client.seconds
        while left:
            if time.monotonic() > deadline:
                raise WorkerError(
                    f"nothing came of {self._client.topic} within {self._client.seconds:g} s; look at its brokers"
                )
            with kafka_errors(f"read {self._client.topic}"):
                messages = self._client.consumer.consume(100, 0.1)
            for message in messages:
                if self._passes(message):
                    continue
                left.discard(cast("int", message.partition()))
                if message.error() is None:
                    first.setdefault(cast("int", message.partition()), message)
        return [_first_record(first[number]) for number in sorted(first)]

    def _passes(self, message: Message) -> bool:
        """Return whether this is an error that may pass; raise for one that does not."""
        error = message.error()
        if message.partition() in self.unreadable:
            return True  # behind a wrong checksum librdkafka 2.16 loses its position: errors at offsets that never were
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            return False
        if unreadable(error):
            self.unreadable.setdefault(cast("int", message.partition()), message)
            return False
        self._client.require_passing(message, error)
        return True


def _ignore(_: Message) -> None:
    """Do nothing."""


def _first_record(message: Message) -> FirstRecord:
    partition, offset = cast("int", message.partition()), cast("int", message.offset())
    (headers,) = headers_of([message], _ignore)
    return FirstRecord(partition, offset, timestamp_of(message), message.value(), headers)
