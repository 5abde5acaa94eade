"""Delivery without transactions: written first and committed after, so a crash between the two repeats records, and
loses none."""

import logging
from collections.abc import Callable, Sequence

from consumer.delivery.background_call import Call, Errand
from consumer.delivery.exactly_once import GRACE_SECONDS, Adapt, Committed, Producer, UnderWay, no_other_form
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
from consumer.records import OutRecord
from consumer.runtime import Retry

_log = logging.getLogger("consumer.at_least_once")


class AtLeastOnce:
    """One plain producer: writes, waits for every acknowledgement, then commits. What fails is read again."""

    def __init__(
        self,
        make_producer: Callable[[], Producer],
        commit: Callable[[str, dict[int, int]], None],
        retry: Retry | None = None,
        adapt: Adapt = no_other_form,
    ) -> None:
        self._adapt = adapt
        self._make_producer = make_producer
        self._commit = commit
        self._retry = retry or Retry()
        self._clock = self._retry.runtime.clock
        self._producer: Producer | None = None
        self._flush = Errand(self._retry.call_seconds + GRACE_SECONDS, self._retry.runtime)
        self._under_way = UnderWay()

    def start(self) -> None:
        """Opens the producer."""
        self._producer = self._make_producer()

    def publish(self, records: Sequence[OutRecord]) -> None:
        """See `Delivery`."""
        started = self._clock()
        try:
            # 1. Results, alerts, dead letters.
            producer = self._producer = self._producer or self._make_producer()
            producer.produce(records)
        except DeliveryError as error:
            raise self._give_up(error) from error
        self._under_way.publishing += self._clock() - started

    def commit(self, topic: str, next_offsets: dict[int, int]) -> None:
        """See `Delivery`."""
        producer = self._producer

        def flush(call: Call) -> None:
            if producer is None:  # a new one would have nothing to write, and the offsets would be committed
                raise MustAbortError("nothing is published")
            # 2. Every delivery report is read; one that failed stops here, and the offsets stay.
            self._retry.call(call, "write", producer.flush, on=(UnansweredError,))

        # 3. Only then: the offset after the batch in each partition. Committing the same twice does no harm. From the
        # caller's thread, since the consumer, which commits, serves one at a time.
        self._under_way.committing = self._clock()
        self._flush.start(flush, then=lambda: self._insist_on_commit(topic, next_offsets))

    def busy(self) -> bool:
        """See `Delivery`."""
        return self._flush.busy()

    def wait(self) -> None:
        """See `Delivery`."""
        self._flush.wait()

    def settle(self) -> Committed | None:
        """See `Delivery`."""
        try:
            ended = self._flush.result()
        except DeliveryError as error:
            raise self._give_up(error) from error
        if ended is not None:
            under_way, self._under_way = self._under_way, UnderWay()
            return under_way.committed(ended)
        if self._producer is not None:
            self._producer.serve()
        return None

    def close(self) -> None:
        """Drops the producer."""
        self._flush.close()
        self._drop()

    def _insist_on_commit(self, topic: str, next_offsets: dict[int, int]) -> None:
        self._retry.call(self._commit, topic, next_offsets, on=(RetriableError, UnansweredError))

    def _drop(self) -> None:
        if self._producer is not None:
            self._producer.drop()
        self._producer = None

    def _give_up(self, error: DeliveryError) -> UndeliveredError:
        _log.warning("batch given up", extra={"reason": str(error)})
        self._under_way = UnderWay()
        self._drop()  # with what it still had queued: that will be written again
        if isinstance(error, RecordsRefusedError):
            self._adapt(error)  # the next producer is new in any case
            return UndeliveredError(str(error), adapted=True)
        if isinstance(error, RefusedError):
            raise WorkerError(str(error)) from error
        return UndeliveredError(str(error))
