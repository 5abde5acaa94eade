"""Where the group stands in the input topic, and the first records that wait: read as no member, nothing committed."""

import time
from collections.abc import Sequence
from typing import cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.errors import RetriableError, UnansweredError, WorkerError
from consumer.kafka.asking import answer
from consumer.kafka.client import close, open_client
from consumer.kafka.config import Connection
from consumer.kafka.descriptions import Position, Waiting
from consumer.kafka.errors import calling, classify, explain
from consumer.kafka.messages import timestamps_of
from consumer.kafka.unreadable import unreadable


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
