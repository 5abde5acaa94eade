"""Batches that are on the broker and cannot be read: the same error at the same offset, however often it is tried.

`Blocked` keeps the partitions that one blocks, `find` its extent, by means of a `Probe`.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.errors import RetriableError, UnansweredError, WorkerError, error_location
from consumer.kafka.client import ErrorLog, close, open_client, request
from consumer.kafka.config import Connection
from consumer.kafka.errors import classify, explain
from consumer.kafka.fetching import partition_of
from consumer.records import Partition, UnreadableBatch
from consumer.runtime import SYSTEM, Runtime

T = TypeVar("T")

Find = Callable[[Partition, int], UnreadableBatch | None]
"""Finds the unreadable batch that comes next in a partition from a position on; None when what is there can be read.
Takes a second, or some where a broker is slow. Raises WorkerError."""

_log = logging.getLogger("consumer.kafka.unreadable")

_SEARCH_SECONDS = 30.0  # for one search, which takes a second; a client that hangs is abandoned with its thread
_ANSWER_SECONDS = 30.0  # for one answer of a broker, or for something to come of a partition
_MAX_SEARCHES = 3  # of one position: what proved readable, or could not be looked at, is read again

REASONS: Final = {
    KafkaError._BAD_MSG: "its checksum is wrong",
    KafkaError._BAD_COMPRESSION: "it cannot be decompressed, or is larger than the Kafka client will decompress",
}


def unreadable(error: KafkaError) -> bool:
    """Return whether no retry will ever read what is there."""
    return error.code() in REASONS


def describe(message: Message) -> str:
    """Return where a batch is and why it cannot be read."""
    error = message.error()
    why = f"{REASONS[error.code()]} ({error.name()})" if error is not None else ""
    return f"{partition_of(message)}, offset {message.offset()}: the batch there cannot be read: {why}"


def remedy(message: Message, group_id: str) -> str:
    """Return one line: where the batch is, why it cannot be read, and the command that skips it."""
    return (
        f"{describe(message)}; stop all workers of group {group_id}, then, with the settings of this run: "
        f"session-scorer dead-letters skip --input-topic {message.topic()} --partition {message.partition()} "
        f"--offset {message.offset()} "
        "(--on-unreadable dead-letter skips such batches automatically)"
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """A search for the end of a batch; `revocations` dates it: later ones may have revoked the partition."""

    position: int
    revocations: int
    began: float
    batch: Future[UnreadableBatch | None]


class Blocked:
    """The partitions that cannot be read any further.

    With `find` the batch that blocks one is looked for on another thread, so that other partitions are read
    and the group keeps this member. Without, `failure` says why reading ends.
    """

    def __init__(self, find: Find | None, runtime: Runtime = SYSTEM) -> None:
        self._find = find
        self._runtime = runtime
        self._reasons: dict[Partition, WorkerError] = {}
        self._searches: dict[Partition, _Search] = {}
        self._failed: dict[Partition, tuple[int, int]] = {}  # partition -> position, number of searches without a batch

    def __contains__(self, partition: object) -> bool:
        return partition in self._reasons

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def add(self, partition: Partition, reason: WorkerError) -> None:
        """Mark a partition as blocked; `reason` is raised if reading ends over it."""
        self._reasons.setdefault(partition, reason)

    def clear(self) -> None:
        """Forget all: reading returns to where it will meet the same batches again."""
        self._reasons.clear()
        self._searches.clear()

    @property
    def failure(self) -> WorkerError | None:
        """The reason to end reading; None when there is a way on."""
        return next(iter(self._reasons.values()), None) if self._find is None else None

    def search(self, positions: Mapping[Partition, int], revocations: int) -> None:
        """Start a search in every blocked partition, from its position on, where none runs."""
        for partition in self._reasons:
            if partition not in self._searches and partition in positions and self._find is not None:
                position = positions[partition]
                batch = _in_background(self._runtime, self._find, partition, position)
                self._searches[partition] = _Search(position, revocations, self._runtime.clock(), batch)

    def finished(self, revocations: int) -> Iterator[tuple[Partition, UnreadableBatch | None]]:
        """Yield the partitions no longer blocked, with the batch to pass over; None where it is to be read again.

        Raises WorkerError, the reason that was noted, when a partition was read again often enough.
        """
        for partition, search in list(self._searches.items()):
            if search.batch.done() or self._runtime.clock() - search.began > _SEARCH_SECONDS:
                outdated = search.revocations != revocations
                batch = None if outdated else self._outcome(partition, search)
                del self._searches[partition], self._reasons[partition]
                yield partition, batch

    def _outcome(self, partition: Partition, search: _Search) -> UnreadableBatch | None:
        error = search.batch.exception() if search.batch.done() else WorkerError("no answer in time")
        batch = None if error is not None else search.batch.result()
        if error is not None:
            text = str(error) if isinstance(error, WorkerError) else error_location(error)
            extra = {"topic": partition.topic, "partition": partition.number, "error": text}
            _log.warning("could not look at a batch that cannot be read", extra=extra)
        if batch is None:
            before = self._failed.get(partition, (search.position, 0))
            count = 1 + (before[1] if before[0] == search.position else 0)
            if count == _MAX_SEARCHES:
                raise self._reasons[partition]
            self._failed[partition] = (search.position, count)
        return batch


def _in_background(runtime: Runtime, find: Find, partition: Partition, position: int) -> Future[UnreadableBatch | None]:
    future: Future[UnreadableBatch | None] = Future()

    def run() -> None:
        try:
            future.set_result(find(partition, position))
        except BaseException as error:  # noqa: BLE001 - handed over
            future.set_exception(error)

    runtime.start_thread(run, "unreadable")
    return future


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The first thing that a reader meets from an offset on: a record, the end, or a batch that cannot be read.

    `reason` says why it cannot, None when it can. The offset is then that of the batch, which may begin before.
    """

    offset: int
    reason: str | None = None


class Probe(Protocol):
    """Reads single offsets of one partition, on behalf of a group. Raises WorkerError, in one line."""

    def position(self) -> int:
        """Return the offset that the group reads next."""

    def span(self) -> tuple[int, int]:
        """Return the oldest offset, and the end."""

    def at(self, offset: int) -> ProbeResult:
        """Return what a reader meets first from `offset` on."""

    def group(self) -> bytes:
        """Return the group metadata to commit with."""


def find(probe: Probe, partition: Partition, position: int) -> UnreadableBatch | None:
    """Return the batch that a reader meets first from `position` on; None when that can be read.

    A negative position is the oldest offset. No readable record lies between `position` and the batch.
    """
    first = probe.at(position if position >= 0 else probe.span()[0])
    if first.reason is None:
        return None
    return UnreadableBatch(partition, first.offset, end_of(probe, first.offset), first.reason)


def make_find(connection: Connection, group_id: str) -> Find:
    """Return the search for an unreadable batch of this group, which has clients of its own."""

    def find_batch(partition: Partition, position: int) -> UnreadableBatch | None:
        with closing(KafkaProbe(connection, group_id, partition)) as probe:
            return find(probe, partition, position)

    return find_batch


def end_of(probe: Probe, offset: int) -> int:
    """Return the first offset after the unreadable batch that begins at `offset`.

    A reader that begins anywhere inside a batch gets all of it, so halving finds the end: at most 2 looks per power of
    two in the batch's length.
    """

    def inside(candidate: int) -> bool:
        result = probe.at(candidate)
        return result.reason is not None and result.offset <= offset

    last, step, high = offset, 1, probe.span()[1]
    while (beyond := min(last + step, high)) < high and inside(beyond):
        last, step = beyond, step * 2
    while beyond - last > 1:
        middle = (last + beyond) // 2
        last, beyond = (middle, beyond) if inside(middle) else (last, middle)
    return beyond


class KafkaProbe:
    """A `Probe` of a broker, no member of the group."""

    def __init__(
        self, connection: Connection, group_id: str, partition: Partition, *, runtime: Runtime = SYSTEM
    ) -> None:
        self._partition = partition
        self._group_id = group_id
        self._runtime = runtime
        self._make_consumer = connection.clients.consumer
        # "error": after a wrong checksum librdkafka 2.16 reads on at an offset that never was, and would start again
        error_log = ErrorLog(runtime.clock)
        self._config = {**connection.reader(group_id), "auto.offset.reset": "error", "error_cb": error_log}
        self._consumer = open_client(self._make_consumer, self._config)

    def position(self) -> int:
        operation = f"read the committed offset of group {self._group_id}"
        (committed,) = self._request(
            operation, partial(self._consumer.committed, [TopicPartition(*self._partition)], _ANSWER_SECONDS)
        )
        if committed.error is not None:
            raise WorkerError(explain(committed.error, operation))
        return committed.offset if committed.offset >= 0 else self.span()[0]

    def span(self) -> tuple[int, int]:
        ask = partial(self._consumer.get_watermark_offsets, TopicPartition(*self._partition), _ANSWER_SECONDS)
        return self._request("ask for the end", ask)

    def _request(self, operation: str, call: Callable[[], T]) -> T:
        return request(operation, call, _ANSWER_SECONDS, self._runtime)

    def at(self, offset: int) -> ProbeResult:
        reader = open_client(
            self._make_consumer, self._config
        )  # a new one every time: no remains of what it met before
        try:
            reader.assign([TopicPartition(*self._partition, offset)])
            return self._first(reader)
        finally:
            close(reader, 0.0, self._runtime)

    def _first(self, reader: Consumer) -> ProbeResult:
        deadline = self._runtime.clock() + _ANSWER_SECONDS
        while self._runtime.clock() < deadline:
            for message in reader.consume(1, 0.5):
                offset, error = cast("int", message.offset()), message.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:
                    return ProbeResult(offset)
                if unreadable(error):
                    return ProbeResult(offset, f"{REASONS[error.code()]} ({error.name()})")
                operation = f"read {self._partition}, offset {offset}"
                if not isinstance(classify(error, operation), RetriableError | UnansweredError):
                    raise WorkerError(explain(error, operation))
        raise WorkerError(f"nothing came of {self._partition} within {_ANSWER_SECONDS:g} s")

    def group(self) -> bytes:
        return cast("bytes", self._consumer.consumer_group_metadata())

    def close(self) -> None:
        """Close the client."""
        close(self._consumer, 0.0, self._runtime)
