"""Opening a librdkafka client, its refusals turned into one line."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaException

from consumer.errors import WorkerError

Client = TypeVar("Client")

_log = logging.getLogger(__name__)


def open_client(make: Callable[..., Client], config: dict[str, Any]) -> Client:
    """A client of this configuration, its log lines sent to ours. Raises WorkerError for settings it refuses."""
    try:
        return make(config, logger=_log)
    except KafkaException as exception:
        raise WorkerError(f"Kafka settings: {exception.args[0].str()}; see -X and KAFKA_*") from exception
    except (TypeError, ValueError) as exception:
        raise WorkerError(f"Kafka settings: {exception}; see -X and KAFKA_*") from exception
