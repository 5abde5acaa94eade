"""The Kafka properties of all clients: our defaults, then the user's own, then the few that delivery depends on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from consumer.errors import WorkerError
from consumer.kafka.client import Clients
from consumer.kafka.membership import Subscription
from consumer.kafka.properties import (
    BATCH_SIZE,
    CALLBACK,
    COMMON,
    CONSUMER,
    LOGIN,
    PRODUCER,
    RESERVED,
    TRANSACTION_TIMEOUT_MS,
    Properties,
)

_REFRESH_MS: Final = 30_000  # how often topics that match a pattern are looked for


@dataclass(frozen=True, slots=True)
class Connection:
    """The brokers' addresses and the user's own Kafka properties (`-X`), which may hold passwords: never print them.

    `clients` constructs the clients. `oauth_cb` returns a token to log in with, and when it expires, in seconds since
    the epoch. Raises WorkerError for a property that would break delivery.
    """

    bootstrap_servers: str
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    clients: Clients = field(default_factory=Clients, repr=False)
    oauth_cb: Callable[[str], tuple[str, float]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in self.properties:
            why = RESERVED.get(name, CALLBACK if name.endswith("_cb") else None)
            if why is not None:
                raise WorkerError(f"Kafka setting {name} cannot be changed: {why}")
        poll, transaction = self._milliseconds("max.poll.interval.ms"), self._milliseconds("transaction.timeout.ms")
        if transaction >= poll:
            raise WorkerError(
                f"Kafka setting transaction.timeout.ms ({transaction}) must be less than max.poll.interval.ms ({poll})"
            )

    def _milliseconds(self, name: str) -> int:
        text = self.properties.get(name, (CONSUMER | {"transaction.timeout.ms": TRANSACTION_TIMEOUT_MS})[name])
        try:
            return int(text)
        except ValueError:
            raise WorkerError(f"Kafka setting {name} must be a whole number of milliseconds") from None

    @property
    def _own(self) -> dict[str, Any]:
        """Return what every client has: the user's properties, the addresses and the login."""
        login = {} if self.oauth_cb is None else {**LOGIN, "oauth_cb": self.oauth_cb}
        return {**self.properties, "bootstrap.servers": self.bootstrap_servers, **login}

    @property
    def transaction_seconds(self) -> float:
        """Seconds that the broker leaves a transaction open."""
        return self._milliseconds("transaction.timeout.ms") / 1000

    def admin(self) -> Properties:
        """Return the properties of an admin client."""
        return {**COMMON, **self._own}

    def subscriber(self, subscription: Subscription) -> Properties:
        """Return the properties of a group's member that reads these topics."""
        properties, inputs = self.consumer(subscription.group_id), subscription.inputs
        if not inputs.patterns:
            return properties
        never = [*filter(None, [self.properties.get("topic.blacklist")]), *inputs.never]
        return {"topic.metadata.refresh.interval.ms": _REFRESH_MS, **properties, "topic.blacklist": ",".join(never)}

    def consumer(self, group_id: str) -> Properties:
        """Return the properties of a group's member. It commits no offset by itself."""
        defaults = dict(CONSUMER)
        if self.properties.get("group.protocol", "").lower() == "consumer":
            # brokers decide on these in that protocol; librdkafka refuses a client that sets them
            for name in ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"):
                del defaults[name]
        return {
            **defaults,
            **self._own,
            "group.id": group_id,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",  # no silent reset: assignment says where to start
            "check.crcs": True,
            "statistics.interval.ms": 2000,
        }

    def reader(self, group_id: str) -> Properties:
        """Return the properties of a reader of a topic, from any offset to the end, that joins no group."""
        return {
            **self.consumer(group_id),
            "auto.offset.reset": "earliest",  # what retention deletes by then is passed over
            "enable.partition.eof": True,
            "statistics.interval.ms": 0,
        }

    def producer(self, transactional_id: str | None = None, batch_bytes: int | None = None) -> Properties:
        """Return the properties of a producer; with an id, of a transactional one.

        `batch_bytes` bounds a batch of several records; a larger record is sent alone.
        """
        properties: Properties = {
            **PRODUCER,
            **({"transaction.timeout.ms": TRANSACTION_TIMEOUT_MS} if transactional_id else {}),
            **self._own,
            "enable.idempotence": True,
            "acks": "all",
            "delivery.report.only.error": True,  # a success is silent, so every report that comes is a failure
        }
        if batch_bytes is not None:
            properties["batch.size"] = min(self._integer("batch.size", BATCH_SIZE), batch_bytes)
        return properties if transactional_id is None else {**properties, "transactional.id": transactional_id}

    @property
    def most_record_bytes(self) -> int:
        """The size of the largest record that the client sends."""
        return self._integer("message.max.bytes", int(PRODUCER["message.max.bytes"]))

    def _integer(self, name: str, default: int) -> int:
        """Return a property; one that is no number is left to librdkafka to refuse."""
        text = self.properties.get(name, "")
        return int(text) if text.isdecimal() else default

    @property
    def cooperative(self) -> bool:
        """True when a rebalance revokes single partitions, rather than all of them first (the older way)."""
        strategy = self.properties.get("partition.assignment.strategy", "cooperative-sticky")
        return strategy == "cooperative-sticky" or self.properties.get("group.protocol", "").lower() == "consumer"
