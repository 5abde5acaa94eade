"""A batch that is on the broker and cannot be read: the same error at the same offset, however often it is tried."""

import time
from dataclasses import dataclass
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.errors import RetriableError, UnansweredError, WorkerError
from consumer.kafka.asking import answer
from consumer.kafka.client import Complaints, open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import classify, explain

REASONS: Final = {
    KafkaError._BAD_MSG: "its checksum is wrong",
    KafkaError._BAD_COMPRESSION: "it cannot be decompressed, or is larger than the Kafka client will decompress",
}


def unreadable(error: KafkaError) -> bool:
    """Whether no repetition will ever read what is there."""
    return error.code() in REASONS


def remedy(message: Message, group_id: str) -> str:
    """One line: where it stands, why, and the command that goes past it."""
    partition, offset, error = message.partition(), message.offset(), message.error()
    why = f"{REASONS[error.code()]} ({error.name()})" if error is not None else ""
    return (
        f"{message.topic()}, partition {partition}, offset {offset}: the batch there cannot be read: {why}; stop all "
        f"workers of group {group_id}, then, with the settings of this run: "
        f"session-scorer dead-letters skip --partition {partition} --offset {offset}"
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at an offset or is the first after it. `why` says why it cannot be read, None when it can; the
    offset of what cannot be read is that of its batch, which may begin before."""

    offset: int
    why: str | None = None


class Probe:
    """Looks at single places of one partition, as no member of its group. Raises WorkerError, in one line."""

    def __init__(
        self, connection: Connection, group_id: str, topic: str, partition: int, *, seconds: float = 30.0
    ) -> None:
        self._place = TopicPartition(topic, partition)
        self._group_id = group_id
        self._seconds = seconds
        # "error": after a wrong checksum librdkafka 2.16 goes on at an offset that never was, and would start anew
        self._config = {**connection.reader(group_id), "auto.offset.reset": "error", "error_cb": Complaints()}
        self._consumer = open_client(Consumer, self._config)

    def position(self) -> int:
        """Where the group goes on reading."""
        doing = f"read the committed offset of group {self._group_id}"
        (found,) = answer(doing, lambda: self._consumer.committed([self._place], self._seconds), self._seconds)
        if found.error is not None:
            raise WorkerError(explain(found.error, doing))
        return found.offset if found.offset >= 0 else self.span()[0]

    def span(self) -> tuple[int, int]:
        """The oldest offset, and the end."""
        return answer(
            "ask for the end", lambda: self._consumer.get_watermark_offsets(self._place, self._seconds), self._seconds
        )

    def at(self, offset: int) -> Found:
        """What a reader meets first from there on."""
        reader = open_client(Consumer, self._config)  # a new one each time: no remains of what it met before
        try:
            reader.assign([TopicPartition(self._place.topic, self._place.partition, offset)])
            return self._first(reader)
        finally:
            reader.close()

    def _first(self, reader: Consumer) -> Found:
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            for message in reader.consume(1, 0.5):
                there, error = cast("int", message.offset()), message.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:
                    return Found(there)
                if unreadable(error):
                    return Found(there, f"{REASONS[error.code()]} ({error.name()})")
                where = f"read {self._place.topic}, partition {self._place.partition}, offset {there}"
                if not isinstance(classify(error, where), RetriableError | UnansweredError):
                    raise WorkerError(explain(error, where))
        raise WorkerError(f"nothing came of partition {self._place.partition} within {self._seconds:g} s")

    def group(self) -> bytes:
        """On whose behalf the offset is committed."""
        return cast("bytes", self._consumer.consumer_group_metadata())

    def close(self) -> None:
        """Ends the conversation."""
        self._consumer.close()
