"""A batch that is on the broker and cannot be read: the same error at the same offset, however often it is tried."""

from typing import Final

from confluent_kafka import KafkaError, Message

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
