"""A consumer behind confluent_kafka's interface: a group member that reads committed records, as librdkafka does."""

import math
import re
import struct
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar, cast

from confluent_kafka import (
    OFFSET_END,
    OFFSET_INVALID,
    OFFSET_STORED,
    TIMESTAMP_CREATE_TIME,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from consumer.records import Partition
from tests.simulation.checks import ViolationError
from tests.simulation.clients.membership import Membership, Operation
from tests.simulation.clients.producer import Committer
from tests.simulation.clients.wire import Wire
from tests.simulation.faults import ErrorCode, Faults
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.kafka.log import OutOfRangeError, PartitionLog, Record, UnreadableError
from tests.simulation.kafka.transactions import BrokerError
from tests.simulation.world import Process, Task

_STATE: Final = ErrorCode(KafkaError._STATE)
_BAD_MSG: Final = ErrorCode(KafkaError._BAD_MSG)
_MAX_POLL_EXCEEDED: Final = ErrorCode(KafkaError._MAX_POLL_EXCEEDED)
_FETCH: Final = 8  # the most records of one fetch: small, so that batches and fetches do not coincide
_QUEUE: Final = 16  # records of one partition that are fetched ahead
_STATISTICS_SECONDS: Final = 2.0
_ASK_AGAIN_SECONDS: Final = 0.2

T = TypeVar("T")
Callback = Callable[[Any, list[TopicPartition]], None]


class Answer(NamedTuple):
    """What is known of one partition, as the client returns it."""

    topic: str
    partition: int
    offset: int
    error: KafkaError | None = None


class _Item(NamedTuple):
    """What is fetched: a record, an error in its place, or (neither) how far the fetch went."""

    offset: int
    record: Record | None = None
    error: ErrorCode | None = None


@dataclass(eq=False, slots=True)
class _Reading:
    """A partition that is being read."""

    index: int
    partition: PartitionLog
    fetch_from: int  # < 0: an offset to be resolved
    items: deque[_Item] = field(default_factory=deque)
    position: int = OFFSET_INVALID  # after the last thing handed out
    fetching: bool = False
    stopped: bool = False  # by an error: nothing is read until it is begun anew
    ended: bool = False


class SimulatedConsumer:
    """One client."""

    def __init__(self, process: Process, cluster: Cluster, faults: Faults, config: dict[str, Any]) -> None:
        self._process = process
        self._world = process.world
        self._cluster = cluster
        self._faults = faults
        self._wire = Wire(process, faults)
        self._config = config
        self._group = cluster.groups[config["group.id"]]
        self._on_assign: Callback = _ignore
        self._on_revoke: Callback = _ignore
        self._on_lost: Callback = _ignore
        self._membership: Membership | None = None
        self._readings: dict[int, _Reading] = {}
        self._assigned_by_application = False
        self._ends: dict[int, tuple[int, int]] = {}
        self._waiting: Task | None = None
        self._statistics_at = 0.0
        self._forgotten_at = math.inf
        self._closed = False

    # -- membership --------------------------------------------------------------------------------------------------

    def subscribe(self, topics: list[str], *, on_assign: Callback, on_revoke: Callback, on_lost: Callback) -> None:
        """Join the group."""
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost
        self._membership = Membership(
            self._process,
            self._group,
            "consumer" if self._is_consumer_protocol else self._config["partition.assignment.strategy"],
            session_seconds=int(self._config.get("session.timeout.ms", 10_000)) / 1000,
            heartbeat_seconds=int(self._config.get("heartbeat.interval.ms", 500)) / 1000,
            max_poll_seconds=int(self._config["max.poll.interval.ms"]) / 1000,
            refresh_seconds=int(self._config.get("topic.metadata.refresh.interval.ms", 300_000)) / 1000,
            topics=lambda: self._matching(topics),
            reachable=lambda: not self._wire.is_cut,
            wake=self._wake,
        )
        self._wire.on_change = self._membership.reachability_changed
        self._cluster.on_topic.append(self._membership.topic_created)
        self._membership.start()

    def _matching(self, subscription: list[str]) -> tuple[str, ...]:
        """Return the topics that match a subscription.

        librdkafka matches the beginning of a name. Brokers (KIP-848) match all of it, and know no topic.blacklist.
        """
        match = re.fullmatch if self._is_consumer_protocol else re.match
        never = "" if self._is_consumer_protocol else str(self._config.get("topic.blacklist", ""))
        excluded = [pattern for pattern in never.split(",") if pattern]
        patterns = [topic for topic in subscription if topic.startswith("^")]
        return tuple(
            topic
            for topic in sorted(self._cluster.topics)
            if topic in subscription
            or (any(match(each, topic) for each in patterns) and not any(re.match(each, topic) for each in excluded))
        )

    @property
    def _is_consumer_protocol(self) -> bool:
        return self._config.get("group.protocol") == "consumer"

    @property
    def _is_cooperative(self) -> bool:
        return self._is_consumer_protocol or self._config["partition.assignment.strategy"] == "cooperative-sticky"

    def consumer_group_metadata(self) -> bytes:
        """Return who this member is, as far as the client knows."""
        self._require_open()
        if self._membership is None:  # not subscribed: no generation, no member
            return b"CGMDv2:" + struct.pack("=i", -1) + self._group.group_id.encode() + b"\0\0\1"
        return self._member.metadata()

    def close(self) -> None:
        """Leave the group; partitions are revoked first."""
        self._require_open()
        self._process.sleep(self._wire.latency())
        self._member.stop()
        while (operation := self._member.next_operation()) is not None:
            self._call_back(operation)
            self._member.done(operation)
        self._stop_reading(list(self._readings))
        self._member.leave()
        self._closed = True

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._closed

    def _require_open(self) -> None:
        self._process.require_alive()
        if self._closed:
            raise RuntimeError("Consumer closed")

    @property
    def wire(self) -> Wire:
        """Its connections, for faults to cut."""
        return self._wire

    def forget_brokers(self) -> None:
        """From here on it knows no broker, and finds none again (librdkafka's issue 5301)."""
        self._forgotten_at = self._world.now
        self._wire.cut(math.inf)

    @property
    def _member(self) -> Membership:
        assert self._membership is not None, "not subscribed"
        return self._membership

    # -- reading -----------------------------------------------------------------------------------------------------

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        """Return messages: as many as asked for, or what came within `timeout` seconds."""
        self._require_open()
        self._member.polled()
        deadline = self._world.now + timeout
        messages: list[Message] = []
        while True:
            self._serve(messages)
            if self._member.take_max_poll_exceeded():
                messages.append(Message(partition=0, error=_MAX_POLL_EXCEEDED.error()))
            self._collect(messages, num_messages)
            left = deadline - self._world.now
            if len(messages) >= num_messages or left <= 0:
                return messages
            self._wait(left)

    def _wait(self, seconds: float) -> None:
        self._waiting = self._world.current
        self._waiting.wait(self._process.late(seconds))
        self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.wake()

    def _serve(self, messages: list[Message]) -> None:
        """Call back for statistics and for a rebalance."""
        self._report_statistics()
        if (operation := self._member.next_operation()) is None:
            return
        self._call_back(operation)
        if operation.kind != "assign" and self._faults.random.random() < 0.5:
            # messages of partitions that were taken away within this call: some clients hand them out, some do not
            gone = set(self._partitions(operation.partitions))
            messages[:] = [each for each in messages if (each.topic(), each.partition()) not in gone]
        self._member.done(operation)

    def _call_back(self, operation: Operation) -> None:
        kind, indexes = operation
        self._process.tell(f"callback: {kind} {sorted(indexes)}")
        partitions = [TopicPartition(*each) for each in self._partitions(indexes)]
        self._assigned_by_application = False
        if kind == "assign":
            self._on_assign(self, partitions)
            if not self._assigned_by_application:  # then the client does it by itself
                self._start_reading(dict.fromkeys(indexes, OFFSET_STORED))
            return
        (self._on_revoke if kind == "revoke" else self._on_lost)(self, partitions)
        self._stop_reading(list(indexes))

    def _collect(self, messages: list[Message], most: int) -> None:
        readings = [each for each in self._readings.values() if each.items]
        self._world.random.shuffle(readings)
        for reading in readings:
            while reading.items and len(messages) < most:
                self._hand_out(reading, reading.items.popleft(), messages)
            self._fetch_soon(reading)

    def _hand_out(self, reading: _Reading, item: _Item, messages: list[Message]) -> None:
        offset, record, error = item
        if error is not None:
            messages.append(self._error_message(reading.index, offset, error))
            return
        if record is None:
            reading.position = offset
            return
        reading.position = offset + 1
        topic, number = self._cluster.partition_at(reading.index)
        messages.append(
            Message(
                topic=topic,
                partition=number,
                offset=offset,
                key=record.key,
                value=record.value,
                headers=cast("Any", record.headers) or None,  # its stub asks for wider ones
                timestamp=(TIMESTAMP_CREATE_TIME, record.timestamp),
            )
        )
        if (planned := self._faults.error("read")) is not None:
            reading.items.appendleft(_Item(offset + 1, error=planned))

    def _error_message(self, index: int, offset: int, error: ErrorCode) -> Message:
        topic, number = self._cluster.partition_at(index)
        place: dict[str, Any] = {"topic": topic, "partition": number, "error": error.error()}
        return Message(**place, offset=offset) if offset >= 0 else Message(**place)

    def _fetch_soon(self, reading: _Reading) -> None:
        """Ask for more of a partition, if there is more."""
        if reading.fetching or reading.ended or reading.stopped or len(reading.items) >= _QUEUE:
            return
        if 0 <= reading.fetch_from == reading.partition.last_stable and reading.partition.start <= reading.fetch_from:
            return  # the partition's watcher will tell
        reading.fetching = True
        self._world.after(self._wire.latency() * 2, lambda: self._fetch(reading, len(reading.items)))

    def _fetch(self, reading: _Reading, known: int) -> None:
        del known
        reading.fetching = False
        if reading.ended or reading.stopped or not self._process.alive:
            return
        wait = max(self._process.paused_until, self._wire.cut_until) - self._world.now
        if wait > 0 or self._faults.happens("fetch delayed"):
            if wait < math.inf:
                reading.fetching = True
                self._world.after(max(wait, 0.2), lambda: self._fetch(reading, 0))
            return
        partition = reading.partition
        if reading.fetch_from < 0 and not self._resolve(reading):
            return
        self._ends[reading.index] = (partition.start, partition.end)
        try:
            records, position = partition.fetch(reading.fetch_from, _FETCH)
        except OutOfRangeError:
            self._ends[reading.index] = (-1, -1)
            self._stop_without_offset(reading)
        except UnreadableError:
            reading.stopped = True
            # after a wrong checksum the client loses its place: errors at offsets that never were
            reading.items.extend(_Item(reading.fetch_from + lost, error=_BAD_MSG) for lost in (0, 9))
        else:
            reading.items.extend(_Item(offset, record) for offset, record in records)
            if position > (records[-1][0] + 1 if records else reading.fetch_from):
                reading.items.append(_Item(position))
            reading.fetch_from = position
            self._fetch_soon(reading)
        self._wake()

    def _resolve(self, reading: _Reading) -> bool:
        """Find where to begin; return whether there is such an offset, and it is known by now."""
        index = reading.index
        if reading.fetch_from != OFFSET_STORED:
            at_end = reading.fetch_from == OFFSET_END
            reading.fetch_from = reading.partition.end if at_end else reading.partition.start
        elif self._cluster.transactions.unstable[index] > 0:
            reading.fetching = True
            self._world.after(_ASK_AGAIN_SECONDS, lambda: self._fetch(reading, 0))
        elif index in self._group.offsets:
            reading.fetch_from = self._group.offsets[index]
        else:
            self._stop_without_offset(reading)
        return reading.fetch_from >= 0

    def _stop_without_offset(self, reading: _Reading) -> None:
        """Read no more of a partition: with auto.offset.reset=error nothing says where to go on."""
        reading.stopped = True
        reading.items.append(_Item(reading.fetch_from, error=ErrorCode(KafkaError._AUTO_OFFSET_RESET)))
        self._wake()

    # -- assignment and positions ------------------------------------------------------------------------------------

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Read these partitions, and no others."""
        self._require_open()
        self._stop_reading(list(self._readings))
        self._assigned_by_application = True
        self._start_reading({self._index(each): each.offset for each in partitions})

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """Read these partitions, too."""
        self._require_open()
        if any(self._reading(each) is not None for each in partitions):
            raise KafkaException(ErrorCode(KafkaError._CONFLICT).error())
        self._assigned_by_application = True
        self._start_reading({self._index(each): each.offset for each in partitions})

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        """Read these partitions no more."""
        self._require_open()
        if any(self._reading(each) is None for each in partitions):
            raise KafkaException(ErrorCode(KafkaError._INVALID_ARG).error())
        self._stop_reading([self._index(each) for each in partitions])

    def seek(self, partition: TopicPartition) -> None:
        """Go on reading a partition at another offset. Raises KafkaException _STATE where it is not being read."""
        self._require_open()
        if (planned := self._faults.error("seek")) is not None:
            raise KafkaException(planned.error())
        reading = self._reading(partition)
        if reading is None or reading.stopped:
            raise KafkaException(_STATE.error())
        self._stop_reading([reading.index])
        self._start_reading({reading.index: partition.offset})

    def position(self, partitions: list[TopicPartition]) -> list[Answer]:
        """Return the offset after the last thing handed out of each partition."""
        self._require_open()
        if (planned := self._faults.error("position")) is not None:
            raise KafkaException(planned.error())
        readings = [(each, self._reading(each)) for each in partitions]
        return [
            Answer(each.topic, each.partition, OFFSET_INVALID if reading is None else reading.position)
            for each, reading in readings
        ]

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[Answer]:
        """Return the group's offsets."""
        self._require_open()
        indexes = [self._index(each) for each in partitions]
        cluster, group = self._cluster, self._group

        def effect() -> list[Answer]:
            if not group.available:
                raise BrokerError(KafkaError.NOT_COORDINATOR)
            if any(cluster.transactions.unstable[index] > 0 for index in indexes):
                raise BrokerError(KafkaError.UNSTABLE_OFFSET_COMMIT)
            return [Answer(*cluster.partition_at(each), group.offsets.get(each, OFFSET_INVALID)) for each in indexes]

        return self._ask("committed", effect, timeout)

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = 0.0, *, cached: bool = False
    ) -> tuple[int, int]:
        """Return the oldest offset and the end of a partition; `cached`: as the last fetch told."""
        self._require_open()
        if cached:
            index = self._index(partition)
            self._hear_of_end(index)
            return self._ends.get(index, (OFFSET_INVALID, OFFSET_INVALID))

        def effect() -> tuple[int, int]:
            there = self._cluster.partition(partition.topic, partition.partition)
            return there.start, there.last_stable

        return self._ask("watermarks", effect, timeout)

    def _hear_of_end(self, index: int) -> None:
        """Note what an answer to the fetch that waits at the last stable offset tells: the end may be further."""
        reading = self._readings.get(index)
        if reading is not None and reading.fetch_from == reading.partition.last_stable and not self._wire.is_cut:
            self._ends[index] = (reading.partition.start, reading.partition.end)

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[Answer]:
        """Commit offsets by themselves."""
        assert not asynchronous
        committer = Committer.parse(self.consumer_group_metadata())
        chosen = {self._index(each): each.offset for each in offsets}
        cluster, group = self._cluster, self._group
        lost = ", ".join(map(str, self._partitions(chosen.keys() - self._readings.keys())))

        def effect() -> list[Answer]:
            if not group.available:
                raise BrokerError(KafkaError.NOT_COORDINATOR)
            if code := group.check_commit(
                committer.member_id, committer.generation, transactional=False, partitions=chosen
            ):
                raise BrokerError(code)
            if lost:
                raise ViolationError("not held", f"{self._process.name} commits offsets of {lost}, which it has lost")
            cluster.commit_offsets(group, {each: offset for each, offset in chosen.items() if each != refused})
            error = ErrorCode(KafkaError.REQUEST_TIMED_OUT).error()
            return [
                Answer(*cluster.partition_at(each), offset, error if each == refused else None)
                for each, offset in chosen.items()
            ]

        refused = self._faults.pick(sorted(chosen)) if self._faults.happens("partition not committed") else None
        if self._faults.happens("consumer hangs"):
            self._process.tell("commit offsets hangs")
            self._process.sleep(math.inf)
        try:
            return self._ask("commit offsets", effect, 15.0)
        except KafkaException as exception:
            self._member.commit_refused(exception.args[0].code())
            raise

    def _ask(self, kind: str, effect: Callable[[], T], seconds: float) -> T:
        try:
            return self._wire.call(kind, effect, seconds)
        except BrokerError as error:
            raise KafkaException(ErrorCode(error.code).error()) from error
        except KafkaException as exception:  # a consumer's calls say of no error whether it passes
            raise KafkaException(ErrorCode(exception.args[0].code()).error()) from exception

    def _reading(self, partition: TopicPartition) -> _Reading | None:
        """Return how a partition is read; None for one that is not read, or not there."""
        wanted = (partition.topic, partition.partition)
        return next(
            (each for each in self._readings.values() if self._cluster.partition_at(each.index) == wanted), None
        )

    def _index(self, partition: TopicPartition) -> int:
        return self._cluster.index(partition.topic, partition.partition)

    def _partitions(self, indexes: Iterable[int]) -> list[Partition]:
        return [self._cluster.partition_at(index) for index in sorted(indexes)]

    def _start_reading(self, offsets: dict[int, int]) -> None:
        for index, offset in offsets.items():
            partition = self._cluster.partition(*self._cluster.partition_at(index))
            reading = self._readings[index] = _Reading(index, partition, offset)
            partition.watch(reading, lambda reading=reading: self._fetch_soon(reading))  # type: ignore[misc]  # mypy cannot infer a default
            self._fetch_soon(reading)

    def _stop_reading(self, indexes: list[int]) -> None:
        for index in indexes:
            reading = self._readings.pop(index, None)
            if reading is not None:
                reading.ended = True
                reading.partition.unwatch(reading)

    # -- statistics --------------------------------------------------------------------------------------------------

    def _report_statistics(self) -> None:
        report = self._config.get("stats_cb")
        if report is None or self._world.now < self._statistics_at:
            return
        self._statistics_at = self._world.now + _STATISTICS_SECONDS
        forgotten = self._forgotten_at < math.inf
        age = int((self._world.now - self._forgotten_at) * 1000) if forgotten else 0
        broker = (
            '{"source":"logical","state":"INIT"}' if forgotten else '{"source":"learned","state":"UP","rxidle":1000}'
        )
        topics: dict[str, list[str]] = {}
        for index, reading in self._readings.items():
            topic, number = self._cluster.partition_at(index)
            end = f'"{number}":{{"ls_offset":{reading.partition.last_stable},"hi_offset":{reading.partition.end}}}'
            topics.setdefault(topic, []).append(end)
        ends = ",".join(f'"{topic}":{{"partitions":{{{",".join(each)}}}}}' for topic, each in topics.items())
        report(
            f'{{"brokers":{{"b":{broker}}},"cgrp":{{"state":"{"init" if forgotten else "up"}","stateage":{age}}},'
            f'"topics":{{{ends}}}}}'
        )


def _ignore(consumer: object, partitions: list[TopicPartition]) -> None:
    """Do nothing."""
