"""Open and close librdkafka clients, send requests with retries, and log what the clients report."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, libversion
from confluent_kafka.admin import AdminClient

from consumer.errors import DeliveryError, WorkerError, error_location
from consumer.kafka.errors import kafka_errors
from consumer.kafka.properties import hidden_texts
from consumer.runtime import SYSTEM, Clock, Retry, Runtime

Client = TypeVar("Client")
T = TypeVar("T")

_log = logging.getLogger("consumer.kafka.client")

CLOSE_SECONDS = 10.0  # to leave the group and end the connections; what takes longer does not end
_QUIET_SECONDS = 30.0  # a client whose brokers are away reports errors several times a second
_MOCK_SECONDS = 10.0

_HINTS = {
    "no certificate assigned": "give the certificate of that key as well: -X ssl.certificate.location",
    "ssl.key.location failed": "is it a key in PEM, and is its password (KAFKA_SSL_KEY_PASSWORD_FILE) right?",
    "OAuth token not set": "the token has expired, and --login got no other: the log has the reason",
    ".location failed": "can that file be read, and is it in PEM?",
}


@dataclass(frozen=True, slots=True)
class Clients:
    """The constructors of the Kafka clients, which take a configuration and a `logger`."""

    consumer: Callable[..., Consumer] = Consumer
    producer: Callable[..., Producer] = Producer
    admin: Callable[..., AdminClient] = AdminClient


def open_client(make: Callable[..., Client], config: dict[str, Any]) -> Client:
    """Return a client that logs to our logger. Raises WorkerError for settings that it refuses."""
    try:
        return make(config, logger=ClientLog(config))
    except KafkaException as exception:
        message = exception.args[0].str()
        hint = next((hint for part, hint in _HINTS.items() if part in message), "see -X and KAFKA_*")
        raise WorkerError(f"Kafka settings: {message}; {hint}") from exception
    except (TypeError, ValueError) as exception:
        raise WorkerError(f"Kafka settings: {exception}; see -X and KAFKA_*") from exception


def close(consumer: Consumer, seconds: float = CLOSE_SECONDS, runtime: Runtime = SYSTEM) -> None:
    """Close a consumer, waiting at most `seconds`; after that it closes alone, on a thread that no exit waits for.

    librdkafka 2.16 blocks forever when the broker answers "offset out of range" while the client ends: one close in
    250 behind a batch whose checksum is wrong. `rd_kafka_offset_reset` can no longer queue its operation and destroys
    it, and the callback of that locks the partition a second time.
    """
    runtime.start_thread(consumer.close, "close").join(seconds)


class ClientLog:
    """A logger for a client, without the client's secrets, which `debug=all` would log."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._hidden = hidden_texts(config)

    def log(self, level: int, message: str, *arguments: object) -> None:
        """Log one line, its secrets replaced by stars."""
        if not _log.isEnabledFor(level):
            return
        line = message % arguments
        for text in self._hidden:
            line = line.replace(text, "***")
        _log.log(level, "%s", line)


def guarded(callback: Callable[..., None], message: str, note: Callable[[WorkerError], None]) -> Callable[..., None]:
    """Return `callback` with its exceptions passed to `note`, as a WorkerError that begins with `message`.

    Raised, one would cost the records being read, and the client could not be closed any more (confluent-kafka 2.16).
    """

    def call(*arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception as error:  # noqa: BLE001 - passed on
            note(WorkerError(f"{message} ({error_location(error)}); please report it"))

    return call


def librdkafka() -> str:
    """Return the version of librdkafka."""
    return libversion()[0]


class ErrorLog:
    """An `error_cb` that logs a client's errors, those of one kind at most every half minute. Never raises."""

    def __init__(self, clock: Clock = SYSTEM.clock) -> None:
        self._clock = clock
        self._last: dict[int, float] = {}

    def __call__(self, error: KafkaError) -> None:
        now = self._clock()
        if now - self._last.get(error.code(), -math.inf) >= _QUIET_SECONDS:
            self._last[error.code()] = now
            _log.warning("the Kafka client reports an error", extra={"error": error.str(), "code": error.name()})


def request(operation: str, call: Callable[[], T], seconds: float, runtime: Runtime = SYSTEM) -> T:
    """Return what `call` returns, retried for `seconds` or a little more. Raises WorkerError, in one line."""

    def attempt() -> T:
        with kafka_errors(operation):
            return call()

    try:
        return Retry(seconds, runtime=runtime).call(attempt)
    except DeliveryError as error:
        raise WorkerError(str(error)) from error


class EmbeddedBroker:
    """librdkafka's mock cluster, from `__enter__` to `__exit__`; it creates `topics`, of four partitions."""

    def __init__(self, topics: Sequence[str] = (), brokers: int = 1) -> None:
        self._topics = topics
        self._brokers = brokers
        self._cluster: Producer | None = None
        self.bootstrap_servers = ""

    def __enter__(self) -> Self:
        # the client that asks for a mock cluster owns it: the cluster lives as long as this producer
        cluster = open_client(Producer, {"test.mock.num.brokers": self._brokers})
        for topic in self._topics:
            cluster.list_topics(topic, timeout=_MOCK_SECONDS)  # which creates it
        addresses = cluster.list_topics(timeout=_MOCK_SECONDS).brokers.values()
        self.bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in addresses)
        self._cluster = cluster
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster = None
