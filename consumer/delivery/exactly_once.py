"""Deliver with transactions: a batch's output and its offsets are committed together.

An offset is never committed before the output of its event. What each kind of error asks for is decided here.
"""

import contextlib
import functools
import logging
import math
from collections.abc import Callable, Mapping, Sequence

from consumer.delivery.background_call import BackgroundCall, Run
from consumer.delivery.interface import (
    COMMIT,
    GRACE_SECONDS,
    SEND_OFFSETS,
    Adapt,
    BatchTimes,
    CommitResult,
    Producer,
    cannot_adapt,
)
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
from consumer.kafka.membership import Membership
from consumer.records import OutRecord, Partition
from consumer.runtime import Retry

_log = logging.getLogger("consumer.delivery")

# It takes milliseconds when all is well. A producer whose group coordinator has moved may look for it without end
# (issues 5456 and 5511 of librdkafka), while a new producer finds it at once. Both producers may take this long.
_OFFSETS_SECONDS = 6.0

# A broken producer is replaced, unless it was replaced within this many seconds: two live processes with one
# transactional id would otherwise fence each other for ever.
_REPLACED_SECONDS = 300.0


class ExactlyOnce:
    """Writes with two transactional producers in turn.

    So a transaction never waits for the markers of the one before: librdkafka backs off 20 ms while they are written (5
    to 9 times fewer batches measured with one producer). A transaction begins only after the commit of the one before
    has returned: output and offsets stay in order.
    """

    def __init__(  # noqa: PLR0913 - each is a collaborator or a bound of its own
        self,
        make_producer: Callable[[str], Producer],
        transactional_ids: Sequence[str],
        membership: Callable[[], Membership],
        retry: Retry | None = None,
        *,
        transaction_seconds: float = math.inf,
        adapt: Adapt = cannot_adapt,
    ) -> None:
        """`membership` raises MustAbortError when the group has expelled this worker. The broker ends a transaction
        after `transaction_seconds` (`transaction.timeout.ms`)."""
        self._make_producer = make_producer
        self._adapt = adapt
        self._transaction_seconds = transaction_seconds
        self._began = -math.inf  # of the latest transaction
        self._ids = list(transactional_ids)
        self._membership = membership
        self._retry = retry or Retry()
        self._clock = self._retry.runtime.clock
        self._producers: dict[str, Producer] = {}
        self._replaced: dict[str, float] = {}  # transactional id -> time of its producer's latest replacement
        self._turn = 0
        self._open = False  # a transaction has begun, and its commit has not
        self._current = self._ids[0]  # transactional id of that transaction, or of the latest
        self._joined_as: Membership | None = None  # at the beginning of the transaction
        self._commit = BackgroundCall(self._retry.call_seconds + GRACE_SECONDS, self._retry.runtime)
        self._times = BatchTimes(self._clock)

    def start(self) -> None:
        # this ends the transactions that an earlier process left open under the ids
        for transactional_id in self._ids:
            self._make(transactional_id)

    def publish(self, records: Sequence[OutRecord]) -> None:
        # the order of the steps, in here and in `begin_commit`, is what makes it exactly once
        began = self._clock()
        if not self._open:
            self._begin()
        try:
            # 3. Results, alerts, dead letters.
            self._producers[self._current].produce(records)
        except DeliveryError as error:
            raise self._recover(error) from error
        self._times.add_publish(began)

    def begin_commit(self, next_offsets: Mapping[Partition, int]) -> None:
        producer = self._producers[self._current]
        group = self._metadata_or_refusal()

        def commit(run: Run) -> None:
            if isinstance(group, MustAbortError):
                raise group  # here, so that `finish_commit` aborts the transaction as after a failed commit
            # 4. The offset after the batch in each partition; skipped and dead-lettered records are behind it too.
            send_offsets = functools.partial(producer.send_offsets, next_offsets, group)
            self._retry.call(run.call, SEND_OFFSETS, send_offsets, _OFFSETS_SECONDS)
            # 5. Commit: waits until every record is written, then all of it counts at once.
            self._retry.call(run.call, COMMIT, producer.commit)

        self._open = False
        self._times.begin_commit()
        self._commit.start(commit)

    def committing(self) -> bool:
        return self._commit.busy()

    def wait(self) -> None:
        self._commit.wait()

    def finish_commit(self) -> CommitResult | None:
        try:
            committed_at = self._commit.result()
        except DeliveryError as error:
            raise self._recover(error) from error
        if committed_at is not None:
            return self._times.finish(committed_at)
        for producer in self._producers.values():
            producer.serve()
        return None

    def close(self) -> None:
        self._commit.close()
        if self._open:  # otherwise readers would wait until the broker ends it
            with contextlib.suppress(DeliveryError):
                self._producers[self._current].abort()
        while self._producers:
            _, producer = self._producers.popitem()
            producer.drop()

    def _begin(self) -> None:
        # 1. The membership, before the transaction: what is open when partitions are lost must not be committed. Before
        # partitions are revoked it is committed, see `Worker._commit_pending`.
        try:
            self._joined_as = self._membership()
        except MustAbortError as error:
            raise UndeliveredError(str(error)) from error
        self._current = self._ids[self._turn % len(self._ids)]
        self._turn += 1
        self._began = self._clock()
        try:
            # 2. Begin, after the commit of the transaction before has returned.
            self._retry.call(self._producers[self._current].begin)
        except DeliveryError as error:
            raise self._recover(error) from error
        self._open = True

    def _metadata_or_refusal(self) -> bytes | MustAbortError:
        """Return the group metadata to commit with, or why none may commit.

        Partitions that were revoked since the transaction began are another worker's to commit, even if this one is a
        member again. Called on the worker's thread, because a consumer serves one thread at a time.
        """
        try:
            membership = self._membership()
        except MustAbortError as error:
            return error
        if membership != self._joined_as:
            return MustAbortError("partitions were taken away from this worker")
        return membership.metadata

    def _recover(self, error: DeliveryError) -> UndeliveredError:
        """Abort the transaction or replace its producer. Raises WorkerError when there should be no other one."""
        transactional_id, self._open = self._current, False
        self._times.reset()
        _log.warning("transaction given up", extra={"transactional_id": transactional_id, "reason": str(error)})
        if isinstance(error, RecordsRefusedError):
            return self._adapt_records(transactional_id, error)
        if isinstance(error, RefusedError):
            with contextlib.suppress(DeliveryError):
                self._producers[transactional_id].abort()
            raise WorkerError(str(error)) from error
        if isinstance(error, FatalError):
            self._replace_once(transactional_id, error)
        elif isinstance(error, UnansweredError):
            self._replace(transactional_id)
        else:
            self._abort(transactional_id)
        return UndeliveredError(str(error))

    def _adapt_records(self, transactional_id: str, error: RecordsRefusedError) -> UndeliveredError:
        self._abort(transactional_id)
        if self._adapt(error):
            self._replace(*self._ids)
        return UndeliveredError(str(error), adapted=True)

    def _abort(self, transactional_id: str) -> None:
        try:
            self._retry.call(self._producers[transactional_id].abort)
        except FatalError as error:  # the error before it may have hidden that another producer has the id now
            self._replace_once(transactional_id, error)
        except DeliveryError as error:
            extra = {"transactional_id": transactional_id, "reason": str(error)}
            _log.warning("the abort failed too", extra=extra)
            self._replace(transactional_id)  # a new producer of the id ends the transaction that is open under it

    def _replace_once(self, transactional_id: str, error: FatalError) -> None:
        """Replace a broken producer. Raises WorkerError when it breaks again too soon."""
        if isinstance(error, ExpiredError):
            # no fault of a producer, however often; the other id, idle for as long, has expired with this one
            self._replace(*self._ids)
            return
        now = self._clock()
        if isinstance(error, FencedError) and now - self._began >= self._transaction_seconds:
            # by the broker, which ends a transaction after that time: no other process uses the id
            self._replace(transactional_id)
            return
        # Of two processes with the same ids the first id alone decides which process stops. If both ids counted, each
        # process could lose one and both would stop (in 1757 of 3000 interleavings, started at the same time).
        decided_by_the_first = isinstance(error, FencedError) and transactional_id != self._ids[0]
        if not decided_by_the_first and now - self._replaced.get(transactional_id, -math.inf) < _REPLACED_SECONDS:
            raise _unusable(transactional_id, error) from error
        self._replaced[transactional_id] = now
        self._replace(transactional_id)

    def _replace(self, *transactional_ids: str) -> None:
        for transactional_id in transactional_ids:
            self._producers.pop(transactional_id).drop()
            self._make(transactional_id)

    def _make(self, transactional_id: str) -> None:
        producer = self._producers[transactional_id] = self._make_producer(transactional_id)
        try:
            # Before the first transaction nothing can be lost, so a timeout here only means: call again.
            self._retry.call(producer.init, on=(RetriableError, UnansweredError))
        except DeliveryError as error:
            raise _unusable(transactional_id, error) from error


def _unusable(transactional_id: str, error: DeliveryError) -> WorkerError:
    """Return the error that ends the worker, with the remedy for a fenced producer."""
    fenced = isinstance(error, FencedError)
    remedy = "; another process uses this id: stop it, or give each worker its own --slot" if fenced else ""
    return WorkerError(f"transactional id {transactional_id}: {error}{remedy}")
