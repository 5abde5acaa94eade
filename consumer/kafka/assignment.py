"""The partitions assigned to one consumer and its positions in them, through rebalances and back after aborts.

librdkafka swallows what a callback raises and moves on (9 messages lost in a trial), so the callbacks here only note
an error; `KafkaSource.poll` raises it before it hands anything out.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from consumer.errors import DeliveryError, MustAbortError, RetriableError, UnansweredError, WorkerError
from consumer.kafka.client import guarded
from consumer.kafka.errors import classify, kafka_errors
from consumer.kafka.fetching import partition_of
from consumer.kafka.membership import Subscription
from consumer.kafka.statistics import PartitionProgress
from consumer.kafka.topic_identity import ReadPosition, ReadPositions, describe_recreated
from consumer.records import Gap, Partition
from consumer.runtime import Retry

_log = logging.getLogger("consumer.kafka.assignment")

_REQUEST_SECONDS = 5.0  # the timeout of one request to the broker, before it is repeated
# A client may forget its brokers while a callback waits for them, which shows only between polls (librdkafka
# 5301; 60 s lost in one of a hundred runs). So a callback waits for this long, and a new client may then wait longer.
_CALLBACK_SECONDS = 5.0
# of a partition that the group has just assigned: a broker that is just back does not know it yet
_UNKNOWN_YET = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_NOT_READY = {KafkaError._STATE, KafkaError._PREV_IN_PROGRESS}  # a partition that is just being started or stopped


class _Start(NamedTuple):
    """A partition's committed offset (< 0: none), and the offset to start at."""

    committed: int
    offset: int


class Assignment:
    """The partitions of one consumer. After `rewind` a seek is due until a partition is at its committed offset."""

    def __init__(
        self,
        consumer: Consumer,
        subscription: Subscription,
        retry: Retry,
        *,
        cooperative: bool,
        rebalances: Counter[str] | None = None,
    ) -> None:
        """`rebalances`: to count on from."""
        self._consumer = consumer
        self._on_revoke: Callable[[], object] | None = None
        self._subscription = subscription
        self._cooperative = cooperative
        self._retry = retry
        self._starts: dict[Partition, _Start] = {}  # of the partitions assigned
        self._next: dict[Partition, int] = {}  # one past the last offset handed out, and past markers behind it
        self._seeks: Counter[Partition] = Counter()  # how often reading started at an offset that was looked up
        self._due_seeks: set[Partition] = set()
        self._due_since = 0.0
        self._stopped: set[Partition] = set()  # those with a due seek that librdkafka has stopped reading
        self._revoked: set[Partition] = set()  # or lost, since the last `make_due_seeks`
        self._gaps: list[Gap] = []
        self.rebalances = Counter(rebalances)
        """The number of times that partitions were "assigned", "revoked" and "lost"."""
        self._leaving = False
        self._last_attempt = False
        self.unanswered: DeliveryError | None = None
        """Why a callback could not look up where to start: the group must be joined again with another consumer."""
        self.failure: WorkerError | None = None

    @property
    def revocations(self) -> int:
        """The number of times that partitions were revoked or lost."""
        return self.rebalances["revoked"] + self.rebalances["lost"]

    def subscribe(self, on_revoke: Callable[[], object], *, rejoined: bool = False) -> None:
        """Subscribe to the topics; partitions come and go while the consumer is polled.

        `on_revoke` is called before partitions are revoked, and before committed offsets are looked up again.
        `rejoined`: the consumer replaces one that got no answer; its first callback retries for the full time.
        """
        self._on_revoke = on_revoke
        self._last_attempt = rejoined
        message = f"a rebalance of {self._subscription.inputs} could not be followed"
        callbacks = (self._assign, self._revoke, self._lose)
        assign, revoke, lose = (guarded(callback, message, self._note) for callback in callbacks)
        self._consumer.subscribe([*self._subscription.inputs.topics], on_assign=assign, on_revoke=revoke, on_lost=lose)

    def leave(self) -> None:
        """Read no partition that is still assigned from here on, by a rebalance that was under way.

        A closing client answers no request: looking up where to start would be retried to the end (62 s seen).
        """
        self._leaving = True

    def rewind(self) -> None:
        """Move all partitions back to their committed offsets before anything of them is handed out again."""
        self._require_seek(self._starts)

    def make_due_seeks(self) -> None:
        """Begin a poll: make the seeks that are due, where the broker answers. Raises WorkerError after all retries."""
        self._revoked.clear()
        if not self._due_seeks:
            return
        self._run_on_revoke()  # or what is published, and committed only after we have asked, would be read again
        try:
            self._seek_to_committed()
        except (RetriableError, UnansweredError, MustAbortError) as error:
            if self._retry.runtime.clock() - self._due_since > self._retry.seconds:
                raise WorkerError(f"{self._subscription.inputs}: {error}; is the broker reachable?") from error
        except DeliveryError as error:
            raise WorkerError(f"{self._subscription.inputs}: {error}") from error

    def drop_revoked(self, messages: list[Message]) -> list[Message]:
        """Return the records without those of partitions that were revoked since, or have a due seek."""
        if self.unanswered is not None:
            self._require_seek(self._starts)  # or the position after what is dropped here would be committed
            return []  # the client started to read by itself, at offsets of its own
        self._require_seek(self._revoked & self._starts.keys())  # revoked and assigned again: its records may be older
        unsure = self._revoked | self._due_seeks
        return [message for message in messages if partition_of(message) not in unsure] if unsure else messages

    def advance(self, next_offsets: Mapping[Partition, int]) -> None:
        """Note the offsets after what is handed out."""
        self._next.update(next_offsets)

    def restart(self, partition: Partition) -> None:
        """Read a partition again from its committed offset, after the client has stopped reading it.

        It stops where the broker no longer has the offset that was next: the seek finds the gap.
        """
        if partition in self._starts:
            self._stopped.add(partition)
            self._require_seek([partition])

    def positions(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return positions by partition: past the last thing read, commit markers and aborted records included.

        To be committed only when every record read so far has been handed out. The client knows no position between
        a seek and the next thing read (librdkafka 2.16, tried); one that is not known is left out.
        """
        readable = self._starts.keys() - self._due_seeks
        try:
            positions = self._consumer.position([_at(partition) for partition in partitions if partition in readable])
        except KafkaException:
            return {}
        return {
            Partition(known.topic, known.partition): known.offset
            for known in positions
            if known.error is None and known.offset >= 0
        }

    def may_commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Return whether all these offsets may be committed: no partition of them was revoked since.

        One that was, and was assigned again, starts at its committed offset: no offset before may be committed.
        """
        return all(
            partition in self._starts and offset >= self._starts[partition].committed
            for partition, offset in next_offsets.items()
        )

    def positions_past_markers(self) -> dict[Partition, int]:
        """Return the positions past the last record handed out: only markers were read since."""
        return {
            partition: position
            for partition, position in self.positions(self._starts).items()
            if position > self._next.get(partition, self._starts[partition].offset)
        }

    def partitions(self) -> list[Partition]:
        """Return the partitions assigned to this worker."""
        return sorted(self._starts)

    def topics(self) -> set[str]:
        """Return the topics of these partitions."""
        return {partition.topic for partition in self._starts}

    def applies(self, partition: Partition, error: KafkaError) -> bool:
        """Return whether an error instead of a record matters.

        Of a partition with a due seek only the end of reading does: all else is about where it was.
        """
        return partition not in self._due_seeks or error.code() == KafkaError._AUTO_OFFSET_RESET

    def read_positions(self) -> ReadPositions:
        """Return how far partitions were read, of those that were."""
        return {partition: ReadPosition(self._seeks[partition], offset) for partition, offset in self._next.items()}

    def next_offsets(self) -> dict[Partition, int]:
        """Return the offset to read next, of partitions without a due seek; negative for the oldest."""
        steady = {each: start.offset for each, start in self._starts.items() if each not in self._due_seeks}
        return {partition: self._next.get(partition, offset) for partition, offset in steady.items()}

    def topic_recreated(self, topic: str, old: ReadPositions) -> None:
        """Handle that a topic was deleted and created again a while ago, read up to `old` before.

        Raises WorkerError, or with --on-gap continue reads on from where it is and counts what is known to lie before.
        """
        try:
            gaps = [gap for partition, read in sorted(old.items()) if (gap := self._skipped(partition, read))]
        except KafkaException:  # no broker says what the new one holds
            gaps = []
        message = describe_recreated(topic, gaps)
        if not self._subscription.continue_on_gap:
            raise WorkerError(message)
        _log.error("went on in a topic made anew", extra={"gap": message, "records": sum(g.never_seen for g in gaps)})
        self._gaps += gaps

    def _skipped(self, partition: Partition, old: ReadPosition) -> Gap | None:
        """Return what lies before the old position in the new topic, if the client is known to have read on from there.

        Not where reading has started again since, from the group's offsets or the beginning. And not while the client
        has yet to fetch from the new topic: it may still find that its offset is past the end, and start again.
        """
        if partition not in self._starts or self._seeks[partition] != old.seeks or partition in self._due_seeks:
            return None
        low, high = self._consumer.get_watermark_offsets(_at(partition), _REQUEST_SECONDS)
        fetched = self._consumer.get_watermark_offsets(_at(partition), cached=True)
        reads_on = fetched == (low, high) and self._next.get(partition, -1) <= high
        return Gap(partition, low, old.offset, high) if reads_on and low < old.offset else None

    def take_gaps(self) -> list[Gap]:
        """Return the gaps passed since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def progress(self) -> dict[Partition, PartitionProgress]:
        """Return by partition how far it is read and where it ends, as of the last fetch."""
        progress = {}
        read_to = self._next | self.positions(self._starts)
        for partition, start in self._starts.items():
            low, high = self._consumer.get_watermark_offsets(_at(partition), cached=True)
            if high >= 0:
                progress[partition] = PartitionProgress(read_to.get(partition, max(start.offset, low, 0)), high)
        return progress

    def lag(self, last_stable: Mapping[Partition, int]) -> dict[Partition, int]:
        """Return by partition the offsets between what is read and the end that can be read.

        `last_stable` has that end, of partitions in which an upstream transaction is open.
        """
        return {
            partition: max(0, last_stable.get(partition, progress.end) - progress.read_to)
            for partition, progress in self.progress().items()
        }

    # -- callbacks, called from within the consumer's poll: they never raise --------------------------------------

    def _note(self, failure: WorkerError) -> None:
        self.failure = self.failure or failure

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._leaving:
            return  # the client itself takes them, and gives them up as it closes
        self.rebalances["assigned"] += 1
        assigned = [Partition(each.topic, each.partition) for each in partitions]
        try:
            starts = self._look_up_in_callback(assigned)
            offsets = [_at(partition, start.offset) for partition, start in starts.items()]
            if self._cooperative:
                consumer.incremental_assign(offsets)
            else:
                consumer.assign(offsets)
        except (RetriableError, UnansweredError) as error:
            self.unanswered = error
        except (DeliveryError, KafkaException) as error:
            self.failure = WorkerError(f"could not begin to read {self._subscription.inputs}: {error}")
        except WorkerError as error:
            self.failure = error
        else:
            self._starts |= starts
            self._seeks.update(starts.keys())
            for topic, numbers in self._by_topic(assigned):
                _log.info("partitions assigned", extra={"topic": topic, "partitions": numbers})

    def _look_up_in_callback(self, partitions: list[Partition]) -> dict[Partition, _Start]:
        """Look up where to start. Raises RetriableError or UnansweredError when another client should be tried."""
        seconds = min(_CALLBACK_SECONDS, self._retry.seconds)
        retry = self._retry if self._last_attempt else replace(self._retry, seconds=seconds)
        request_seconds = _REQUEST_SECONDS if self._last_attempt else seconds / 2
        try:
            starts = retry.call(self._look_up, partitions, request_seconds, on=(RetriableError, UnansweredError))
        except (RetriableError, UnansweredError) as error:
            if self._last_attempt:
                raise WorkerError(f"could not begin to read {self._subscription.inputs}: {error}") from error
            raise
        self._last_attempt = False
        return starts

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        if not self._leaving:  # a client that leaves can commit no more
            self._run_on_revoke()  # first: the partitions are this worker's until the callback returns
        # then: what begins to commit from here on is refused, see `Membership`
        revoked = self._forget("revoked", partitions)
        for topic, numbers in self._by_topic(revoked):
            _log.info("partitions revoked", extra={"topic": topic, "partitions": numbers})

    def _run_on_revoke(self) -> None:
        if self._on_revoke is not None:
            self._on_revoke()

    def _lose(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        lost = self._forget("lost", partitions)  # another worker has them: the pending batch may not be committed
        for topic, numbers in self._by_topic(lost):
            _log.warning("partitions lost", extra={"topic": topic, "partitions": numbers})

    def _forget(self, event: str, partitions: list[TopicPartition]) -> list[Partition]:
        self.rebalances[event] += 1
        forgotten = [Partition(each.topic, each.partition) for each in partitions]
        for partition in forgotten:
            self._starts.pop(partition, None)
            self._next.pop(partition, None)
        self._due_seeks.difference_update(forgotten)
        self._stopped.difference_update(forgotten)
        self._revoked.update(forgotten)
        return forgotten

    def _by_topic(self, partitions: list[Partition]) -> Iterator[tuple[str, list[int]]]:
        """Yield each topic with its partitions, for a log line; all topics with none where there are none."""
        if not partitions:
            yield str(self._subscription.inputs), []
        for topic, members in groupby(sorted(partitions), attrgetter("topic")):
            yield topic, [each.number for each in members]

    # -- offsets -------------------------------------------------------------------------------------------------

    def _require_seek(self, partitions: Iterable[Partition]) -> None:
        if not self._due_seeks:
            self._due_since = self._retry.runtime.clock()
        self._due_seeks.update(partitions)

    def _seek_to_committed(self) -> None:
        for partition, start in self._look_up(sorted(self._due_seeks)).items():
            self._seek(partition, start.offset)
            self._starts[partition] = start
            self._seeks[partition] += 1
            self._next.pop(partition, None)
            self._due_seeks.discard(partition)
            self._stopped.discard(partition)

    def _seek(self, partition: Partition, offset: int) -> None:
        target = _at(partition, offset)
        try:
            if partition not in self._stopped:
                self._consumer.seek(target)
            elif self._cooperative:  # one that is not being read cannot seek: it is assigned again
                self._consumer.incremental_unassign([target])
                self._consumer.incremental_assign([target])
            else:
                others = {each: self._next.get(each, start.offset) for each, start in self._starts.items()}
                offsets = others | {partition: offset}
                self._consumer.assign([_at(each, start) for each, start in offsets.items()])
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.code() == KafkaError._STATE:
                # it is not being read, perhaps since its position was lost while it was blocked: no error tells again
                self._stopped.add(partition)
            if error.code() in _NOT_READY:
                raise RetriableError(f"{partition} is not ready to go back") from exception
            raise classify(error, f"go back to offset {offset} of {partition}") from exception

    def _look_up(self, partitions: Iterable[Partition], seconds: float = _REQUEST_SECONDS) -> dict[Partition, _Start]:
        operation = "read the committed offsets"
        with kafka_errors(operation, retriable=_UNKNOWN_YET):
            answers = self._consumer.committed([_at(partition) for partition in partitions], seconds)
        starts = {}
        for answer in answers:
            if answer.error is not None:
                raise classify(answer.error, operation)
            partition = Partition(answer.topic, answer.partition)
            starts[partition] = _Start(answer.offset, self._start(partition, answer.offset, seconds))
        return starts

    def _start(self, partition: Partition, committed: int, seconds: float) -> int:
        if committed < 0:  # a new group starts with the oldest event
            return OFFSET_BEGINNING
        known = self._starts.get(partition)
        offset = known.offset if known is not None and known.committed == committed else committed
        with kafka_errors("ask for the oldest and newest offsets", retriable=_UNKNOWN_YET):
            low, high = self._consumer.get_watermark_offsets(_at(partition), seconds)
        if low <= offset <= high:
            return offset
        return self._skip(Gap(partition, offset, low, high))

    def _skip(self, gap: Gap) -> int:
        if not self._subscription.continue_on_gap:
            raise WorkerError(str(gap))
        if gap not in self._gaps:
            _log.error("went on past a gap", extra={"gap": str(gap), "records": gap.never_seen})
            self._gaps.append(gap)
        return gap.low


def _at(partition: Partition, offset: int = OFFSET_INVALID) -> TopicPartition:
    return TopicPartition(*partition, offset)
