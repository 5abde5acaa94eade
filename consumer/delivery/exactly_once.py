"""When is an offset committed? Together with what became of it, or after it; never before.

`ExactlyOnce` puts both into one transaction; what each kind of error asks for is decided here. Without transactions:
at_least_once.py.

A batch is published part by part, and its commit goes on beside the caller, who reads and scores the next one meanwhile
and settles this one before publishing that. So commits and output stay in order, and one batch at most is under way.
"""

import contextlib
import functools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from consumer.delivery.background_call import Call, Errand
from consumer.errors import (
    DeliveryError,
    ExpiredError,
    FatalError,
    FencedError,
    MustAbortError,
    RecordsRefusedError,
    RefusedError,
    RetriableError,
    UnansweredError,
    UndeliveredError,
    WorkerError,
)
from consumer.kafka.group_metadata import Membership
from consumer.records import OutRecord
from consumer.runtime import Retry

_log = logging.getLogger("consumer.delivery")

SEND_OFFSETS: Final = "send offsets to the transaction"
COMMIT: Final = "commit the transaction"
GRACE_SECONDS: Final = 3.0  # for a call that has had its time to come back by itself, with a better reason

# Milliseconds when all is well. A producer whose coordinator of groups has gone may look for it without end (issues
# 5456 and 5511 of librdkafka), where a new one finds it at once; of two producers each may take this long.
_OFFSETS_SECONDS = 6.0

# A producer that breaks is replaced once; a second time within this many seconds is no accident any more. Two live
# processes with one transactional id would otherwise fence each other for ever.
_FORGIVEN_SECONDS = 300.0

Adapt = Callable[[RecordsRefusedError], bool]
"""Makes the records refused go out in another form the next time; returns whether producers must be made again. Raises
WorkerError where they have no other form."""


def no_other_form(error: RecordsRefusedError) -> bool:
    """Refuse to adapt."""
    raise WorkerError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Committed:
    """How the delivery of a batch went."""

    seconds: dict[str, float]  # that `publish` and `commit` took
    at: float  # when the commit was done, by the runtime's clock


@dataclass(slots=True)
class UnderWay:
    """A batch that is published, so far: the seconds that took, and when its commit began."""

    publishing: float = 0.0
    committing: float = 0.0

    def committed(self, at: float) -> Committed:
        """How it went, once it is committed."""
        return Committed({"publish": self.publishing, "commit": at - self.committing}, at)


class Delivery(Protocol):
    """Makes one batch's records visible and its offsets committed.

    `publish` and `settle` raise UndeliveredError when the batch, all its parts, must be read again, WorkerError when
    trying again is no use.
    """

    def start(self) -> None:
        """Gets ready to write. Raises WorkerError when the brokers will not have it."""

    def publish(self, records: Sequence[OutRecord]) -> None:
        """Writes a part of a batch. The batch before must be settled."""

    def commit(self, topic: str, next_offsets: dict[int, int]) -> None:
        """Begins the commit of the batch whose parts were published."""

    def busy(self) -> bool:
        """Whether a commit is under way."""

    def wait(self) -> None:
        """Brings the commit under way to its end, if there is one; how it ended `settle` will tell."""

    def settle(self) -> Committed | None:
        """The same, and how it ended; None when no commit was begun since the last time."""

    def close(self) -> None:
        """Lets go of the producers, once the commit under way has ended. What is published beyond it is given up."""


class Producer(Protocol):
    """One producer; each call raises the kind of DeliveryError that says what must follow."""

    def init(self) -> None: ...
    def begin(self) -> None: ...
    def produce(self, records: Sequence[OutRecord]) -> None: ...
    def flush(self) -> None: ...
    def send_offsets(
        self, topic: str, next_offsets: dict[int, int], group: bytes, metadata: Mapping[int, str] | None = None
    ) -> None:
        """Add offsets to the transaction; `metadata` is text that Kafka keeps beside them, by partition."""

    def commit(self) -> None: ...
    def abort(self) -> None: ...
    def serve(self) -> None: ...
    def drop(self) -> None: ...


class ExactlyOnce:
    """Two transactional producers take turns, so that a transaction never waits for the markers of the one before
    (librdkafka backs off 20 ms while they are written: 5 to 9 times fewer batches measured with one producer).

    A transaction begins only after the last one's commit has returned: output and offsets stay in order.
    """

    def __init__(  # noqa: PLR0913 - each is a collaborator or a bound of its own
        self,
        make_producer: Callable[[str], Producer],
        transactional_ids: Sequence[str],
        membership: Callable[[], Membership],
        retry: Retry | None = None,
        *,
        transaction_seconds: float = math.inf,
        adapt: Adapt = no_other_form,
    ) -> None:
        """`membership` raises MustAbortError when the group has expelled this worker; `transaction_seconds` is how long
        the broker leaves a transaction open (`transaction.timeout.ms`)."""
        self._make_producer = make_producer
        self._adapt = adapt
        self._transaction_seconds = transaction_seconds
        self._began = -math.inf  # of the last transaction
        self._ids = list(transactional_ids)
        self._membership = membership
        self._retry = retry or Retry()
        self._clock = self._retry.runtime.clock
        self._producers: dict[str, Producer] = {}
        self._replaced: dict[str, float] = {}  # transactional id -> when its producer was last forgiven
        self._turn = 0
        self._open = False  # whether a transaction is begun whose commit is not
        self._name = self._ids[0]  # whose transaction that is, or was last
        self._joined_as: Membership | None = None  # when the transaction began
        self._commit = Errand(self._retry.call_seconds + GRACE_SECONDS, self._retry.runtime)
        self._under_way = UnderWay()

    def start(self) -> None:
        """Takes the transactional ids, which ends what an earlier process left open under them."""
        for name in self._ids:
            self._take(name)

    def publish(self, records: Sequence[OutRecord]) -> None:
        """See `Delivery`. The order of the steps, in here and in `commit`, is what keeps the promise."""
        started = self._clock()
        if not self._open:
            self._begin()
        try:
            # 3. Results, alerts, dead letters.
            self._producers[self._name].produce(records)
        except DeliveryError as error:
            raise self._give_up(error) from error
        self._under_way.publishing += self._clock() - started

    def commit(self, topic: str, next_offsets: dict[int, int]) -> None:
        """See `Delivery`."""
        insist, producer = self._retry.call, self._producers[self._name]
        group = self._committer(topic)

        def commit(call: Call) -> None:
            if isinstance(group, MustAbortError):
                raise group  # here, so that `settle` is who gives the transaction up
            # 4. The offset after the batch in each partition; skipped and dead-lettered records are behind it too.
            send = functools.partial(producer.send_offsets, topic, next_offsets, group)
            insist(lambda: call(SEND_OFFSETS, send, _OFFSETS_SECONDS))
            # 5. Commit: waits until every record is written, then all of it counts at once.
            insist(lambda: call(COMMIT, producer.commit))

        self._open = False
        self._under_way.committing = self._clock()
        self._commit.start(commit)

    def busy(self) -> bool:
        """See `Delivery`."""
        return self._commit.busy()

    def wait(self) -> None:
        """See `Delivery`."""
        self._commit.wait()

    def settle(self) -> Committed | None:
        """See `Delivery`."""
        try:
            ended = self._commit.result()
        except DeliveryError as error:
            raise self._give_up(error) from error
        if ended is not None:
            under_way, self._under_way = self._under_way, UnderWay()
            return under_way.committed(ended)
        for producer in self._producers.values():
            producer.serve()
        return None

    def close(self) -> None:
        """Drops both producers. A transaction that is open is aborted, lest readers wait for its time-out."""
        self._commit.close()
        if self._open:
            with contextlib.suppress(DeliveryError):
                self._producers[self._name].abort()
        while self._producers:
            _, producer = self._producers.popitem()
            producer.drop()

    def _begin(self) -> None:
        # 1. Who commits: asked before the transaction, so that whoever loses partitions meanwhile is found out.
        try:
            self._joined_as = self._membership()
        except MustAbortError as error:
            raise UndeliveredError(str(error)) from error
        self._name = self._ids[self._turn % len(self._ids)]
        self._turn += 1
        self._began = self._clock()
        try:
            # 2. Begin. No transaction is begun before the last one's commit has returned.
            self._retry.call(self._producers[self._name].begin)
        except DeliveryError as error:
            raise self._give_up(error) from error
        self._open = True

    def _committer(self, topic: str) -> bytes | MustAbortError:
        """Return the group metadata to commit with, or why none may commit.

        Partitions that were revoked since the transaction began are another worker's to commit, even if this one is a
        member again. From the caller's thread, for a consumer serves one at a time.
        """
        try:
            membership = self._membership()
        except MustAbortError as error:
            return error
        if membership != self._joined_as:
            return MustAbortError(f"partitions of {topic} were taken away from this worker")
        return membership.metadata

    def _give_up(self, error: DeliveryError) -> UndeliveredError:
        """Clears the way for the next transaction. Raises WorkerError when there should be none."""
        name, self._open, self._under_way = self._name, False, UnderWay()
        _log.warning("transaction given up", extra={"transactional_id": name, "reason": str(error)})
        if isinstance(error, RecordsRefusedError):
            return self._try_other_forms(name, error)
        if isinstance(error, RefusedError):
            with contextlib.suppress(DeliveryError):
                self._producers[name].abort()
            raise WorkerError(str(error)) from error
        if isinstance(error, FatalError):
            self._replace_once(name, error)
        elif isinstance(error, UnansweredError):
            self._replace(name)
        else:
            self._abort(name)
        return UndeliveredError(str(error))

    def _try_other_forms(self, name: str, error: RecordsRefusedError) -> UndeliveredError:
        self._abort(name)
        if self._adapt(error):
            for each in self._ids:
                self._replace(each)
        return UndeliveredError(str(error), adapted=True)

    def _abort(self, name: str) -> None:
        try:
            self._retry.call(self._producers[name].abort)
        except FatalError as error:  # the error before it may have hidden that the id is another's now
            self._replace_once(name, error)
        except DeliveryError as error:
            _log.warning("the abort failed too", extra={"transactional_id": name, "reason": str(error)})
            self._replace(name)  # taking the id again ends whatever is open under it

    def _replace_once(self, name: str, error: FatalError) -> None:
        if isinstance(error, ExpiredError):
            # says nothing against a producer, however often; the other id, idle for as long, has expired with this one
            for each in self._ids:
                self._replace(each)
            return
        now = self._clock()
        if isinstance(error, FencedError) and now - self._began >= self._transaction_seconds:
            # by the broker, which ends what is open for so long: that says nothing of another process
            self._replace(name)
            return
        # Of two processes with the same ids the first id alone decides which one stops. Were each id to count, each
        # could lose one to the other, and both stop (in 1757 of 3000 ways to take turns, started at the same time).
        decided_by_the_first = isinstance(error, FencedError) and name != self._ids[0]
        if not decided_by_the_first and now - self._replaced.get(name, -math.inf) < _FORGIVEN_SECONDS:
            raise WorkerError(f"transactional id {name}: {error}{_whose(error)}") from error
        self._replaced[name] = now
        self._replace(name)

    def _replace(self, name: str) -> None:
        self._producers.pop(name).drop()
        self._take(name)

    def _take(self, name: str) -> None:
        producer = self._producers[name] = self._make_producer(name)
        try:
            # Until the id is taken nothing is at stake, so a time-out here only means: ask again.
            self._retry.call(producer.init, on=(RetriableError, UnansweredError))
        except DeliveryError as error:
            raise WorkerError(f"transactional id {name}: {error}{_whose(error)}") from error


def _whose(error: DeliveryError) -> str:
    if not isinstance(error, FencedError):
        return ""
    return "; another process uses this id: stop it, or give each worker its own --slot"
