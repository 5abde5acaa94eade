"""Which partitions are this worker's, and where in each to read: what a rebalance gives and takes, and the way back.

librdkafka swallows what a callback raises and moves on (9 messages lost in a trial), so the callbacks here only note
an error; `Source.poll` raises it before it hands anything out.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer.errors import DeliveryError, MustAbortError, RetriableError, UnansweredError, WorkerError
from consumer.kafka.client import guarded
from consumer.kafka.errors import calling, classify
from consumer.kafka.statistics import Progress
from consumer.kafka.topic_identity import Read, describe_recreated
from consumer.records import Gap
from consumer.runtime import Retry

_log = logging.getLogger("consumer.kafka.assignment")

_ASK_SECONDS = 5.0  # how long one question to the broker may take before it is asked again
# A client may forget its brokers while a callback waits for them, which is found out only between polls (librdkafka
# 5301; 60 s lost in one of a hundred runs). So a callback waits for this long, and a new client may then wait longer.
_CALLBACK_SECONDS = 5.0
# of a partition that the group has just given: a broker that is just back does not know it yet
_NOT_KNOWN_YET = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_NOT_YET = {KafkaError._STATE, KafkaError._PREV_IN_PROGRESS}  # a partition that is just being started or stopped


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is read, for which group, and whether to go on where retention took records before they were read."""

    group_id: str
    topic: str
    continue_on_gap: bool = False


class Assignment:
    """The partitions of one consumer. A partition is astray from `rewind` until it stands at its committed offset."""

    def __init__(
        self,
        consumer: Consumer,
        subscription: Subscription,
        retry: Retry,
        *,
        cooperative: bool,
        revocations: int = 0,
    ) -> None:
        """`revocations`: to count on from."""
        self._consumer = consumer
        self._on_revoke: Callable[[], object] | None = None
        self._topic = subscription.topic
        self._cooperative = cooperative
        self._continue_on_gap = subscription.continue_on_gap
        self._retry = retry
        self._places: dict[int, tuple[int, int]] = {}  # partition -> its committed offset (< 0: none), where to start
        self._next: dict[int, int] = {}  # partition -> one past the last offset handed out, and past markers behind it
        self._begun: Counter[int] = Counter()  # partition -> how often reading began at an offset that was looked up
        self._astray: set[int] = set()
        self._astray_since = 0.0
        self._halted: set[int] = set()  # those of the astray that librdkafka has stopped reading
        self._taken: set[int] = set()  # taken away since the last `settle`
        self._gaps: list[Gap] = []
        self.revocations = revocations
        """The number of times that partitions were revoked or lost."""
        self._leaving = False
        self._last_chance = False
        self.unanswered: DeliveryError | None = None
        """Why a callback could not look up where to begin: the group must be joined again with another consumer."""
        self.failure: WorkerError | None = None

    def subscribe(self, on_revoke: Callable[[], object], *, rejoined: bool = False) -> None:
        """Subscribe to the topic; partitions come and go while the consumer is polled.

        `on_revoke` is called before partitions are revoked, and before committed offsets are looked up again.
        `rejoined`: the consumer replaces one that got no answer; its first callback retries for the full time.
        """
        self._on_revoke = on_revoke
        self._last_chance = rejoined
        what = f"a rebalance of {self._topic} could not be followed"
        given, revoked, lost = (guarded(each, what, self._note) for each in (self._given, self._revoked, self._lost))
        self._consumer.subscribe([self._topic], on_assign=given, on_revoke=revoked, on_lost=lost)

    def leave(self) -> None:
        """From here on partitions may still be given, by a rebalance that was under way, but none is read.

        A closing client answers no question: looking up where to begin would be retried to the end (62 s seen).
        """
        self._leaving = True

    def rewind(self) -> None:
        """All partitions go back to their committed offsets before anything of them is handed out again."""
        self._send_back(self._places)

    def settle(self) -> None:
        """Begins a poll: brings back what is astray, where the broker answers. Raises WorkerError after all retries."""
        self._taken.clear()
        if not self._astray:
            return
        self._commit_pending()  # or what is published, and committed only after we have asked, would be read again
        try:
            self._go_back()
        except (RetriableError, UnansweredError, MustAbortError) as error:
            if self._retry.runtime.clock() - self._astray_since > self._retry.seconds:
                raise WorkerError(f"{self._topic}: {error}; is the broker reachable?") from error
        except DeliveryError as error:
            raise WorkerError(f"{self._topic}: {error}") from error

    def trusted(self, messages: list[Message]) -> list[Message]:
        """Without the records of partitions that were taken away meanwhile, or are still astray."""
        if self.unanswered is not None:
            self._send_back(self._places)  # or the position after what is dropped here would be committed
            return []  # the client began to read by itself, nobody knows where
        self._send_back(self._taken & self._places.keys())  # taken and given back: which of its records came when?
        unsure = self._taken | self._astray
        return [message for message in messages if message.partition() not in unsure] if unsure else messages

    def handed_out(self, next_offsets: dict[int, int]) -> None:
        """Notes how far reading has come."""
        self._next |= next_offsets

    def overtaken(self, partition: int) -> None:
        """The broker no longer has the offset that was to be read next: going back finds out what is lost."""
        if partition in self._places:
            self._halted.add(partition)
            self._send_back([partition])

    def read_to(self, partitions: Iterable[int]) -> dict[int, int]:
        """Return the offset after the last thing read of each partition, commit markers and aborted records included.

        To be committed only when every record read so far has been handed out. The client knows no position between
        going back and the next thing read (librdkafka 2.16, tried); one that is not known is left out.
        """
        wanted = [
            TopicPartition(self._topic, each) for each in partitions if each in self._places.keys() - self._astray
        ]
        try:
            positions = self._consumer.position(wanted)
        except KafkaException:
            return {}
        return {each.partition: each.offset for each in positions if each.error is None and each.offset >= 0}

    def still_holds(self, next_offsets: Mapping[int, int]) -> bool:
        """Return whether all these offsets may be committed: none is of a partition that was taken away meanwhile.

        One that was, and was given back, begins at its committed offset: nothing before that may be committed.
        """
        return all(
            partition in self._places and offset >= self._places[partition][0]
            for partition, offset in next_offsets.items()
        )

    def read_on(self) -> dict[int, int]:
        """Return the positions that have moved past the last record handed out: only markers were read since."""
        return {
            partition: position
            for partition, position in self.read_to(self._places).items()
            if position > self._next.get(partition, self._places[partition][1])
        }

    def assigned(self) -> list[int]:
        """Return the partitions that are this worker's."""
        return sorted(self._places)

    def heeds(self, partition: int | None, error: KafkaError) -> bool:
        """Tell whether an error in the place of a record means anything: what still comes of a partition that has to go
        back is of where it was, but that reading it has stopped is to be known."""
        return partition not in self._astray or error.code() == KafkaError._AUTO_OFFSET_RESET

    def positions(self) -> dict[int, Read]:
        """For each partition that was read from, how far."""
        return {partition: Read(self._begun[partition], position) for partition, position in self._next.items()}

    def next_offsets(self) -> dict[int, int]:
        """For each partition that does not have to go back the offset that is read next; negative for the oldest."""
        steady = {partition: start for partition, (_, start) in self._places.items() if partition not in self._astray}
        return {partition: self._next.get(partition, start) for partition, start in steady.items()}

    def made_anew(self, old: dict[int, Read]) -> None:
        """The topic is another one by the same name, since a while; `old` is how far the one before was read.

        Raises WorkerError, or with --on-gap continue goes on from where reading is and counts what is known to lie
        before.
        """
        try:
            gaps = [gap for partition, read in sorted(old.items()) if (gap := self._passed_over(partition, read))]
        except KafkaException:  # no broker says what the new one holds, so nothing is known of it
            gaps = []
        message = describe_recreated(self._topic, gaps)
        if not self._continue_on_gap:
            raise WorkerError(message)
        _log.error("went on in a topic made anew", extra={"gap": message, "records": sum(g.never_seen for g in gaps)})
        self._gaps += gaps

    def _passed_over(self, partition: int, old: Read) -> Gap | None:
        """What lies before the old position in the new topic, if the client is known to have read on from there.

        Not where reading has begun anew since, from the group's offsets or the beginning. And not while the client has
        yet to fetch from the new topic: it may still find that its offset is past the end, and begin anew.
        """
        if partition not in self._places or self._begun[partition] != old.begun or partition in self._astray:
            return None
        place = TopicPartition(self._topic, partition)
        low, high = self._consumer.get_watermark_offsets(place, _ASK_SECONDS)
        fetched = self._consumer.get_watermark_offsets(place, cached=True)
        reads_on = fetched == (low, high) and self._next.get(partition, -1) <= high
        return Gap(self._topic, partition, low, old.next, high) if reads_on and low < old.next else None

    def take_gaps(self) -> list[Gap]:
        """The gaps passed since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def progress(self) -> dict[int, Progress]:
        """Return for each partition how far it is read and where it ends, as far as the last fetch told."""
        found = {}
        read_to = self._next | self.read_to(self._places)
        for partition, (_, start) in self._places.items():
            low, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            if high >= 0:
                found[partition] = Progress(read_to.get(partition, max(start, low, 0)), high)
        return found

    def lag(self, last_stable: Mapping[int, int]) -> dict[int, int]:
        """Return for each partition the offsets between what is read and the end that can be read.

        `last_stable` has that end, of partitions in which an upstream transaction is open.
        """
        return {
            partition: max(0, last_stable.get(partition, each.end) - each.read_to)
            for partition, each in self.progress().items()
        }

    # -- callbacks, called from within the consumer's poll: they never raise --------------------------------------

    def _note(self, failure: WorkerError) -> None:
        self.failure = self.failure or failure

    def _given(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._leaving:
            return  # the client itself takes them, and gives them up as it closes
        numbers = [partition.partition for partition in partitions]
        try:
            places = self._look_up_in_callback(numbers)
            starts = [TopicPartition(self._topic, number, start) for number, (_, start) in places.items()]
            if self._cooperative:
                consumer.incremental_assign(starts)
            else:
                consumer.assign(starts)
        except (RetriableError, UnansweredError) as error:
            self.unanswered = error
        except (DeliveryError, KafkaException) as error:
            self.failure = WorkerError(f"could not begin to read {self._topic}: {error}")
        except WorkerError as error:
            self.failure = error
        else:
            self._places |= places
            self._begun.update(places.keys())
            _log.info("partitions assigned", extra={"topic": self._topic, "partitions": sorted(numbers)})

    def _look_up_in_callback(self, numbers: list[int]) -> dict[int, tuple[int, int]]:
        """Look up where to begin. Raises RetriableError or UnansweredError when another client should be tried."""
        seconds = min(_CALLBACK_SECONDS, self._retry.seconds)
        retry = self._retry if self._last_chance else replace(self._retry, seconds=seconds)
        ask_seconds = _ASK_SECONDS if self._last_chance else seconds / 2
        again = (RetriableError, UnansweredError)
        try:
            places = retry.call(self._look_up, numbers, ask_seconds, on=again)
        except again as error:
            if self._last_chance:
                raise WorkerError(f"could not begin to read {self._topic}: {error}") from error
            raise
        self._last_chance = False
        return places

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        if not self._leaving:  # then nothing can be committed any more
            self._commit_pending()  # a commit that the group no longer has us for would be in vain
        _log.info("partitions revoked", extra={"topic": self._topic, "partitions": self._forget(partitions)})

    def _commit_pending(self) -> None:
        if self._on_revoke is not None:
            self._on_revoke()

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        _log.warning("partitions lost", extra={"topic": self._topic, "partitions": self._forget(partitions)})

    def _forget(self, partitions: list[TopicPartition]) -> list[int]:
        self.revocations += 1
        numbers = sorted(partition.partition for partition in partitions)
        for number in numbers:
            self._places.pop(number, None)
            self._next.pop(number, None)
        self._astray.difference_update(numbers)
        self._halted.difference_update(numbers)
        self._taken.update(numbers)
        return numbers

    # -- positions -----------------------------------------------------------------------------------------------

    def _send_back(self, partitions: Iterable[int]) -> None:
        if not self._astray:
            self._astray_since = self._retry.runtime.clock()
        self._astray.update(partitions)

    def _go_back(self) -> None:
        for partition, (committed, start) in self._look_up(sorted(self._astray)).items():
            self._move(partition, start)
            self._places[partition] = (committed, start)
            self._begun[partition] += 1
            self._next.pop(partition, None)
            self._astray.discard(partition)
            self._halted.discard(partition)

    def _move(self, partition: int, start: int) -> None:
        there = TopicPartition(self._topic, partition, start)
        try:
            if partition not in self._halted:
                self._consumer.seek(there)
            elif self._cooperative:  # one that is not being read cannot seek: it is begun anew
                self._consumer.incremental_unassign([there])
                self._consumer.incremental_assign([there])
            else:
                others = {number: self._next.get(number, place[1]) for number, place in self._places.items()}
                moved = others | {partition: start}
                self._consumer.assign([TopicPartition(self._topic, *each) for each in moved.items()])
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.code() == KafkaError._STATE:
                # it is not being read, perhaps since its position was lost while it was blocked: no error tells again
                self._halted.add(partition)
            if error.code() in _NOT_YET:
                raise RetriableError(f"partition {partition} is not ready to go back") from exception
            raise classify(error, f"go back to offset {start} of partition {partition}") from exception

    def _look_up(self, partitions: Iterable[int], seconds: float = _ASK_SECONDS) -> dict[int, tuple[int, int]]:
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        doing = "read the committed offsets"
        places = {}
        for answer in calling(doing, lambda: self._consumer.committed(wanted, seconds), _NOT_KNOWN_YET):
            if answer.error is not None:
                raise classify(answer.error, doing)
            places[answer.partition] = (answer.offset, self._start(answer.partition, answer.offset, seconds))
        return places

    def _start(self, partition: int, committed: int, seconds: float) -> int:
        if committed < 0:  # a new group begins with the oldest event
            return OFFSET_BEGINNING
        known = self._places.get(partition)
        position = known[1] if known is not None and known[0] == committed else committed
        asked = TopicPartition(self._topic, partition)
        low, high = calling(
            "ask for the oldest and newest offsets",
            lambda: self._consumer.get_watermark_offsets(asked, seconds),
            _NOT_KNOWN_YET,
        )
        if low <= position <= high:
            return position
        return self._pass(Gap(self._topic, partition, position, low, high))

    def _pass(self, gap: Gap) -> int:
        if not self._continue_on_gap:
            raise WorkerError(str(gap))
        if gap not in self._gaps:
            _log.error("went on past a gap", extra={"gap": str(gap), "records": gap.never_seen})
            self._gaps.append(gap)
        return gap.low
