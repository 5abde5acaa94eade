"""The newest records of a topic, and those that come: for somebody who watches, and is no member of any group."""

import time
from collections.abc import Iterator, Sequence
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.dead_letters.offset_ranges import RedriveProgress, decode
from consumer.dead_letters.record import DeadLetter
from consumer.errors import RetriableError, UnansweredError, WorkerError
from consumer.kafka.client import Complaints, answer, close, open_client
from consumer.kafka.config import Connection
from consumer.kafka.descriptions import Position, Waiting
from consumer.kafka.errors import calling, classify, explain
from consumer.kafka.fetching import LeftOut, headers_of, milliseconds, timestamps_of
from consumer.kafka.unreadable import unreadable

_AT_ONCE: Final = 500
_MOST: Final = 20_000  # taken at a time; a screenful is ten
_SECONDS: Final = 10.0
_FIRST_SECONDS: Final = 3.0
_NOBODY: Final = "session-scorer-watch"  # the client wants a name; no group of this name comes to be


class Tail:
    """Reads what is committed, from the newest `back` offsets of each partition on. Commits nothing.

    Raises WorkerError, in one line, when the topic cannot be read.
    """

    def __init__(self, connection: Connection, topic: str, back: int) -> None:
        self._topic = topic
        self._consumer = open_client(Consumer, {**connection.reader(_NOBODY), "error_cb": Complaints()})
        self._behind: set[int] = set()  # partitions whose end has not been reached yet
        try:
            partitions = self._partitions()
            self._consumer.assign([self._start(partition, back) for partition in partitions])
            self._behind.update(partitions)
        except WorkerError:
            self.close()
            raise

    def take(self) -> list[bytes]:
        """The values that have come since the last time, the oldest first. The first time it waits for those that are
        there already, a few seconds at most."""
        deadline = time.monotonic() + _FIRST_SECONDS
        messages: list[Message] = []
        while time.monotonic() < deadline and len(messages) < _MOST:
            more = self._records(0.05 if self._behind else 0.0)
            messages += more
            if not more and not self._behind:
                break
        self._behind.clear()
        messages.sort(key=milliseconds)  # of several partitions; within one it keeps the order where times are alike
        return [value for value in map(Message.value, messages) if value is not None]

    def close(self) -> None:
        """Ends the conversation."""
        close(self._consumer)

    def _partitions(self) -> list[int]:
        doing = f"ask for the topic {self._topic}"
        found = answer(doing, lambda: self._consumer.list_topics(self._topic, _SECONDS), _SECONDS)
        return sorted(found.topics[self._topic].partitions)

    def _start(self, partition: int, back: int) -> TopicPartition:
        asked = TopicPartition(self._topic, partition)
        doing = f"ask for the end of {self._topic}"
        low, high = answer(doing, lambda: self._consumer.get_watermark_offsets(asked, _SECONDS), _SECONDS)
        return TopicPartition(self._topic, partition, max(low, high - back))

    def _records(self, seconds: float) -> list[Message]:
        return [each for each in self._consumer.consume(_AT_ONCE, seconds) if self._is_record(each)]

    def _is_record(self, message: Message) -> bool:
        """Whether this is a record; raises for an error that does not pass."""
        error = message.error()
        if error is None:
            return True
        where = f"read {self._topic}, partition {message.partition()}"
        if error.code() == KafkaError._PARTITION_EOF:
            self._behind.discard(message.partition() or 0)
        elif not isinstance(classify(error, where), RetriableError | UnansweredError):
            raise WorkerError(explain(error, where))
        return False


_LETTERS_AT_ONCE = 100  # messages taken from the client's queue, which the settings bound in bytes


class KafkaDeadLetterReader:
    """One reader of the topic, no member of any group; `group_id` is where the progress of redrives is kept.

    `seconds` bounds each wait for the broker. Every method raises WorkerError, in one line.
    """

    def __init__(self, connection: Connection, group_id: str, topic: str, *, seconds: float = 30.0) -> None:
        self._servers = connection.bootstrap_servers
        self._group_id = group_id
        self._topic = topic
        self._seconds = seconds
        self._left_out = LeftOut()
        config = {**connection.reader(group_id), "error_cb": Complaints()}
        self._consumer = open_client(Consumer, config)

    def dead_letters(self) -> Iterator[DeadLetter]:
        """All records of the topic, from the oldest up to the end that each partition has now: what comes meanwhile is
        left for the next time."""
        for partition, (start, end) in [(each, self._span(each)) for each in self._partitions()]:
            yield from self._read(partition, start, end)

    def progress(self) -> dict[int, RedriveProgress]:
        """What earlier redrives have done, by partition."""
        wanted = [TopicPartition(self._topic, partition) for partition in self._partitions()]
        doing = f"read the offsets of group {self._group_id}"
        answers = answer(doing, lambda: self._consumer.committed(wanted, self._seconds), self._seconds)
        for each in answers:
            if each.error is not None:
                raise WorkerError(explain(each.error, doing))
            self._require_same_topic(each)
        return {each.partition: decode(max(0, each.offset), each.metadata or "") for each in answers}

    def _require_same_topic(self, committed: TopicPartition) -> None:
        _, end = self._span(committed.partition)
        if committed.offset > end:
            raise WorkerError(
                f"{self._topic}, partition {committed.partition}: the last redrive came to offset {committed.offset}, "
                f"but the end is {end}: the topic was made anew; delete the consumer group {self._group_id}"
            )

    def group(self) -> bytes:
        """On whose behalf progress is committed."""
        return cast("bytes", self._consumer.consumer_group_metadata())

    def close(self) -> None:
        """Ends the conversation."""
        close(self._consumer)

    def _partitions(self) -> list[int]:
        found = answer(
            "ask for the topic", lambda: self._consumer.list_topics(self._topic, self._seconds), self._seconds
        )
        return sorted(found.topics[self._topic].partitions)

    def _span(self, partition: int) -> tuple[int, int]:
        asked = TopicPartition(self._topic, partition)
        return answer(
            "ask for the end", lambda: self._consumer.get_watermark_offsets(asked, self._seconds), self._seconds
        )

    def _read(self, partition: int, start: int, end: int) -> Iterator[DeadLetter]:
        if start >= end:
            return
        self._consumer.assign([TopicPartition(self._topic, partition, start)])
        heard = time.monotonic()
        while True:
            messages = self._consumer.consume(_LETTERS_AT_ONCE, 0.2)
            records = [message for message in messages if message.error() is None]
            for message, headers in zip(records, headers_of(records, self._left_out), strict=True):
                offset = cast("int", message.offset())
                if offset >= end:
                    return
                yield DeadLetter(partition, offset, milliseconds(message), message.key(), message.value(), headers)
            if any(self._at_end(message) for message in messages):
                return
            heard = time.monotonic() if records else heard
            if time.monotonic() - heard > self._seconds:
                raise WorkerError(f"{self._servers}: nothing of {self._topic} came within {self._seconds:g} s")

    def _at_end(self, message: Message) -> bool:
        """Whether this is the end; raises for an error that does not pass."""
        error = message.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            return error is not None
        where = f"read {self._topic}, partition {message.partition()}, offset {message.offset()}"
        if not isinstance(classify(error, where), RetriableError | UnansweredError):
            raise WorkerError(explain(error, where))
        return False


class Glance:
    """`seconds` bounds each wait for the broker. Every method raises WorkerError or DeliveryError, in one line."""

    def __init__(self, connection: Connection, group_id: str, topic: str, *, seconds: float = 10.0) -> None:
        self._group_id = group_id
        self._topic = topic
        self._seconds = seconds
        self.unreadable: dict[int, Message] = {}
        """The partitions whose next batch cannot be read, with the error in its place; known after `waiting`."""
        self._consumer = open_client(Consumer, connection.reader(group_id))

    def positions(self, partitions: int) -> list[Position]:
        """Of each partition."""
        places = [TopicPartition(self._topic, number) for number in range(partitions)]
        doing = f"read the committed offsets of group {self._group_id}"
        found = answer(doing, lambda: self._consumer.committed(places, self._seconds), self._seconds)
        for each in found:
            if each.error is not None:
                raise WorkerError(explain(each.error, doing))
        return [self._position(each) for each in found]

    def _position(self, committed: TopicPartition) -> Position:
        place = TopicPartition(self._topic, committed.partition)
        doing = f"ask for the end of {self._topic}"
        span = answer(doing, lambda: self._consumer.get_watermark_offsets(place, self._seconds), self._seconds)
        return Position(committed.partition, committed.offset if committed.offset >= 0 else None, *span)

    def waiting(self, positions: Sequence[Position]) -> list[Waiting]:
        """The first record of each partition from there on; nothing of a partition that is read to its end, or of one
        whose next batch cannot be read."""
        self._consumer.assign([TopicPartition(self._topic, each.partition, each.start) for each in positions])
        left = {each.partition for each in positions}
        first: dict[int, Message] = {}
        deadline = time.monotonic() + self._seconds
        while left:
            if time.monotonic() > deadline:
                raise WorkerError(f"nothing came of {self._topic} within {self._seconds:g} s; look at its brokers")
            for message in calling(f"read {self._topic}", lambda: self._consumer.consume(100, 0.1)):
                if self._passes(message):
                    continue
                left.discard(cast("int", message.partition()))
                if message.error() is None:
                    first.setdefault(cast("int", message.partition()), message)
        return [_waiting(first[number]) for number in sorted(first)]

    def _passes(self, message: Message) -> bool:
        """Whether this is an error that may pass; raises for one that does not."""
        error = message.error()
        if message.partition() in self.unreadable:
            return True  # behind a wrong checksum librdkafka 2.16 loses its place: errors at offsets that never were
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            return False
        if unreadable(error):
            self.unreadable.setdefault(cast("int", message.partition()), message)
            return False
        doing = f"read {message.topic() or self._topic}"
        if not isinstance(classify(error, doing), RetriableError | UnansweredError):
            raise WorkerError(explain(error, doing))
        return True

    def close(self) -> None:
        """Ends the conversation."""
        close(self._consumer)


def _waiting(message: Message) -> Waiting:
    (timestamp,) = timestamps_of([message])
    return Waiting(cast("int", message.partition()), cast("int", message.offset()), timestamp, message.value())
