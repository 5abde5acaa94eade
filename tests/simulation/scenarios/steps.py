"""What scenarios are made of. What they observe is plain data, and depends on no name and no point in time."""

import random
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from consumer.kafka.errors import underlying_error
from consumer.kafka.membership import member_id
from tests.simulation.scenarios.backend import Backend, Client

Observed: TypeAlias = dict[str, Any]
"""What was seen, in order: texts, numbers, and lists of them."""

Scenario: TypeAlias = Callable[[Backend], Observed]
"""Does something on a backend."""

SECONDS: Final = 30.0  # for what must happen
CALL_SECONDS: Final = 10.0
GROUP: Final = "group"
EXPIRED_SECONDS: Final = 8.0  # by then a session has ended, and the group has gone on
_CLASSIC: Final = {"session.timeout.ms": 4000, "heartbeat.interval.ms": 200}
PROTOCOLS: Final[dict[str, dict[str, Any]]] = {
    "cooperative": _CLASSIC,
    "range": {**_CLASSIC, "partition.assignment.strategy": "range"},
    "consumer": {"group.protocol": "consumer"},
}
LARGE: Final = random.Random(1).randbytes(5000)  # no compression makes it small


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
    except RuntimeError as error:  # of a client that is closed
        return type(error).__name__
    except SystemError as error:  # a fatal error is raised within the callback of a report
        fatal = underlying_error(error)
        return describe(fatal) if fatal is not None else repr(error)
    return "ok"


def at_offset(topic: str, offset: int, partition: int = 0) -> list[TopicPartition]:
    """Return an offset of one partition, as the client's calls take it."""
    return [TopicPartition(topic, partition, offset)]


class Writer:
    """A producer to partition 0 of a topic; with an id, in transactions."""

    def __init__(self, backend: Backend, topic: str, name: str | None = None, **properties: Any) -> None:
        self._topic = topic
        self.reports: list[str] = []
        """Of records that failed, in order: the value's first letters and the error."""
        named = {key.replace("_", "."): value for key, value in properties.items()}
        transactional_id = None if name is None else backend.name(name)
        self.client: Client = backend.producer(transactional_id, {"on_delivery": self._on_delivery, **named})
        if name is not None:
            self.client.init_transactions(CALL_SECONDS)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            value = message.value() or b""
            self.reports.append(f"{'large' if len(value) > 100 else value.decode()} {describe(error)}")

    def begin(self) -> str:
        return outcome(self.client.begin_transaction)

    def produce(
        self, value: bytes | str, topic: str | None = None, key: bytes | None = None, timestamp: int = 0
    ) -> str:
        data = value.encode() if isinstance(value, str) else value
        return outcome(self.client.produce, topic or self._topic, data, key, 0, None, None, timestamp, None)

    def flush(self) -> str:
        return outcome(self.client.flush, CALL_SECONDS)

    def poll(self) -> str:
        return outcome(self.client.poll, 0.5)

    def send_offsets(self, offset: int, metadata: object, partition: int = 0, topic: str | None = None) -> str:
        offsets = at_offset(topic or self._topic, offset, partition)
        return outcome(self.client.send_offsets_to_transaction, offsets, metadata, CALL_SECONDS)

    def commit(self) -> str:
        return outcome(self.client.commit_transaction, CALL_SECONDS)

    def abort(self) -> str:
        return outcome(self.client.abort_transaction, CALL_SECONDS)

    def open_with(self, *values: str) -> None:
        """Begin a transaction and append these records to the log, in this order."""
        self.client.begin_transaction()
        self.write(*values)

    def write(self, *values: str, partition: int = 0) -> None:
        """Append these records to the log, in this order."""
        for value in values:
            self.client.produce(self._topic, value.encode(), None, partition)
        assert self.client.flush(CALL_SECONDS) == 0

    def transact(self, *values: str) -> None:
        """Commit these records in one transaction."""
        self.open_with(*values)
        self.client.commit_transaction(CALL_SECONDS)

    def abandon(self, *values: str) -> None:
        """Abort a transaction of these records."""
        self.open_with(*values)
        self.client.abort_transaction(CALL_SECONDS)


class Member:
    """A consumer of a group, which begins at the committed offsets and keeps what comes to it."""

    def __init__(
        self,
        backend: Backend,
        topic: str,
        protocol: str = "cooperative",
        start: int | None = None,
        group: str = GROUP,
        **properties: Any,
    ) -> None:
        """`start`: begin there instead."""
        self.backend, self._topic, self._start = backend, topic, start
        self._incremental = protocol != "range"
        named = {key.replace("_", "."): value for key, value in properties.items()}
        self.client: Client = backend.consumer(backend.name(group), {**PROTOCOLS[protocol], **named})
        self.callbacks: list[str] = []
        """The callbacks in order, with the number of partitions: which of them a member gets is up to random ids."""
        self.owned: set[int] = set()
        self.messages: defaultdict[int, list[str]] = defaultdict(list)
        """What came of each partition: records as `value@offset`, errors by name."""
        self._taken: Counter[int] = Counter()
        self.on_revoke: Callable[[], None] = lambda: None
        self.client.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def _assigned(self, client: Client, partitions: list[TopicPartition]) -> None:
        self.callbacks.append(f"assign {len(partitions)}")
        self.owned |= {each.partition for each in partitions}
        starts = [TopicPartition(self._topic, each.partition, self._begin(each.partition)) for each in partitions]
        if self._incremental:
            client.incremental_assign(starts)
        else:
            client.assign(starts)

    def _begin(self, partition: int) -> int:
        if self._start is not None:
            return self._start
        committed = self.client.committed([TopicPartition(self._topic, partition)], CALL_SECONDS)[0].offset
        return int(committed) if committed >= 0 else OFFSET_BEGINNING

    def moves(self) -> list[str]:
        """Return the callbacks that were about any partition: how many empty ones come depends on who was faster."""
        return [each for each in self.callbacks if each != "assign 0"]

    def _revoked(self, _: Client, partitions: list[TopicPartition]) -> None:
        self.callbacks.append(f"revoke {len(partitions)}")
        self.on_revoke()
        self.owned -= {each.partition for each in partitions}

    def _lost(self, _: Client, partitions: list[TopicPartition]) -> None:
        self.callbacks.append(f"lost {len(partitions)}")
        self.owned -= {each.partition for each in partitions}

    def poll(self, seconds: float = 0.2, count: int = 100) -> None:
        """Consume once."""
        for message in self.client.consume(count, seconds):
            error = message.error()
            text = message.value().decode() if error is None else describe(error)
            self.messages[message.partition()].append(f"{text}@{message.offset()}")

    def read(self, count: int, partition: int = 0) -> list[str]:
        """Return the next messages of a partition; poll until so many are here."""
        self.read_until(lambda: len(self.messages[partition]) >= self._taken[partition] + count, count=1)
        return self._take(partition, count)

    def read_for(self, seconds: float = 2.0, partition: int = 0) -> list[str]:
        """Return all that comes of a partition within the time."""
        deadline = self.backend.now() + seconds
        self.read_until(lambda: self.backend.now() >= deadline)
        return self._take(partition, len(self.messages[partition]))

    def read_until(self, done: Callable[[], bool], count: int = 100) -> None:
        """Poll until something is so."""
        poll_until(self.backend, [self], done, count=count)

    def _take(self, partition: int, count: int) -> list[str]:
        began = self._taken[partition]
        self._taken[partition] = min(began + count, len(self.messages[partition]))
        return self.messages[partition][began : began + count]

    def join(self, partitions: int = 1) -> "Member":
        """Poll until so many partitions are its own."""
        self.read_until(lambda: len(self.owned) == partitions, count=1)
        return self

    def position(self, partition: int = 0) -> int:
        return int(self.client.position([TopicPartition(self._topic, partition)])[0].offset)

    def committed(self, seconds: float = CALL_SECONDS, topic: str | None = None) -> int | str:
        """Return the committed offset of partition 0, or the error."""
        try:
            return int(self.client.committed([TopicPartition(topic or self._topic, 0)], seconds)[0].offset)
        except KafkaException as exception:
            return describe(exception.args[0])

    def commit(self, offset: int, topic: str | None = None) -> str:
        return outcome(self.client.commit, offsets=at_offset(topic or self._topic, offset), asynchronous=False)

    def seek(self, offset: int, partition: int = 0) -> str:
        return outcome(self.client.seek, TopicPartition(self._topic, partition, offset))

    def metadata(self) -> bytes:
        return bytes(self.client.consumer_group_metadata())

    def standing(self) -> str:
        """Return what its metadata names, in words."""
        return standing(self.metadata())


def standing(metadata: bytes) -> str:
    """Return what group metadata names, in words."""
    named = "generation" if generation(metadata) > 0 else "no generation"
    return f"{named}, {'member' if member_id(metadata) else 'no member'}"


def nobody(backend: Backend, group: str = "nobody") -> bytes:
    """Return group metadata that names no member: of a consumer that is not subscribed."""
    return bytes(backend.consumer(backend.name(group), PROTOCOLS["cooperative"]).consumer_group_metadata())


def generation(metadata: bytes) -> int:
    """Return the generation that group metadata names; -1 for none."""
    (number,) = struct.unpack_from("=i", metadata, len(b"CGMDv2:"))
    return int(number)


def poll_until(
    backend: Backend,
    members: Iterable[Member],
    done: Callable[[], bool],
    count: int = 100,
) -> None:
    """Poll members in turn until something is so."""
    deadline = backend.now() + SECONDS
    while not done():
        assert backend.now() < deadline, "it did not happen"
        for member in members:
            member.poll(0.1, count)


def share(backend: Backend, members: Sequence[Member], partitions: int = 2) -> None:
    """Poll members until each has the same number of partitions, and a moment longer."""
    each = partitions // len(members)
    poll_until(backend, members, lambda: all(len(member.owned) == each for member in members))
    deadline = backend.now() + 1.0
    while backend.now() < deadline:
        for member in members:
            member.poll(0.1)


def visible(backend: Backend, topic: str) -> list[str]:
    """Return what a read-committed reader sees of partition 0; no transaction may be open there."""
    Writer(backend, topic).write("end")
    reader = Member(backend, topic, group=f"reader-{topic}")
    reader.read_until(lambda: any(each.startswith("end@") for each in reader.messages[0]))
    return reader.messages[0][:-1]


def named(*functions: Scenario, prefix: str = "") -> dict[str, Scenario]:
    """Return scenarios by the names of their functions, in words."""
    return {prefix + _words(each): each for each in functions}


def in_each_protocol(*functions: Callable[..., Observed]) -> dict[str, Scenario]:
    """Return each scenario once for each protocol of a group."""
    return {f"{_words(each)}, {name}": partial(each, protocol=name) for each in functions for name in PROTOCOLS}


def _words(function: Callable[..., Observed]) -> str:
    return function.__name__.replace("_", " ")
