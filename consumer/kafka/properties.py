"""The Kafka settings that a client runs with by default, and those that nobody may change."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Properties = dict[str, str | int | bool]

COMMON: Properties = {
    "client.id": "session-scorer",
    "log_level": 2,  # what matters comes as an error too, and is logged by us; -X debug=all still shows everything
    # default rebootstrap: once all brokers were away a producer forgets its coordinator's address, and send_offsets
    # hangs for good (librdkafka 2.16: 3 of 3 restarts stalled, one by a stack dump; with none 5 of 5 went on)
    "metadata.recovery.strategy": "none",
    "reconnect.backoff.max.ms": 1000,  # default 10 s: how long a broker may be back before it is noticed
}

CONSUMER: Properties = COMMON | {
    "session.timeout.ms": 10_000,  # default 45 s: how long a killed worker's partitions lie idle
    "heartbeat.interval.ms": 500,  # default 3 s: how long they lie idle that go from one worker to another
    "partition.assignment.strategy": "cooperative-sticky",
    "max.poll.interval.ms": 300_000,
    "fetch.queue.backoff.ms": 5,  # default 1 s: a pause whenever the local queue was full
    "queued.max.messages.kbytes": 16 * 1024,  # default 64 MiB
    "fetch.max.bytes": 16 * 1024 * 1024,  # default 50 MiB: one answer may add this to the queue
}

PRODUCER: Properties = COMMON | {
    "partitioner": "murmur2_random",  # Java's: keys meet those of topics that JVM producers write
    "linger.ms": 0,  # the commit waits for the last record, and a batch comes all at once
    "compression.type": "lz4",  # default none: a fifth of the bytes to send and to keep, half a µs off Python's lock
    "queue.buffering.max.kbytes": 64 * 1024,  # default 1 GiB
    "message.max.bytes": 1_048_588,  # the brokers' own default; librdkafka's is 48 KB less
}

BATCH_SIZE = 1_000_000  # librdkafka's default

# A worker killed in mid-transaction holds back read-committed readers for this long (default 60 s; Kafka Streams 10).
TRANSACTION_TIMEOUT_MS = 10_000

_COMMITTED_WITH_RESULTS = "offsets are committed with the results that belong to them"
_EVERY_WRITE = "a result counts only when every replica in sync has it, once"
CALLBACK = "it takes code, not text"

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
    "default.topic.config": CALLBACK,
    "on_delivery": CALLBACK,
    "on_commit": CALLBACK,
    "logger": CALLBACK,
}


_WORDS: Final = (
    *("password", "passphrase", "secret", "pem", "oauthbearer.config", "extensions", "jaas", "token", "key"),
    "kinit.cmd",  # may hold a password, and names the keytab
)
_SHORTEST: Final = 4  # characters; to leave out shorter ones would make lines illegible
_PUBLIC: Final = frozenset({"principal", "principalClaimName", "scope", "scopeClaimName", "lifeSeconds"})


def is_secret(name: str) -> bool:
    """Return whether the value of the property is, or may hold, a secret. Paths of files are none."""
    return not is_path(name) and any(word in name for word in _WORDS)


def is_path(name: str) -> bool:
    """Return whether the property's value is the path of a file that holds what it is about."""
    return name.endswith((".location", ".file"))


def hidden_texts(config: Mapping[str, Any]) -> list[str]:
    """List what must not be logged of a client's configuration, the longest first."""
    secret = (value for name, value in config.items() if isinstance(value, str) and is_secret(name))
    texts = {text for value in secret for text in _parts(value) if len(text) >= _SHORTEST}
    return sorted(texts, key=len, reverse=True)


def _parts(value: str) -> Iterator[str]:
    """The whole, and what the client may print of it alone: lines of PEM, the values of `name=value` pairs, what is
    around the variables of a command."""
    yield value
    yield from (line.strip() for line in value.splitlines())
    yield from (part.strip() for part in re.split(r"%\{[^}]*\}", value))
    for pair in re.split(r"[,\s]+", value):
        name, equals, part = pair.partition("=")
        if equals and name not in _PUBLIC:
            yield part
