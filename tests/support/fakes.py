"""Stand-ins behind the consumer's seams: a broker's memory, who writes to it, who reads from it, who is told."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple, cast

import numpy as np
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from consumer.delivery.interface import CommitResult, Delivery
from consumer.errors import DeliveryError, FatalError, FencedError, WorkerError
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.unreadable import ProbeResult
from consumer.observability.health import Health
from consumer.observability.metrics import Metrics
from consumer.observability.tracing import Span, Tracing
from consumer.records import Batch, BatchStats, Gap, Output, OutRecord, Partition
from consumer.runtime import Retry, Runtime

P0: Final = Partition("sessions", 0)
P1: Final = Partition("sessions", 1)


class FakeClock:
    """Time that passes only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def retry(self, seconds: float = 60.0) -> Retry:
        return Retry(seconds=seconds, runtime=self.runtime())

    def runtime(self) -> Runtime:
        return Runtime(clock=self, sleep=self.sleep)


class HurriedStop(threading.Event):
    """A stop that nobody waits for."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - threading.Event's signature
        return self.is_set()


class Fault(NamedTuple):
    """An error that a call raises. `applied`: the call took effect all the same, only its answer was lost."""

    error: DeliveryError
    applied: bool = False


@dataclass
class _Transaction:
    records: list[OutRecord] = field(default_factory=list)
    offsets: dict[Partition, int] = field(default_factory=dict)


class FakeLog:
    """What a broker remembers: what a read-committed reader sees, and the group's offsets.

    `calls` names every producer's calls in order; `faults` holds, for each kind of call, what the next ones run into.
    """

    def __init__(self, faults: Mapping[str, Iterable[Fault | None]] | None = None) -> None:
        self.visible: list[OutRecord] = []
        self.aborted: list[OutRecord] = []
        self.offsets: dict[Partition, int] = {}
        self.calls: list[tuple[str, str]] = []
        self.epochs: dict[str, int] = {}
        self.open: dict[str, _Transaction] = {}
        self.held: dict[str, threading.Event] = {}  # call -> what it waits for
        self._faults = {name: iter(faults) for name, faults in (faults or {}).items()}

    def called(self, call: str) -> list[str]:
        """Who made this call, in order."""
        return [name for name, each in self.calls if each == call]

    def run(self, name: str, call: str, effect: Callable[[], None]) -> None:
        """One call: its effect, its fault, or both."""
        self.calls.append((name, call))
        if call in self.held:
            assert self.held[call].wait(30), f"{call} waits for ever"
        fault = next(self._faults.get(call, iter(())), None)
        if fault is None or fault.applied:
            effect()
        if fault is not None:
            raise fault.error

    def end(self, name: str, *, commit: bool) -> None:
        """The transaction open under this id becomes visible whole, or not at all."""
        transaction = self.open.pop(name, _Transaction())
        if commit:
            self.visible += transaction.records
            self.offsets |= transaction.offsets
        else:
            self.aborted += transaction.records

    def commit_offsets(self, next_offsets: Mapping[Partition, int]) -> None:
        """Commits offsets by themselves."""
        self.run("consumer", "commit_offsets", lambda: self.offsets.update(next_offsets))


class FakeProducer:
    """A producer of `log`: transactional once `init` has been called, plain before."""

    def __init__(self, log: FakeLog, name: str = "plain") -> None:
        self._log = log
        self._name = name
        self._epoch = 0
        self._queued: list[OutRecord] = []

    def init(self) -> None:
        self._log.run(self._name, "init", self._take)

    def begin(self) -> None:
        if self._name in self._log.open:
            raise FatalError("a transaction is open already")
        self._run("begin", lambda: self._log.open.update({self._name: _Transaction()}))

    def produce(self, records: Sequence[OutRecord]) -> None:
        transaction = self._log.open.get(self._name)
        self._run("produce", lambda: (self._queued if transaction is None else transaction.records).extend(records))

    def flush(self) -> None:
        self._run("flush", lambda: self._log.visible.extend(self._queued))
        self._queued.clear()

    def send_offsets(
        self,
        next_offsets: Mapping[Partition, int],
        group: bytes,
        metadata: Mapping[Partition, str] | None = None,  # noqa: ARG002 - the protocol's
    ) -> None:
        assert group
        self._run("send_offsets", lambda: self._log.open[self._name].offsets.update(next_offsets))

    def commit(self) -> None:
        self._run("commit", lambda: self._log.end(self._name, commit=True))

    def abort(self) -> None:
        self._run("abort", lambda: self._log.end(self._name, commit=False))

    def serve(self) -> None:
        """It has nothing to say."""

    def drop(self) -> None:
        self._log.calls.append((self._name, "drop"))

    def _take(self) -> None:
        self._log.end(self._name, commit=False)
        self._epoch = self._log.epochs[self._name] = self._log.epochs.get(self._name, 0) + 1

    def _run(self, call: str, effect: Callable[[], None]) -> None:
        if self._epoch != self._log.epochs.get(self._name, 0):
            raise FencedError("fenced by a newer producer")
        self._log.run(self._name, call, effect)


def _nothing_pending() -> bool:
    return False


class FakeSource(KafkaSource):
    """Events of partitions, `size` at once; sets `stop` once all of them are committed in `log`."""

    def __init__(
        self, log: FakeLog, events: Mapping[Partition, Sequence[bytes]], stop: threading.Event, size: int = 3
    ) -> None:
        self._log = log
        self._events = events
        self._stop = stop
        self._size = size
        self._next = dict.fromkeys(events, 0)
        self.rewinds = 0
        self.closed = False
        self.gaps: list[Gap] = []
        self.markers: dict[Partition, int] = {}  # the offset past markers that were read behind a partition's events
        self.failure: WorkerError | None = None
        self._on_revoke = _nothing_pending
        self.rebalances: list[int] = []  # offsets of P0 before which it is taken away, and given back
        self.given_up: list[int] = []  # what was committed of it then

    def subscribe(self, on_revoke: Callable[[], bool] = _nothing_pending) -> None:
        self._on_revoke = on_revoke

    def poll(self, wait: float, busy: Callable[[], bool] = _nothing_pending, most: int = 1000) -> list[Batch]:
        assert wait >= 0
        assert busy() in {True, False}
        if self.failure is not None:
            raise self.failure
        if self._next.get(P0) in self.rebalances:
            self.rebalances.remove(self._next[P0])
            self._on_revoke()
            self.given_up.append(self._log.offsets.get(P0, 0))
        places = [(partition, offset) for partition in self._events for offset in self._unread(partition)]
        places = places[: min(self._size, most)]
        if not places:
            if all(self._log.offsets.get(partition, 0) == len(events) for partition, events in self._events.items()):
                self._stop.set()
            return []
        return [self._next_batch(topic, list(part)) for topic, part in groupby(places, lambda place: place[0].topic)]

    def _next_batch(self, topic: str, places: list[tuple[Partition, int]]) -> Batch:
        batch = Batch(
            topic=topic,
            partitions=[partition.number for partition, _ in places],
            offsets=[offset for _, offset in places],
            timestamps=[1 + offset for _, offset in places],
            keys=[None for _ in places],
            values=[self._events[partition][offset] for partition, offset in places],
            headers=[[] for _ in places],
        )
        self._next |= batch.next_offsets()
        return batch

    def rewind(self) -> None:
        self.rewinds += 1
        self._next = {partition: self._log.offsets.get(partition, 0) for partition in self._events}

    def joined(self) -> bool:
        return True

    def silent_seconds(self) -> float:
        return 0.5

    def deleted_topics(self) -> list[str]:
        return []

    def read_on(self) -> Batch | None:
        """A batch without events, where markers follow the last one."""
        markers, self.markers = self.markers, {}
        return Batch("", [], [], [], [], [], [], read_to=markers) if markers else None

    def lag(self) -> dict[Partition, int]:
        return {partition: len(self._unread(partition)) for partition in self._events}

    def unstable(self) -> dict[Partition, int]:
        return dict.fromkeys(self._events, 0)

    def oldest_waiting(self) -> dict[Partition, float]:
        return {partition: float(lag) for partition, lag in self.lag().items()}

    def throttled_seconds(self) -> float:
        return 0.0

    def round_trip_seconds(self) -> float | None:
        return 0.002

    def partition_counts(self) -> dict[str, int]:
        return {"sessions": len(self._events)}

    def rebalance_counts(self) -> dict[str, int]:
        return {"assigned": 1}

    def take_gaps(self) -> list[Gap]:
        gaps, self.gaps = self.gaps, []
        return gaps

    def close(self) -> None:
        self.closed = True

    def _unread(self, partition: Partition) -> range:
        return range(self._next[partition], len(self._events[partition]))


class EchoPipeline:
    """Every event becomes a result that is the event; one that begins with `bad` becomes a dead letter."""

    def process(self, batch: Batch) -> Output:
        values = [value or b"" for value in batch.values]
        bad = [value.startswith(b"bad") for value in values]
        records = [
            OutRecord("dead-letters" if dead else "results", None, value, [], timestamp)
            for value, dead, timestamp in zip(values, bad, batch.timestamps, strict=True)
        ]
        return Output(records, stats(scored=len(values) - sum(bad), dead_letter_flags=bad))


class FakeMetrics(Metrics):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.stats: list[BatchStats] = []
        self.aborts = 0
        self.lags: Mapping[Partition, int] = {}
        self.held_back: Mapping[Partition, int] = {}
        self.waiting: Mapping[Partition, float] = {}
        self.unseen: list[tuple[Partition, int]] = []
        self.round_trip: float | None = None
        self.assigned: Mapping[str, int] = {}
        self.rebalanced: Mapping[str, int] = {}

    def record_commit(self, stats: BatchStats, seconds_ago: float = 0.0) -> None:
        assert seconds_ago >= 0
        self.stats.append(stats)

    def record_abort(self) -> None:
        self.aborts += 1

    def set_lag(self, partitions: Mapping[Partition, int]) -> None:
        self.lags = partitions

    def set_unstable_offsets(self, partitions: Mapping[Partition, int]) -> None:
        self.held_back = partitions

    def set_oldest_waiting(self, partitions: Mapping[Partition, float]) -> None:
        self.waiting = partitions

    def set_throttle(self, seconds: float) -> None:
        assert seconds >= 0

    def set_round_trip(self, seconds: float | None) -> None:
        self.round_trip = seconds

    def set_assigned_partitions(self, topics: Mapping[str, int]) -> None:
        self.assigned = topics

    def set_rebalances(self, events: Mapping[str, int]) -> None:
        self.rebalanced = events

    def record_never_seen(self, partition: Partition, records: int) -> None:
        self.unseen.append((partition, records))


class FakeHealth(Health):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.ticks = 0
        self.told: list[tuple[bool, float]] = []

    def tick(self) -> None:
        self.ticks += 1

    def set_kafka_state(self, *, joined: bool, silent_seconds: float, deleted_topics: Sequence[str] = ()) -> None:
        assert not deleted_topics
        self.told.append((joined, silent_seconds))


class FakeSpan(Span):
    """Remembers how its batch ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.parts = 1

    def extend(self, part: Batch) -> None:
        assert len(part)
        self.parts += 1

    def finish(self, stage_seconds: Mapping[str, float], committed_at: float) -> None:
        assert stage_seconds.keys() == {"decode", "score", "encode", "publish", "commit"}
        assert committed_at > 0
        self.ends.append("committed")

    def fail(self, error: Exception) -> None:
        self.ends.append(str(error))


class FakeTracing(Tracing):
    """Remembers the spans of batches."""

    def __init__(self) -> None:
        self.spans: list[FakeSpan] = []

    def start_span(self, batch: Batch) -> FakeSpan:
        assert len(batch)
        self.spans.append(FakeSpan())
        return self.spans[-1]


def no_trouble() -> str | None:
    """Say that the output topics are as they should be."""
    return None


def stats(scored: int = 0, dead_letter_flags: list[bool] | None = None) -> BatchStats:
    """What a batch of so many events adds up to; nothing else is counted."""
    flags = dead_letter_flags or []
    return BatchStats(
        scored=scored,
        dead_lettered=sum(flags),
        skipped=0,
        levels={},
        reasons={},
        dead_letter_codes={},
        imputed={},
        unseen={},
        scores=np.zeros(scored),
        timestamps=np.zeros(scored, np.int64),
        stage_seconds={"decode": 0.001, "score": 0.002, "encode": 0.003},
        dead_letter_flags=flags,
    )


class FakeConsumer:
    """What a source asks of the Kafka client: records, partitions' offsets, and to read from somewhere else.

    `positions` is where each assigned partition is read from; `errors` are raised by the next calls of that name.
    `read_to` is what the client says is read so far: as in the real one, nothing of a partition that was moved.
    """

    def __init__(self, committed: dict[Partition, int], low: int = 0, high: int = 100) -> None:
        self.offsets = committed
        self.low, self.high = low, high
        self.fetched: tuple[int, int] | None = None  # the oldest and next offsets of the last fetch, if they differ
        self.positions: dict[Partition, int] = {}
        self.read_to: dict[Partition, int] = {}
        self.errors: dict[str, list[KafkaError]] = {}
        self.calls: list[str] = []
        self.topics: list[str] = []
        self.messages: list[Message] = []  # to be consumed
        self.report_statistics: Callable[[str], None]  # the `stats_cb`
        self._callbacks: dict[str, Callable[[Consumer, list[TopicPartition]], None]] = {}

    def client(self) -> Consumer:
        """Itself, as the type that it stands in for."""
        return cast("Consumer", self)

    def give(self, *partitions: Partition) -> None:
        """The group assigns partitions."""
        self._callbacks["on_assign"](self.client(), [TopicPartition(*each) for each in partitions])

    def take(self, *partitions: Partition, lost: bool = False) -> None:
        """The group takes partitions away."""
        name = "on_lost" if lost else "on_revoke"
        self._callbacks[name](self.client(), [TopicPartition(*each) for each in partitions])

    def subscribe(self, topics: list[str], **callbacks: Callable[[Consumer, list[TopicPartition]], None]) -> None:
        self.topics = topics
        self._callbacks = callbacks

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        assert timeout >= 0
        consumed, self.messages = self.messages[:num_messages], self.messages[num_messages:]
        return consumed

    def close(self) -> None:
        self.calls.append("close")

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        self._call("committed")
        return [TopicPartition(*each, self.offsets.get(each, OFFSET_INVALID)) for each in map(_partition, partitions)]

    def get_watermark_offsets(self, partition: TopicPartition, *_: float, cached: bool = False) -> tuple[int, int]:
        self._call("get_watermark_offsets")
        assert _partition(partition) in self.positions or not cached
        return self.fetched if cached and self.fetched is not None else (self.low, self.high)

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        self._call("position")
        return [TopicPartition(*each, self.read_to.get(each, OFFSET_INVALID)) for each in map(_partition, partitions)]

    def seek(self, partition: TopicPartition) -> None:
        self._call("seek")
        self.read_to.pop(_partition(partition), None)
        self.positions[_partition(partition)] = partition.offset

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._call("assign")
        self.read_to.clear()
        self.positions = {_partition(each): each.offset for each in partitions}

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self._call("incremental_assign")
        self.positions |= {_partition(each): each.offset for each in partitions}

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self._call("incremental_unassign")
        for each in partitions:
            del self.positions[_partition(each)]
            self.read_to.pop(_partition(each), None)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.errors.get(name):
            raise KafkaException(self.errors[name].pop(0))


def _partition(known: TopicPartition) -> Partition:
    return Partition(known.topic, known.partition)


class _Description(NamedTuple):
    """A topic as brokers describe it."""

    topic_id: str


class FakeAdmin:
    """What `TopicIdentities` asks of the Kafka client: the id of each topic, answered at once."""

    def __init__(self, topic_ids: dict[str, str]) -> None:
        self.topic_ids = topic_ids

    def client(self) -> AdminClient:
        """Itself, as the type that it stands in for."""
        return cast("AdminClient", self)

    def poll(self, timeout: float) -> int:
        assert timeout == 0
        return 0

    def describe_topics(self, topics: TopicCollection) -> dict[str, Future[_Description]]:
        assert not any(name.startswith("^") for name in topics.topic_names), "no broker knows patterns"
        return {name: self._describe(name) for name in topics.topic_names}

    def _describe(self, name: str) -> Future[_Description]:
        answer: Future[_Description] = Future()
        if name in self.topic_ids:
            answer.set_result(_Description(self.topic_ids[name]))
        else:
            answer.set_exception(KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))
        return answer


class FakeProbe:
    """One partition: batches as (first offset, length, why it cannot be read or None), then the end."""

    def __init__(self, position: int, *batches: tuple[int, int, str | None]) -> None:
        self._position = position
        self._batches = batches
        self.looks = 0

    def position(self) -> int:
        return self._position

    def span(self) -> tuple[int, int]:
        return self._batches[0][0], self._batches[-1][0] + self._batches[-1][1]

    def at(self, offset: int) -> ProbeResult:
        self.looks += 1
        for first, length, why in self._batches:
            if offset < first + length:
                return ProbeResult(max(first, offset)) if why is None else ProbeResult(first, why)
        return ProbeResult(offset)

    def group(self) -> bytes:
        return b"nobody"


def deliver(delivery: Delivery, records: Sequence[OutRecord], next_offsets: Mapping[Partition, int]) -> CommitResult:
    """One batch, from its first record to its commit."""
    delivery.publish(records)
    delivery.begin_commit(next_offsets)
    committed = delivery.finish_commit()
    assert committed is not None
    return committed
