"""What scenarios are made of. What they observe is plain data: texts, numbers, lists."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from tests.simulation.scenarios.backend import Backend, Client, Properties

SECONDS: Final = 20.0  # for what must happen
QUICK: Final = {"session.timeout.ms": "1500", "heartbeat.interval.ms": "200"}
PROTOCOLS: Final[dict[str, dict[str, str]]] = {
    "cooperative": QUICK,
    "range": {**QUICK, "partition.assignment.strategy": "range"},
    "consumer": {"group.protocol": "consumer"},
}


def describe(error: KafkaError) -> str:
    """Name an error and what the client says of it."""
    flags = ("fatal", error.fatal()), ("retriable", error.retriable()), ("abort", error.txn_requires_abort())
    return " ".join([error.name(), *(name for name, is_set in flags if is_set)])


def outcome(call: Callable[..., Any], *args: object, **kwargs: object) -> str:
    """Call a client and return how that went: "ok" or the error."""
    try:
        call(*args, **kwargs)
    except KafkaException as exception:
        return describe(exception.args[0])
    except (RuntimeError, BufferError, ValueError) as error:
        return type(error).__name__
    return "ok"
