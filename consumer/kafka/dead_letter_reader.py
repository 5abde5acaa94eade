"""The dead-letter topic read again, partition by partition, and how far earlier redrives have come in it."""

import time
from collections.abc import Iterator
from typing import cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.dead_letters.offset_ranges import Progress, decode
from consumer.dead_letters.record import Letter
from consumer.errors import RetriableError, UnansweredError, WorkerError
from consumer.kafka.asking import answer
from consumer.kafka.client import Complaints, close, open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import classify, explain
from consumer.kafka.messages import LeftOut, headers_of, milliseconds

_AT_ONCE = 100  # messages taken from the client's queue, which the settings bound in bytes


class Letterbox:
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

    def letters(self) -> Iterator[Letter]:
        """All records of the topic, from the oldest up to the end that each partition has now: what comes meanwhile is
        left for the next time."""
        for partition, (start, end) in [(each, self._span(each)) for each in self._partitions()]:
            yield from self._letters_of(partition, start, end)

    def progress(self) -> dict[int, Progress]:
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

    def _letters_of(self, partition: int, start: int, end: int) -> Iterator[Letter]:
        if start >= end:
            return
        self._consumer.assign([TopicPartition(self._topic, partition, start)])
        heard = time.monotonic()
        while True:
            messages = self._consumer.consume(_AT_ONCE, 0.2)
            records = [message for message in messages if message.error() is None]
            for message, headers in zip(records, headers_of(records, self._left_out), strict=True):
                offset = cast("int", message.offset())
                if offset >= end:
                    return
                yield Letter(partition, offset, milliseconds(message), message.key(), message.value(), headers)
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
