"""The newest records of a topic, and those that come: for somebody who watches, and is no member of any group."""

import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.errors import RetriableError, UnansweredError, WorkerError
from consumer.kafka.asking import answer
from consumer.kafka.client import Complaints, close, open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import classify, explain
from consumer.kafka.messages import milliseconds

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
