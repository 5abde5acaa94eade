"""Deliver without transactions: write first, commit after. A crash between the two repeats records and loses none."""

import logging
from collections.abc import Callable, Mapping, Sequence

from consumer.delivery.background_call import BackgroundCall, Run
from consumer.delivery.interface import GRACE_SECONDS, Adapt, BatchTimes, CommitResult, Producer, cannot_adapt
from consumer.errors import (
    DeliveryError,
    MustAbortError,
    RecordsRefusedError,
    RefusedError,
    RetriableError,
    UnansweredError,
    UndeliveredError,
    WorkerError,
)
from consumer.records import OutRecord, Partition
from consumer.runtime import Retry

_log = logging.getLogger("consumer.at_least_once")


class AtLeastOnce:
    """Writes with one plain producer, waits for every acknowledgement, then commits."""

    def __init__(
        self,
        make_producer: Callable[[], Producer],
        commit: Callable[[Mapping[Partition, int]], None],
        retry: Retry | None = None,
        adapt: Adapt = cannot_adapt,
    ) -> None:
        self._make_producer = make_producer
        self._commit = commit
        self._retry = retry or Retry()
        self._adapt = adapt
        self._clock = self._retry.runtime.clock
        self._producer: Producer | None = None
        self._flush = BackgroundCall(self._retry.call_seconds + GRACE_SECONDS, self._retry.runtime)
        self._times = BatchTimes(self._clock)

    def start(self) -> None:
        self._producer = self._make_producer()

    def publish(self, records: Sequence[OutRecord]) -> None:
        began = self._clock()
        try:
            # 1. Results, alerts, dead letters.
            producer = self._producer = self._producer or self._make_producer()
            producer.produce(records)
        except DeliveryError as error:
            raise self._recover(error) from error
        self._times.add_publish(began)

    def begin_commit(self, next_offsets: Mapping[Partition, int]) -> None:
        producer = self._producer

        def flush(run: Run) -> None:
            if producer is None:  # a new one would have nothing to write, and the offsets would be committed
                raise MustAbortError("nothing is published")
            # 2. Every delivery report is read; one that failed stops here, and the offsets stay.
            self._retry.call(run.call, "write", producer.flush, on=(UnansweredError,))

        def commit() -> None:
            # 3. Only then: the offset after the batch in each partition. A repeated commit does no harm. It is made by
            # `wait` or `finish_commit`, on the worker's thread: a consumer serves one thread at a time.
            self._retry.call(self._commit, next_offsets, on=(RetriableError, UnansweredError))

        self._times.begin_commit()
        self._flush.start(flush, then=commit)

    def committing(self) -> bool:
        return self._flush.busy()

    def wait(self) -> None:
        self._flush.wait()

    def finish_commit(self) -> CommitResult | None:
        try:
            committed_at = self._flush.result()
        except DeliveryError as error:
            raise self._recover(error) from error
        if committed_at is not None:
            return self._times.finish(committed_at)
        if self._producer is not None:
            self._producer.serve()
        return None

    def close(self) -> None:
        self._flush.close()
        self._drop()

    def _drop(self) -> None:
        if self._producer is not None:
            self._producer.drop()
        self._producer = None

    def _recover(self, error: DeliveryError) -> UndeliveredError:
        """Get ready for the next batch. Raises WorkerError when there should be none."""
        _log.warning("batch given up", extra={"reason": str(error)})
        self._times.reset()
        self._drop()  # with the records in its queue: they will be written again
        if isinstance(error, RecordsRefusedError):
            self._adapt(error)  # the next producer is new in any case
            return UndeliveredError(str(error), adapted=True)
        if isinstance(error, RefusedError):
            raise WorkerError(str(error)) from error
        return UndeliveredError(str(error))
