"""A batch that is on the broker and cannot be read: the same error at the same offset, however often it is tried."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.errors import RetriableError, UnansweredError, WorkerError, error_location
from consumer.kafka.client import Complaints, answer, close, open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import classify, explain
from consumer.records import UnreadableBatch
from consumer.runtime import SYSTEM, Runtime

T = TypeVar("T")

Find = Callable[[int, int], UnreadableBatch | None]
"""Finds the unreadable batch that comes next in a partition from a position on; None when what is there can be read.
Takes a second, or some where a broker is slow. Raises WorkerError."""

_log = logging.getLogger("consumer.kafka.unreadable")

_SEARCH_SECONDS = 30.0  # for one search, which takes a second; a client that hangs is given up, thread and all
_ANSWER_SECONDS = 30.0  # for one answer of a broker, or for something to come of a partition
_MOST_SEARCHES = 3  # of one position: what was found to be readable, or could not be looked at, is read again

REASONS: Final = {
    KafkaError._BAD_MSG: "its checksum is wrong",
    KafkaError._BAD_COMPRESSION: "it cannot be decompressed, or is larger than the Kafka client will decompress",
}


def unreadable(error: KafkaError) -> bool:
    """Whether no repetition will ever read what is there."""
    return error.code() in REASONS


def describe(message: Message) -> str:
    """Say where a batch stands and why it cannot be read."""
    error = message.error()
    why = f"{REASONS[error.code()]} ({error.name()})" if error is not None else ""
    return (
        f"{message.topic()}, partition {message.partition()}, offset {message.offset()}: "
        f"the batch there cannot be read: {why}"
    )


def remedy(message: Message, group_id: str) -> str:
    """One line: where it stands, why, and the command that goes past it."""
    return (
        f"{describe(message)}; stop all workers of group {group_id}, then, with the settings of this run: "
        f"session-scorer dead-letters skip --partition {message.partition()} --offset {message.offset()} "
        "(--on-unreadable dead-letter goes past such batches by itself)"
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """A search for the end of a batch; `revocations` dates it: later ones may have taken the partition away."""

    position: int
    revocations: int
    began: float
    found: Future[UnreadableBatch | None]


class Blocked:
    """The partitions of which nothing can be read from here on.

    With `find` the batch that blocks one is looked for on another thread, so that other partitions are read meanwhile
    and the group keeps this member. Without, `failure` says why reading ends.
    """

    def __init__(self, find: Find | None, runtime: Runtime = SYSTEM) -> None:
        self._find = find
        self._runtime = runtime
        self._reasons: dict[int, WorkerError] = {}
        self._searches: dict[int, _Search] = {}
        self._in_vain: dict[int, tuple[int, int]] = {}  # partition -> position, how many searches found nothing there

    def __contains__(self, partition: object) -> bool:
        return partition in self._reasons

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def add(self, partition: int, reason: WorkerError) -> None:
        """Note that a partition is blocked, and what to say if reading ends over it."""
        self._reasons.setdefault(partition, reason)

    def clear(self) -> None:
        """Forget all: reading goes back to where the same will be met again."""
        self._reasons.clear()
        self._searches.clear()

    @property
    def failure(self) -> WorkerError | None:
        """Why reading ends; None when there is a way on."""
        return next(iter(self._reasons.values()), None) if self._find is None else None

    def search(self, positions: dict[int, int], revocations: int) -> None:
        """Begin to look for what blocks each partition, from its position on, where that is not under way."""
        for partition in self._reasons:
            if partition not in self._searches and partition in positions and self._find is not None:
                position = positions[partition]
                found = _in_background(self._runtime, self._find, partition, position)
                self._searches[partition] = _Search(position, revocations, self._runtime.clock(), found)

    def finished(self, revocations: int) -> Iterator[tuple[int, UnreadableBatch | None]]:
        """The partitions that are blocked no more, and the batch to pass over; None where it is to be read again.

        Raises WorkerError, the reason that was noted, when a partition was read again often enough.
        """
        for partition, search in list(self._searches.items()):
            if search.found.done() or self._runtime.clock() - search.began > _SEARCH_SECONDS:
                outdated = search.revocations != revocations
                batch = None if outdated else self._outcome(partition, search)
                del self._searches[partition], self._reasons[partition]
                yield partition, batch

    def _outcome(self, partition: int, search: _Search) -> UnreadableBatch | None:
        error = search.found.exception() if search.found.done() else WorkerError("no answer in time")
        batch = None if error is not None else search.found.result()
        if error is not None:
            said = str(error) if isinstance(error, WorkerError) else error_location(error)
            _log.warning("could not look at a batch that cannot be read", extra={"partition": partition, "error": said})
        if batch is None:
            before = self._in_vain.get(partition, (search.position, 0))
            count = 1 + (before[1] if before[0] == search.position else 0)
            if count == _MOST_SEARCHES:
                raise self._reasons[partition]
            self._in_vain[partition] = (search.position, count)
        return batch


def _in_background(runtime: Runtime, find: Find, partition: int, position: int) -> Future[UnreadableBatch | None]:
    future: Future[UnreadableBatch | None] = Future()

    def run() -> None:
        try:
            future.set_result(find(partition, position))
        except BaseException as error:  # noqa: BLE001 - handed over
            future.set_exception(error)

    runtime.start_thread(run, "unreadable")
    return future


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at an offset or is the first after it. `why` says why it cannot be read, None when it can; the
    offset of what cannot be read is that of its batch, which may begin before."""

    offset: int
    why: str | None = None


class Probe:
    """Looks at single places of one partition, as no member of its group. Raises WorkerError, in one line."""

    def __init__(
        self, connection: Connection, group_id: str, topic: str, partition: int, *, runtime: Runtime = SYSTEM
    ) -> None:
        self._place = TopicPartition(topic, partition)
        self._group_id = group_id
        self._runtime = runtime
        self._make_consumer = connection.clients.consumer
        # "error": after a wrong checksum librdkafka 2.16 goes on at an offset that never was, and would start anew
        complaints = Complaints(runtime.clock)
        self._config = {**connection.reader(group_id), "auto.offset.reset": "error", "error_cb": complaints}
        self._consumer = open_client(self._make_consumer, self._config)

    def position(self) -> int:
        """Where the group goes on reading."""
        doing = f"read the committed offset of group {self._group_id}"
        (found,) = self._answer(doing, lambda: self._consumer.committed([self._place], _ANSWER_SECONDS))
        if found.error is not None:
            raise WorkerError(explain(found.error, doing))
        return found.offset if found.offset >= 0 else self.span()[0]

    def span(self) -> tuple[int, int]:
        """The oldest offset, and the end."""
        return self._answer(
            "ask for the end", lambda: self._consumer.get_watermark_offsets(self._place, _ANSWER_SECONDS)
        )

    def _answer(self, doing: str, call: Callable[[], T]) -> T:
        return answer(doing, call, _ANSWER_SECONDS, self._runtime)

    def at(self, offset: int) -> Found:
        """What a reader meets first from there on."""
        reader = open_client(self._make_consumer, self._config)  # a new one each time: no remains of what it met before
        try:
            reader.assign([TopicPartition(self._place.topic, self._place.partition, offset)])
            return self._first(reader)
        finally:
            close(reader, 0.0, self._runtime)

    def _first(self, reader: Consumer) -> Found:
        deadline = self._runtime.clock() + _ANSWER_SECONDS
        while self._runtime.clock() < deadline:
            for message in reader.consume(1, 0.5):
                there, error = cast("int", message.offset()), message.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:
                    return Found(there)
                if unreadable(error):
                    return Found(there, f"{REASONS[error.code()]} ({error.name()})")
                where = f"read {self._place.topic}, partition {self._place.partition}, offset {there}"
                if not isinstance(classify(error, where), RetriableError | UnansweredError):
                    raise WorkerError(explain(error, where))
        raise WorkerError(f"nothing came of partition {self._place.partition} within {_ANSWER_SECONDS:g} s")

    def group(self) -> bytes:
        """On whose behalf the offset is committed."""
        return cast("bytes", self._consumer.consumer_group_metadata())

    def close(self) -> None:
        """Ends the conversation."""
        close(self._consumer, 0.0, self._runtime)
