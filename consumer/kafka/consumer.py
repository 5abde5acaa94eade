"""The input: batches of events, read committed, from where the group left off."""

import logging
import math
from collections.abc import Callable
from typing import cast

from confluent_kafka import KafkaError, Message, TopicPartition

from consumer.errors import DeliveryError, MustAbortError, RetriableError, UnansweredError, WorkerError
from consumer.kafka.assignment import Assignment, Subscription
from consumer.kafka.client import Complaints, close, guarded, open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import calling, classify, explain
from consumer.kafka.fetching import FetchLimits, Gathering, LeftOut, headers_of, timestamps_of
from consumer.kafka.group_metadata import Membership, is_member, member_id
from consumer.kafka.statistics import Statistics, Waiting
from consumer.kafka.topic_identity import Identity, Read
from consumer.kafka.unreadable import Blocked, Find, remedy, unreadable
from consumer.records import Batch, Gap, UnreadableBatch
from consumer.runtime import Retry

_log = logging.getLogger("consumer.kafka.consumer")

_STEP_SECONDS = 0.001  # how often a batch that may fill is looked at: is the one before it committed?
_READ_ON_SECONDS = 5.0  # how often positions are committed by themselves, when nothing but markers comes
# after a topic made anew is found: until the client has fetched from it, or found its offset past the end
_SETTLED_SECONDS = 5.0
_WATCH_SECONDS = 1.0  # how often the broker is asked whether the topic is still the same

# Said now and then while brokers and group members come and go; librdkafka mends these by itself.
_PASSING = {
    KafkaError._PARTITION_EOF,
    KafkaError._TIMED_OUT,
    KafkaError._MAX_POLL_EXCEEDED,  # the group has gone on without us; the next poll joins it again
    # the topic was there at the start: a broker that is just back does not know it yet, or it is deleted, which /readyz
    # says; the client reads on when it is there again
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
}


def _nothing_pending() -> bool:
    """Commit nothing, for a subscriber that publishes nothing."""
    return False


def _told(batch: UnreadableBatch) -> dict[str, object]:
    place = {"topic": batch.topic, "partition": batch.partition}
    return place | {"first_offset": batch.start, "last_offset": batch.end - 1, "reason": batch.reason}


class Source:
    """One member of the consumer group.

    After `rewind` nothing is handed out of a partition until it is read from its committed offset again. Raises
    WorkerError from `poll` when reading cannot go on, with the one line that says why.
    """

    def __init__(
        self,
        connection: Connection,
        subscription: Subscription,
        limits: FetchLimits,
        retry: Retry | None = None,
        find_unreadable: Find | None = None,
    ) -> None:
        """`find_unreadable`: to pass over batches that cannot be read; without it they end reading. The clock and
        threads are those of `retry`."""
        self._topic = subscription.topic
        self._group_id = subscription.group_id
        self._limits = limits
        self._connection = connection
        self._subscription = subscription
        self._retry = retry or Retry(seconds=60.0)
        self._runtime = self._retry.runtime
        self._clock = self._runtime.clock
        self._blocked = Blocked(find_unreadable, self._runtime)
        self._identity = Identity(connection, subscription.topic, self._clock)
        self._watched = 0.0
        self._gone = False
        self._made_anew: tuple[float, dict[int, Read]] | None = None  # found when, and how far the old one was read
        self._read_on_at = -math.inf  # when positions were last handed out by themselves
        self._left_out = LeftOut(self._clock)
        self._waiting = Waiting()
        self._on_revoke: Callable[[], bool] = _nothing_pending
        self._open(Statistics(clock=self._clock))

    def subscribe(self, on_revoke: Callable[[], bool] = _nothing_pending) -> None:
        """Join the group; partitions are assigned while `poll` is called.

        `on_revoke` is called from within `poll` before partitions are revoked, before committed offsets are looked up
        again, and before reading ends. It commits what is published, and returns whether there was anything.
        """
        self._on_revoke = on_revoke
        self._assignment.subscribe(on_revoke)

    def _open(self, statistics: Statistics, revocations: int = 0) -> None:
        """Open a client, which is a member of the group once it subscribes."""
        self._statistics = statistics
        self._blocked.clear()
        callbacks = {
            "error_cb": Complaints(self._clock),
            "stats_cb": guarded(statistics, "the client's statistics could not be read", self._note),
        }
        config = {**self._connection.consumer(self._group_id), **callbacks}
        self._consumer = open_client(self._connection.clients.consumer, config)
        self._assignment = Assignment(
            self._consumer,
            self._subscription,
            self._retry,
            cooperative=self._connection.cooperative,
            revocations=revocations,
        )

    def poll(self, wait: float, busy: Callable[[], bool] = lambda: False, most: int = 1000) -> Batch | None:
        """The next events, `most` at the most, or None when none came within `wait` seconds; every few seconds then a
        batch without events, see `read_on`.

        As long as `busy` says so they may gather, within the limits: they could not be published yet. Then what is here
        is taken as it is, so batches grow with the load by themselves.
        """
        if self._blocked.failure is not None:  # what stood before it has been handed out
            if self._on_revoke():
                return None
            raise self._blocked.failure
        if self._blocked and (standing := self._pass_over()) is not None:
            return standing
        if self._statistics.forgotten or self._assignment.unanswered is not None:
            self._join_anew()
        self._assignment.settle()
        self._watch()
        gathering = Gathering(self._limits, self._clock, most)
        messages: list[Message] = []
        while room := gathering.room():
            filling = busy() and gathering.time_left() > 0
            # `consume` waits until it has all that it is asked for, or for the whole time
            more = self._consume(room, _STEP_SECONDS if filling else 0.0 if messages else wait)
            gathering.add(len(more), sum(map(len, more)))
            messages += more
            if len(more) < room and not filling:
                break
        batch = self._batch(self._assignment.trusted(messages), drained=gathering.room() > 0)
        return self._read_on_seldom() if batch is None else batch

    def _watch(self) -> None:
        """Now and then: is it still the same topic?"""
        now = self._clock()
        if now - self._watched < _WATCH_SECONDS:
            return
        self._watched = now
        lost = self._identity.lost(self._assignment.positions())
        if lost is not None:
            self._made_anew = self._made_anew or (now, lost)
        self._tell_when_gone()
        if self._made_anew is not None and now - self._made_anew[0] >= _SETTLED_SECONDS:
            (_, old), self._made_anew = self._made_anew, None
            self._assignment.made_anew(old)

    def _tell_when_gone(self) -> None:
        gone = self._identity.gone
        if gone and not self._gone:
            _log.warning("the input topic is gone", extra={"topic": self._topic})
        self._gone = gone

    def topic_gone(self) -> bool:
        """Whether the brokers say that the topic is deleted."""
        return self._gone

    def rewind(self) -> None:
        """Everything handed out and not committed will come again."""
        self._blocked.clear()  # what stood before it comes first again
        self._assignment.rewind()

    def read_on(self) -> Batch | None:
        """A batch without events, which only moves positions: past commit markers and aborted records that were read
        since the last event. None when there were none."""
        read_to = {
            partition: position
            for partition, position in self._assignment.read_on().items()
            if partition not in self._blocked
        }
        self._assignment.handed_out(read_to)
        return Batch(self._topic, [], [], [], [], [], [], read_to=read_to) if read_to else None

    def _read_to(self, partitions: set[int]) -> dict[int, int]:
        """Positions, but of partitions that are blocked: what lies behind what cannot be read is not handed out."""
        return self._assignment.read_to(each for each in partitions if each not in self._blocked)

    def _read_on_seldom(self) -> Batch | None:
        if self._clock() - self._read_on_at < _READ_ON_SECONDS:
            return None
        batch = self.read_on()
        if batch is not None:
            self._read_on_at = self._clock()
        return batch

    def membership(self) -> Membership:
        """Return the membership to commit with. Raises MustAbortError when the group has expelled this worker."""
        metadata = cast("bytes", self._consumer.consumer_group_metadata())
        if not is_member(metadata):
            raise MustAbortError(f"this worker is not a member of group {self._group_id} at the moment")
        return Membership(member_id(metadata), self._assignment.revocations, metadata)

    def commit(self, topic: str, next_offsets: dict[int, int]) -> None:
        """Commit offsets by themselves, for delivery without transactions. Raises DeliveryError.

        Refused by MustAbortError when any of the partitions was lost since: this worker may be a member again, and the
        broker would let it take back what another one has committed meanwhile.
        """
        if not self._assignment.still_holds(next_offsets):
            raise MustAbortError(f"partitions of {topic} were taken away from this worker")
        offsets = [TopicPartition(topic, partition, offset) for partition, offset in next_offsets.items()]
        doing = f"commit offsets of {topic}"
        answers = calling(doing, lambda: self._consumer.commit(offsets=offsets, asynchronous=False))
        for answer in answers or []:
            if answer.error is not None:
                raise classify(answer.error, f"{doing}, partition {answer.partition}")

    def joined(self) -> bool:
        """Whether the group has this worker as a member."""
        return is_member(cast("bytes", self._consumer.consumer_group_metadata()))

    def silent_seconds(self) -> float:
        """How long ago any broker last answered; infinity when none ever has."""
        return self._clock() - self._statistics.last_answer

    def lag(self) -> dict[int, int]:
        """Offsets between what was read and the last stable offset, for each partition assigned; nothing is known of
        a topic that is gone."""
        if self._gone:
            return {}
        ends = self._statistics.ends.get(self._topic, {})
        return self._assignment.lag({each: end.stable for each, end in ends.items() if end.unstable})

    def unstable(self) -> dict[int, int]:
        """Offsets between the last stable offset and the end, for each partition assigned: an upstream transaction that
        is open holds them back; nothing is known of a topic that is gone."""
        if self._gone:
            return {}
        ends = self._statistics.ends.get(self._topic, {})
        return {each: ends[each].unstable if each in ends else 0 for each in self._assignment.assigned()}

    def oldest_waiting(self) -> dict[int, float]:
        """For each partition assigned how many seconds the oldest offset past what was read has been seen to wait, also
        one that an open upstream transaction holds back; 0 where none does."""
        return {} if self._gone else self._waiting.update(self._assignment.progress(), self._clock())

    def throttled_seconds(self) -> float:
        """For how long a broker held its answers back of late, as a quota has it."""
        return self._statistics.throttled_seconds

    def take_gaps(self) -> list[Gap]:
        """The gaps gone past (`--on-gap continue`) since the last call."""
        return self._assignment.take_gaps()

    def close(self) -> None:
        """Leaves the group, so that others get the partitions at once. Commits nothing."""
        self._assignment.leave()
        close(self._consumer, runtime=self._runtime)

    def _join_anew(self) -> None:
        """Gives up a client that knows no broker any more: it would never find one again. The same for one that got no
        answer within a callback, where nothing tells whether it still knows any.

        It forgets them all when one answers with an empty list, as a node does that hung and is not let in again yet
        (librdkafka 2.16, its issue 5301). Nothing is lost by it: a new member begins at the committed offsets.
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
        self._identity.reopen()
        self._open(Statistics(self._statistics.last_answer, self._clock), self._assignment.revocations + 1)
        self._assignment.subscribe(self._on_revoke, rejoined=unanswered is not None)

    def _consume(self, count: int, seconds: float) -> list[Message]:
        try:
            messages = calling(f"read {self._topic}", lambda: self._consumer.consume(count, seconds))
        except DeliveryError as error:
            raise WorkerError(str(error)) from error
        if self._blocked or any(error is not None for error in map(Message.error, messages)):
            messages = [message for message in messages if self._is_next(message)]
        if self._assignment.failure is not None:
            raise self._assignment.failure
        return messages

    def _is_next(self, message: Message) -> bool:
        """Whether this is a record, and none is missing between it and the one before."""
        partition, error = message.partition(), message.error()
        if partition in self._blocked:
            return False  # after a wrong checksum librdkafka 2.16 loses its place: errors at offsets that never were
        if error is not None and self._assignment.heeds(partition, error):
            self._judge(message, error)
        return error is None

    def _judge(self, message: Message, error: KafkaError) -> None:
        """What an error in the place of a record means: nothing, a position lost, or the end."""
        where = f"read {self._topic} as group {self._group_id}"
        if message.offset() is not None:
            where = f"read {message.topic() or self._topic}, partition {message.partition()}, offset {message.offset()}"
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._assignment.overtaken(cast("int", message.partition()))
        elif unreadable(error):
            # no record after it may be handed out; those before it, perhaps of this very poll, still are
            self._blocked.add(cast("int", message.partition()), WorkerError(remedy(message, self._group_id)))
        elif error.code() in _PASSING or isinstance(
            classify(error, where), RetriableError | MustAbortError | UnansweredError
        ):
            _log.warning("reading was interrupted", extra={"error": explain(error, where)})
        else:
            raise WorkerError(explain(error, where))

    def _pass_over(self) -> Batch | None:
        """What stands for a batch that cannot be read, once its extent is known. The partition is read on from its
        committed offset, so behind the batch once that is committed."""
        assignment = self._assignment
        for partition, found in self._blocked.finished(assignment.revocations):
            assignment.overtaken(partition)
            if found is not None:
                _log.error("passing over a batch that cannot be read", extra=_told(found))
                batch = Batch.of_unreadable(found)
                assignment.handed_out(batch.next_offsets())
                return batch
        self._blocked.search(assignment.next_offsets(), assignment.revocations)
        return None

    def _batch(self, messages: list[Message], *, drained: bool) -> Batch | None:
        if not messages:
            return None
        partitions = cast("list[int]", list(map(Message.partition, messages)))
        batch = Batch(
            topic=self._topic,
            partitions=partitions,
            offsets=cast("list[int]", list(map(Message.offset, messages))),
            timestamps=timestamps_of(messages),
            keys=cast("list[bytes | None]", list(map(Message.key, messages))),
            values=cast("list[bytes | None]", list(map(Message.value, messages))),
            headers=headers_of(messages, self._left_out),
            # behind a batch that is full there are records: the next one's offset passes the markers between
            read_to=self._read_to(set(partitions)) if drained else {},
        )
        self._assignment.handed_out(batch.next_offsets())
        return batch

    def _note(self, failure: WorkerError) -> None:
        self._assignment.failure = self._assignment.failure or failure
