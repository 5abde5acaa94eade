"""Kafka properties: our defaults, those that no user may change, and those that hold secrets."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Properties = dict[str, str | int | bool]

COMMON: Properties = {
    "client.id": "session-scorer",
    "log_level": 2,  # what matters is an error too, and we log it; -X debug=all still shows everything
    # default rebootstrap: once all brokers were away a producer forgets its coordinator's address, and send_offsets
    # hangs for good (librdkafka 2.16: 3 of 3 restarts stalled, one by a stack dump; with none 5 of 5 went on)
    "metadata.recovery.strategy": "none",
    "reconnect.backoff.max.ms": 1000,  # default 10 s: how long a broker may be back before it is noticed
}

CONSUMER: Properties = COMMON | {
    "session.timeout.ms": 10_000,  # default 45 s: how long a killed worker's partitions lie idle
    "heartbeat.interval.ms": 500,  # default 3 s: how long partitions lie idle that move from one worker to another
    "partition.assignment.strategy": "cooperative-sticky",
    "max.poll.interval.ms": 300_000,
    "fetch.queue.backoff.ms": 5,  # default 1 s: a pause whenever the local queue was full
    "queued.max.messages.kbytes": 16 * 1024,  # default 64 MiB
    "fetch.max.bytes": 16 * 1024 * 1024,  # default 50 MiB: one answer may add this to the queue
}

PRODUCER: Properties = COMMON | {
    "partitioner": "murmur2_random",  # Java's: keys meet those of topics that JVM producers write
    "linger.ms": 0,  # the commit waits for the last record, and a batch is queued all at once
    "compression.type": "lz4",  # default none: a fifth of the bytes to send and to keep, half a µs off Python's lock
    "queue.buffering.max.kbytes": 64 * 1024,  # default 1 GiB
    "message.max.bytes": 1_048_588,  # the brokers' own default; librdkafka's is 48 KB less
}

LOGIN: Final[Mapping[str, str]] = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
"""What a login by token needs."""

BATCH_SIZE = 1_000_000  # librdkafka's default

# A worker killed in mid-transaction holds back read-committed readers for this long (default 60 s; Kafka Streams 10).
TRANSACTION_TIMEOUT_MS = 10_000

_COMMITTED_WITH_RESULTS = "offsets are committed with the results that belong to them"
_EVERY_WRITE = "a result counts only when every replica in sync has it, once"
CALLBACK = "it takes code, not text"

# Properties that would break what the worker promises: why, or which option to use instead.
RESERVED: Mapping[str, str] = {
    "bootstrap.servers": "use --bootstrap-servers",
    "metadata.broker.list": "use --bootstrap-servers",
    "group.id": "use --group-id",
    "transactional.id": "it consists of group, host and --slot",
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
    "statistics.interval.ms": "/readyz depends on it",
    "default.topic.config": CALLBACK,
    "on_delivery": CALLBACK,
    "on_commit": CALLBACK,
    "logger": CALLBACK,
}


def contradicts_login(name: str, value: str) -> bool:
    """Return whether the property says to log in otherwise than by the token of a login."""
    if name.startswith(("sasl.", "enable.sasl.", "security.protocol")):
        return value.upper() != LOGIN.get(name.replace("mechanisms", "mechanism"))
    return False


_SECRET_WORDS: Final = (
    *("password", "passphrase", "secret", "pem", "oauthbearer.config", "extensions", "jaas", "token", "key"),
    "kinit.cmd",  # may hold a password, and names the keytab
)
_MIN_LENGTH: Final = 4  # to hide shorter texts would make lines illegible
_PUBLIC_PARTS: Final = frozenset({"principal", "principalClaimName", "scope", "scopeClaimName", "lifeSeconds"})


def is_secret(name: str) -> bool:
    """Return whether the value of the property is, or may hold, a secret. The path of a file is none."""
    return not is_path(name) and any(word in name for word in _SECRET_WORDS)


def is_path(name: str) -> bool:
    """Return whether the value of the property is the path of a file."""
    return name.endswith((".location", ".file"))


def hidden_texts(config: Mapping[str, Any]) -> list[str]:
    """Return the texts of a client's configuration that must not be logged, the longest first."""
    secret = (value for name, value in config.items() if isinstance(value, str) and is_secret(name))
    texts = {text for value in secret for text in _parts(value) if len(text) >= _MIN_LENGTH}
    return sorted(texts, key=len, reverse=True)


def _parts(value: str) -> Iterator[str]:
    """Yield the value, and the parts of it that the client may print alone.

    Those are lines of PEM, the values of `name=value` pairs, and the text around the variables of a command.
    """
    yield value
    yield from (line.strip() for line in value.splitlines())
    yield from (part.strip() for part in re.split(r"%\{[^}]*\}", value))
    for pair in re.split(r"[,\s]+", value):
        name, equals, part = pair.partition("=")
        if equals and name not in _PUBLIC_PARTS:
            yield part
