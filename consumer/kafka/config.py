"""Which Kafka settings a client runs with: our defaults, then the user's own, then the few the guarantee rests on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.errors import WorkerError

Properties = dict[str, str | int | bool]

_COMMON: Properties = {
    "client.id": "session-scorer",
    "log_level": 2,  # what matters comes as an error too, and is logged by us; -X debug=all still shows everything
    # default rebootstrap: once all brokers were away a producer forgets its coordinator's address, and send_offsets
    # hangs for good (librdkafka 2.16: 3 of 3 restarts stalled, one by a stack dump; with none 5 of 5 went on)
    "metadata.recovery.strategy": "none",
    "reconnect.backoff.max.ms": 1000,  # default 10 s: how long a broker may be back before it is noticed
}

CONSUMER: Properties = _COMMON | {
    "session.timeout.ms": 10_000,  # default 45 s: how long a killed worker's partitions lie idle
    "heartbeat.interval.ms": 500,  # default 3 s: how long they lie idle that go from one worker to another
    "partition.assignment.strategy": "cooperative-sticky",
    "max.poll.interval.ms": 300_000,
    "fetch.queue.backoff.ms": 5,  # default 1 s: a pause whenever the local queue was full
    "queued.max.messages.kbytes": 16 * 1024,  # default 64 MiB
    "fetch.max.bytes": 16 * 1024 * 1024,  # default 50 MiB: one answer may add this to the queue
}

PRODUCER: Properties = _COMMON | {
    "partitioner": "murmur2_random",  # Java's: keys meet those of topics that JVM producers write
    "linger.ms": 0,  # the commit waits for the last record, and a batch comes all at once
    "compression.type": "lz4",  # default none: a fifth of the bytes to send and to keep, half a µs off Python's lock
    "queue.buffering.max.kbytes": 64 * 1024,  # default 1 GiB
    "message.max.bytes": 1_048_588,  # the brokers' own default; librdkafka's is 48 KB less
}

_BATCH_SIZE = 1_000_000  # librdkafka's default

# A worker killed in mid-transaction holds back read-committed readers for this long (default 60 s; Kafka Streams 10).
TRANSACTION_TIMEOUT_MS = 10_000

_COMMITTED_WITH_RESULTS = "offsets are committed with the results that belong to them"
_EVERY_WRITE = "a result counts only when every replica in sync has it, once"
_CALLBACK = "it takes code, not text"

# Setting any of these would break what the worker promises; each says why, or which option to use.
RESERVED: Mapping[str, str] = {
    "bootstrap.servers": "use --bootstrap-servers",
    "metadata.broker.list": "use --bootstrap-servers",
    "group.id": "use --group-id",
    "transactional.id": "it is made of group, host and --slot",
    "enable.auto.commit": _COMMITTED_WITH_RESULTS,
    "auto.commit.enable": _COMMITTED_WITH_RESULTS,
    "enable.auto.offset.store": _COMMITTED_WITH_RESULTS,
    "auto.offset.reset": "a new group starts at the earliest event; for gaps use --on-gap",
    "isolation.level": "events of an aborted transaction are never scored",
    "enable.partition.eof": "the worker does not use it",
    "check.crcs": "a damaged batch must not be scored",
    "enable.idempotence": _EVERY_WRITE,
    "acks": _EVERY_WRITE,
    "request.required.acks": _EVERY_WRITE,
    "delivery.report.only.error": "the worker reads the reports",
    "statistics.interval.ms": "/readyz goes by it",
    "default.topic.config": _CALLBACK,
    "on_delivery": _CALLBACK,
    "on_commit": _CALLBACK,
    "logger": _CALLBACK,
}


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the brokers are, and the user's own Kafka settings (`-X`), which may hold passwords: never shown.

    Raises WorkerError for a setting that would break the guarantee.
    """

    bootstrap_servers: str
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name in self.properties:
            why = RESERVED.get(name, _CALLBACK if name.endswith("_cb") else None)
            if why is not None:
                raise WorkerError(f"Kafka setting {name} cannot be changed: {why}")
        poll, transaction = self._milliseconds("max.poll.interval.ms"), self._milliseconds("transaction.timeout.ms")
        if transaction >= poll:
            raise WorkerError(
                f"Kafka setting transaction.timeout.ms ({transaction}) must be less than max.poll.interval.ms ({poll})"
            )

    def _milliseconds(self, name: str) -> int:
        given = self.properties.get(name, (CONSUMER | {"transaction.timeout.ms": TRANSACTION_TIMEOUT_MS})[name])
        try:
            return int(given)
        except ValueError:
            raise WorkerError(f"Kafka setting {name} must be a whole number of milliseconds") from None

    @property
    def transaction_seconds(self) -> float:
        """How long the broker leaves a transaction open."""
        return self._milliseconds("transaction.timeout.ms") / 1000

    def admin(self) -> Properties:
        """For asking about topics and making them."""
        return {**_COMMON, **self.properties, "bootstrap.servers": self.bootstrap_servers}

    def consumer(self, group_id: str) -> Properties:
        """For reading the input. Offsets stay where they are until the worker itself commits them."""
        defaults = dict(CONSUMER)
        if self.properties.get("group.protocol", "").lower() == "consumer":
            # the broker's business in that protocol; librdkafka refuses a client that sets them
            for name in ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"):
                del defaults[name]
        return {
            **defaults,
            **self.properties,
            "bootstrap.servers": self.bootstrap_servers,
            "group.id": group_id,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",  # nothing is reset in silence: where to start is said at assignment
            "check.crcs": True,
            "statistics.interval.ms": 2000,
        }

    def reader(self, group_id: str) -> Properties:
        """For reading a topic from one offset to its end, as no member of any group."""
        return {
            **self.consumer(group_id),
            "auto.offset.reset": "earliest",  # what retention takes meanwhile is passed over
            "enable.partition.eof": True,
            "statistics.interval.ms": 0,
        }

    def producer(self, transactional_id: str | None = None, batch_bytes: int | None = None) -> Properties:
        """For writing what became of the input; with an id, in transactions.

        `batch_bytes` bounds a batch of several records; a larger record travels alone.
        """
        chosen: Properties = {
            **PRODUCER,
            **({"transaction.timeout.ms": TRANSACTION_TIMEOUT_MS} if transactional_id else {}),
            **self.properties,
            "bootstrap.servers": self.bootstrap_servers,
            "enable.idempotence": True,
            "acks": "all",
            "delivery.report.only.error": True,  # a success is silent, so every report that comes is a failure
        }
        if batch_bytes is not None:
            chosen["batch.size"] = min(self._whole_number("batch.size", _BATCH_SIZE), batch_bytes)
        return chosen if transactional_id is None else {**chosen, "transactional.id": transactional_id}

    @property
    def most_record_bytes(self) -> int:
        """The largest record that the client sends."""
        return self._whole_number("message.max.bytes", int(PRODUCER["message.max.bytes"]))

    def _whole_number(self, name: str, otherwise: int) -> int:
        """Return a setting; one that is no number is left to librdkafka to refuse."""
        text = self.properties.get(name, "")
        return int(text) if text.isdecimal() else otherwise

    @property
    def cooperative(self) -> bool:
        """Whether a rebalance moves single partitions, or first takes all of them away (the older way)."""
        strategy = self.properties.get("partition.assignment.strategy", "cooperative-sticky")
        return strategy == "cooperative-sticky" or self.properties.get("group.protocol", "").lower() == "consumer"
