"""The input: batches of events, read committed, from the group's committed offsets on."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from confluent_kafka import KafkaError, Message, TopicPartition

from consumer.errors import DeliveryError, MustAbortError, RetriableError, UnansweredError, WorkerError
from consumer.kafka.assignment import Assignment
from consumer.kafka.client import ErrorLog, close, guarded, open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import classify, explain, kafka_errors
from consumer.kafka.fetching import DroppedHeaders, FetchLimits, Gathering, headers_of, partition_of, timestamps_of
from consumer.kafka.membership import Membership, Subscription, is_member, member_id
from consumer.kafka.statistics import ClientStatistics, OldestWait
from consumer.kafka.topic_identity import ReadPositions, TopicIdentities
from consumer.kafka.unreadable import Blocked, Find, remedy, unreadable
from consumer.records import Batch, Gap, Partition, UnreadableBatch
from consumer.runtime import Retry

T = TypeVar("T")

_log = logging.getLogger("consumer.kafka.consumer")

_STEP_SECONDS = 0.001  # how often a batch that may fill is looked at: is the one before it committed?
_POSITIONS_SECONDS = 5.0  # how often positions are committed by themselves, when only markers come
# after a topic was created again: until the client has fetched from it, or knows that its offset is past the end
_RECREATED_SECONDS = 5.0
_WATCH_SECONDS = 1.0  # how often the broker is asked whether the topic is still the same

# Reported now and then while brokers and group members come and go; librdkafka mends these by itself.
_PASSING = {
    KafkaError._PARTITION_EOF,
    KafkaError._TIMED_OUT,
    KafkaError._MAX_POLL_EXCEEDED,  # the group went on without us; the next poll joins it again
    # the topic was there at the start: a broker that is just back does not know it yet, or it is deleted, which /readyz
    # says; the client reads on when it is there again
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
}


def _no_commit() -> bool:
    """Commit no batch, for a subscriber that publishes none."""
    return False


class KafkaSource:
    """One member of the consumer group.

    After `rewind` a partition hands out events only once it is read from its committed offset again. `poll` raises
    WorkerError when reading cannot go on, with the one line that says why.
    """

    def __init__(
        self,
        connection: Connection,
        subscription: Subscription,
        limits: FetchLimits,
        retry: Retry | None = None,
        find_unreadable: Find | None = None,
    ) -> None:
        """`find_unreadable`: to pass over batches that cannot be read; without it they end reading.

        The clock and threads are those of `retry`.
        """
        self._group_id = subscription.group_id
        self._limits = limits
        self._connection = connection
        self._subscription = subscription
        self._retry = retry or Retry(seconds=60.0)
        self._runtime = self._retry.runtime
        self._clock = self._runtime.clock
        self._blocked = Blocked(find_unreadable, self._runtime)
        self._identities = TopicIdentities(connection, subscription.inputs.names, self._clock)
        self._watched_at = 0.0
        self._deleted: frozenset[str] = frozenset()
        self._recreated: dict[str, tuple[float, ReadPositions]] = {}  # topic -> since when, how far it was read before
        self._positions_at = -math.inf  # when positions were last handed out by themselves
        self._dropped_headers = DroppedHeaders(self._clock)
        self._oldest_wait = OldestWait()
        self._on_revoke: Callable[[], bool] = _no_commit
        self._open(ClientStatistics(clock=self._clock))

    def subscribe(self, on_revoke: Callable[[], bool] = _no_commit) -> None:
        """Join the group; partitions are assigned while `poll` is called.

        `on_revoke` is called from within `poll` before partitions are revoked, before committed offsets are looked up
        again, and before reading ends. It commits what is published, and returns whether there was anything.
        """
        self._on_revoke = on_revoke
        self._assignment.subscribe(on_revoke)

    def _open(self, statistics: ClientStatistics, rebalances: Counter[str] | None = None) -> None:
        """Open a client, which is a member of the group once it subscribes."""
        self._statistics = statistics
        self._blocked.clear()
        callbacks = {
            "error_cb": ErrorLog(self._clock),
            "stats_cb": guarded(statistics, "the client's statistics could not be read", self._note),
        }
        config = {**self._connection.subscriber(self._subscription), **callbacks}
        self._consumer = open_client(self._connection.clients.consumer, config)
        self._assignment = Assignment(
            self._consumer,
            self._subscription,
            self._retry,
            cooperative=self._connection.cooperative,
            rebalances=rebalances,
        )

    def poll(self, wait: float, busy: Callable[[], bool] = _no_commit, most: int = 1000) -> list[Batch]:
        """Return the next events, at most `most`, as a batch for each topic; none without any within `wait` seconds.

        Every few seconds without events returns a batch that only moves positions, see `read_on`. While `busy` returns
        true events gather, within the limits: they could not be published yet. Then what is here is returned as it is,
        so batches grow with the load by themselves.
        """
        if self._blocked.failure is not None:  # the events before it are handed out
            if self._on_revoke():
                return []
            raise self._blocked.failure
        if self._blocked and (batch := self._pass_over()) is not None:
            return [batch]
        if self._statistics.brokers_forgotten or self._assignment.unanswered is not None:
            self._rejoin()
        self._assignment.make_due_seeks()
        self._watch_topics()
        gathering = Gathering(self._limits, self._clock, most)
        messages: list[Message] = []
        while room := gathering.room():
            filling = busy() and gathering.time_left() > 0
            # `consume` waits until it has all that it is asked for, or the time is over
            more = self._consume(room, _STEP_SECONDS if filling else 0.0 if messages else wait)
            gathering.add(len(more), sum(map(len, more)))
            messages += more
            if len(more) < room and not filling:
                break
        messages = self._assignment.drop_revoked(messages)
        if not messages:
            return self._read_on_seldom()
        drained = gathering.room() > 0
        return [self._batch(topic, part, drained=drained) for topic, part in self._by_topic(messages).items()]

    def _by_topic(self, messages: list[Message]) -> dict[str, list[Message]]:
        """Return the messages by topic, in order."""
        topics = self._assignment.topics()
        if len(topics) == 1:  # as usual: no message need be asked
            return {topics.pop(): messages}
        parts: dict[str, list[Message]] = {}
        for message in messages:
            parts.setdefault(partition_of(message).topic, []).append(message)
        return parts

    def _watch_topics(self) -> None:
        """Ask now and then whether they are still the same topics."""
        now = self._clock()
        if now - self._watched_at < _WATCH_SECONDS:
            return
        self._watched_at = now
        for topic, old in self._identities.check(self._assignment.read_positions()).items():
            self._recreated.setdefault(topic, (now, old))
        deleted = self._identities.deleted()
        for topic in sorted(deleted - self._deleted):
            _log.warning("the input topic is gone", extra={"topic": topic})
        self._deleted = deleted
        for topic, (since, old) in list(self._recreated.items()):
            if now - since >= _RECREATED_SECONDS:
                del self._recreated[topic]
                self._assignment.topic_recreated(topic, old)

    def deleted_topics(self) -> list[str]:
        """Return the input topics that the brokers say are deleted."""
        return sorted(self._deleted)

    def rewind(self) -> None:
        """Hand out again everything that is not committed."""
        self._blocked.clear()  # the records before it come first again
        self._assignment.rewind()

    def read_on(self) -> Batch | None:
        """Return a batch without events that only moves positions; None when there are none to move.

        It moves them past commit markers and aborted records that were read since the last event.
        """
        read_to = {
            partition: position
            for partition, position in self._assignment.positions_past_markers().items()
            if partition not in self._blocked
        }
        self._assignment.advance(read_to)
        return Batch("", [], [], [], [], [], [], read_to=read_to) if read_to else None

    def _read_on_seldom(self) -> list[Batch]:
        if self._clock() - self._positions_at < _POSITIONS_SECONDS:
            return []
        batch = self.read_on()
        if batch is None:
            return []
        self._positions_at = self._clock()
        return [batch]

    def membership(self) -> Membership:
        """Return the membership to commit with. Raises MustAbortError when the group has expelled this worker."""
        metadata = cast("bytes", self._consumer.consumer_group_metadata())
        if not is_member(metadata):
            raise MustAbortError(f"this worker is not a member of group {self._group_id} at the moment")
        return Membership(member_id(metadata), self._assignment.revocations, metadata)

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Commit offsets by themselves, for delivery without transactions. Raises DeliveryError.

        Raises MustAbortError when any of the partitions was revoked since: this worker may be a member again, and the
        broker would let it move back what another one has committed since.
        """
        if not self._assignment.may_commit(next_offsets):
            raise MustAbortError("partitions were taken away from this worker")
        offsets = [TopicPartition(*partition, offset) for partition, offset in next_offsets.items()]
        with kafka_errors("commit offsets"):
            answers = self._consumer.commit(offsets=offsets, asynchronous=False)
        for answer in answers or []:
            if answer.error is not None:
                raise classify(answer.error, f"commit offsets of {Partition(answer.topic, answer.partition)}")

    def joined(self) -> bool:
        """Return whether the group has this worker as a member."""
        return is_member(cast("bytes", self._consumer.consumer_group_metadata()))

    def silent_seconds(self) -> float:
        """Return the seconds since any broker last answered; infinity when none ever has."""
        return self._clock() - self._statistics.last_answer

    def lag(self) -> dict[Partition, int]:
        """Return the offsets between what was read and the last stable offset, by partition assigned.

        Without those of deleted topics.
        """
        ends = self._statistics.ends
        return self._existing(
            self._assignment.lag({partition: end.stable for partition, end in ends.items() if end.unstable})
        )

    def unstable(self) -> dict[Partition, int]:
        """Return the offsets between the last stable offset and the end, by partition assigned.

        An upstream transaction that is open holds them back. Without those of deleted topics.
        """
        ends = self._statistics.ends
        return self._existing(
            {
                partition: ends[partition].unstable if partition in ends else 0
                for partition in self._assignment.partitions()
            }
        )

    def oldest_waiting(self) -> dict[Partition, float]:
        """Return the seconds that the oldest offset past what was read has been seen to wait, by partition.

        Also one that an open upstream transaction holds back; 0 where none waits. Without those of deleted topics.
        """
        return self._oldest_wait.update(self._existing(self._assignment.progress()), self._clock())

    def _existing(self, by_partition: dict[Partition, T]) -> dict[Partition, T]:
        if not self._deleted:
            return by_partition
        return {partition: value for partition, value in by_partition.items() if partition.topic not in self._deleted}

    def throttled_seconds(self) -> float:
        """Return for how long a broker held its answers back of late, as a quota has it."""
        return self._statistics.throttled_seconds

    def round_trip_seconds(self) -> float | None:
        """Return the usual round trip to the group's coordinator in the last minutes; None before its first answer."""
        return self._statistics.round_trip_seconds

    def partition_counts(self) -> dict[str, int]:
        """Return the number of partitions assigned, by topic.

        0 for a topic that is given by name; one that only a pattern matches is missing when none is assigned.
        """
        assigned = Counter(partition.topic for partition in self._assignment.partitions())
        return dict.fromkeys(self._subscription.inputs.names, 0) | assigned

    def rebalance_counts(self) -> dict[str, int]:
        """Return how often partitions were assigned, revoked and lost since the start, of those that happened."""
        return dict(self._assignment.rebalances)

    def take_gaps(self) -> list[Gap]:
        """Return the gaps passed (`--on-gap continue`) since the last call."""
        return self._assignment.take_gaps()

    def close(self) -> None:
        """Leave the group without a commit, so that others get the partitions at once."""
        self._assignment.leave()
        close(self._consumer, runtime=self._runtime)

    def _rejoin(self) -> None:
        """Replace a client that knows no broker any more: it would never find one again.

        The same for one that got no answer within a callback, where it is unknown whether it still knows any. A client
        forgets all brokers when one answers with an empty list, as a node does that hung and is not let in again yet
        (librdkafka 2.16, its issue 5301). No record is lost by it: a new member starts at the committed offsets.
        """
        unanswered = self._assignment.unanswered
        if unanswered is None:
            _log.warning("the Kafka client has forgotten its brokers: joining the group anew")
        else:
            _log.warning("no answer during a rebalance: joining the group again", extra={"error": str(unanswered)})
        self._on_revoke()
        self._assignment.leave()
        # it cannot say good-bye to anyone, and must not keep us waiting while it tries
        close(self._consumer, 0.0, self._runtime)
        self._identities.reopen()
        rebalances = Counter(self._assignment.rebalances)
        if unanswered is not None or self._assignment.partitions():
            rebalances["lost"] += 1  # the group has not asked for them
        self._open(ClientStatistics(self._statistics.last_answer, self._clock), rebalances)
        self._assignment.subscribe(self._on_revoke, rejoined=unanswered is not None)

    def _consume(self, count: int, seconds: float) -> list[Message]:
        try:
            with kafka_errors(f"read {self._subscription.inputs}"):
                messages = self._consumer.consume(count, seconds)
        except DeliveryError as error:
            raise WorkerError(str(error)) from error
        if self._blocked or any(error is not None for error in map(Message.error, messages)):
            messages = [message for message in messages if self._is_next(message)]
        if self._assignment.failure is not None:
            raise self._assignment.failure
        return messages

    def _is_next(self, message: Message) -> bool:
        """Return whether this is a record, and none is missing between it and the one before."""
        partition, error = partition_of(message), message.error()
        if partition in self._blocked:
            return False  # after a wrong checksum librdkafka 2.16 loses its position: errors at offsets that never were
        if error is not None and self._assignment.applies(partition, error):
            self._handle(message, error)
        return error is None

    def _handle(self, message: Message, error: KafkaError) -> None:
        """Handle an error instead of a record: one that passes, a lost position, or the end of reading."""
        is_pattern = message.topic() in self._subscription.inputs.patterns
        if is_pattern and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return  # no topic matches: that is no fault, and logged at the start
        operation = f"read {self._subscription.inputs} as group {self._group_id}"
        if message.offset() is not None:
            operation = f"read {partition_of(message)}, offset {message.offset()}"
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # the offset that was next is out of range
            self._assignment.restart(partition_of(message))
        elif unreadable(error):
            # no record after it may be handed out; those before it, perhaps of this very poll, still are
            self._blocked.add(partition_of(message), WorkerError(remedy(message, self._group_id)))
        elif error.code() in _PASSING or isinstance(
            classify(error, operation), RetriableError | MustAbortError | UnansweredError
        ):
            _log.warning("reading was interrupted", extra={"error": explain(error, operation)})
        else:
            raise WorkerError(explain(error, operation))

    def _pass_over(self) -> Batch | None:
        """Return a batch instead of one that cannot be read, once its extent is known.

        The partition is read on from its committed offset, so behind the batch once that is committed.
        """
        assignment = self._assignment
        for partition, unread in self._blocked.finished(assignment.revocations):
            assignment.restart(partition)
            if unread is not None:
                _log.error("passing over a batch that cannot be read", extra=_log_fields(unread))
                batch = Batch.of_unreadable(unread)
                assignment.advance(batch.next_offsets())
                return batch
        self._blocked.search(assignment.next_offsets(), assignment.revocations)
        return None

    def _batch(self, topic: str, messages: list[Message], *, drained: bool) -> Batch:
        partitions = cast("list[int]", list(map(Message.partition, messages)))
        batch = Batch(
            topic=topic,
            partitions=partitions,
            offsets=cast("list[int]", list(map(Message.offset, messages))),
            timestamps=timestamps_of(messages),
            keys=cast("list[bytes | None]", list(map(Message.key, messages))),
            values=cast("list[bytes | None]", list(map(Message.value, messages))),
            headers=headers_of(messages, self._dropped_headers),
            # behind a batch that is full there are records: the next one's offset passes the markers between
            read_to=self._positions({Partition(topic, number) for number in set(partitions)}) if drained else {},
        )
        self._assignment.advance(batch.next_offsets())
        return batch

    def _positions(self, partitions: set[Partition]) -> dict[Partition, int]:
        """Return positions, but of blocked partitions: what lies behind an unreadable batch is not handed out."""
        return self._assignment.positions(partition for partition in partitions if partition not in self._blocked)

    def _note(self, failure: WorkerError) -> None:
        self._assignment.failure = self._assignment.failure or failure


def _log_fields(batch: UnreadableBatch) -> dict[str, object]:
    return {
        "topic": batch.partition.topic,
        "partition": batch.partition.number,
        "first_offset": batch.start,
        "last_offset": batch.end - 1,
        "reason": batch.reason,
    }
