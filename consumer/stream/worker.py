"""The worker's loop: poll events, score them, publish the output, commit.

A batch is what is committed together. It is read, scored and published part by part, and grows while more events wait
and it can still be committed in time. While one batch commits in the background the next one is read and scored; it
is published once that commit has succeeded.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from consumer.delivery.interface import CommitResult, Delivery
from consumer.errors import UnavailableError, UndeliveredError, WorkerError, error_location
from consumer.kafka.consumer import KafkaSource
from consumer.observability.health import Health
from consumer.observability.metrics import Metrics
from consumer.observability.slow_batches import SlowBatches
from consumer.observability.tracing import NO_SPAN, OFF, Span, Tracing
from consumer.records import Batch, BatchStats, Output, Partition
from consumer.runtime import SYSTEM, Event, Runtime
from consumer.stream.batching import BatchSizer
from consumer.stream.circuit_breaker import CircuitBreaker
from consumer.stream.watchdog import Watchdog

_log = logging.getLogger("consumer.worker")

_POLL_SECONDS = 0.5  # the longest poll: how soon a stop is noticed when no events come
_REPORT_SECONDS = 1.0  # between two reports of lag and of the state of the group
_MAX_FAILURES = 20  # deliveries that fail in a row, each after all retries of the delivery itself
_LONGEST_PAUSE = 5.0
_UNAVAILABLE_PAUSE = 1.0
_DELIVERING = "delivering a batch"


@dataclass(slots=True)
class _PendingBatch:
    """A batch whose parts are published and not committed yet."""

    read_at: float  # time of its first event
    span: Span
    breaker: CircuitBreaker | None = None  # after its parts
    stats: list[BatchStats] = field(default_factory=list)
    next_offsets: dict[Partition, int] = field(default_factory=dict)
    events: int = 0
    committing: bool = False

    def add(self, part: Batch, stats: BatchStats, breaker: CircuitBreaker) -> None:
        """Add a published part."""
        self.breaker = breaker
        self.stats.append(stats)
        self.next_offsets |= part.next_offsets()
        self.events += len(part)


class Worker:
    """Scores the events of topics until it is stopped or cannot go on."""

    def __init__(  # noqa: PLR0913 - each is a collaborator
        self,
        *,
        topics: Sequence[str],
        source: KafkaSource,
        process: Callable[[Batch], Output],
        delivery: Delivery,
        sizer: BatchSizer,
        breaker: CircuitBreaker,
        metrics: Metrics,
        health: Health,
        watchdog: Watchdog,
        slow_batches: SlowBatches,
        output_trouble: Callable[[], str | None],
        tracing: Tracing = OFF,
        runtime: Runtime = SYSTEM,
    ) -> None:
        """`process` is `Pipeline.process`; called again with the same events it returns the same. After a failure
        `output_trouble` returns what the brokers say is wrong with the output topics. `runtime` is the delivery's."""
        self._topics = ", ".join(topics)
        self._source = source
        self._process = process
        self._delivery = delivery
        self._sizer = sizer
        self._breaker = breaker
        self._metrics = metrics
        self._health = health
        self._watchdog = watchdog
        self._slow_batches = slow_batches
        self._output_trouble = output_trouble
        self._tracing = tracing
        self._clock = runtime.clock
        self._batch: _PendingBatch | None = None
        self._failures = 0  # in a row
        self._reported = 0.0

    def run(self, stop: Event) -> None:
        """Work until `stop` is set; then commit the pending batch and leave the group.

        Raises WorkerError when the worker cannot go on. Events that are not committed by then will be read again by
        the next worker.
        """
        with self._watchdog.on_duty(stop):
            try:
                self._source.subscribe(self._commit_pending)
                self._delivery.start()
                _log.info("started", extra={"topic": self._topics})
                while not stop.is_set():
                    self._run_once(stop)
                self._finish(stop)
            except WorkerError as error:
                self._abandon(error)
                raise
            except Exception as error:
                # its message may hold an event's content, so it is left out
                reason = f"the worker failed ({error_location(error)})"
                fault = WorkerError(f"{reason}; what is not committed will be read again; please report it")
                self._abandon(fault)
                raise fault from error
            finally:
                with self._watchdog.watching("leaving the group"):
                    with _errors_logged():
                        self._delivery.close()
                    with _errors_logged():
                        self._source.close()
                _log.info("stopped", extra={"topic": self._topics})

    def _run_once(self, stop: Event) -> None:
        """Poll once; score and publish the events; commit when the batch is full or no more events wait."""
        self._health.tick()
        most = min(self._sizer.part_events, self._room())
        wait = 0.0 if self._batch else _POLL_SECONDS  # a pending batch is not to wait for more events
        parts = self._source.poll(wait, self._delivery.committing, most)
        self._report()
        if not parts:
            if not self._begin_commit():
                self._finish_commit(stop)
            return
        if not all(self._score_and_publish(part, stop) for part in parts):
            return
        if sum(map(len, parts)) < most or self._room() < self._sizer.min_events:
            self._begin_commit()

    def _finish(self, stop: Event) -> None:
        """Commit the pending batch, then the positions past it, so that the next worker need not read them again."""
        self._begin_commit()
        if not self._finish_commit(stop):
            return
        markers = self._source.read_on()
        if markers is not None and self._score_and_publish(markers, stop):
            self._begin_commit()
            self._finish_commit(stop)

    # -- a part of a batch: score, publish -----------------------------------------------------------------------------

    @property
    def _open_batch(self) -> _PendingBatch | None:
        """The pending batch, unless its commit has begun."""
        return None if self._batch is None or self._batch.committing else self._batch

    def _room(self) -> int:
        """Return the number of events that the open batch, or else the next one, may still have."""
        return self._sizer.limit() - (self._open_batch.events if self._open_batch else 0)

    def _score_and_publish(self, part: Batch, stop: Event) -> bool:
        """Score a part, wait for the commit of the batch before, publish. False when the part must be read again."""
        batch = self._batch_of(part)
        try:
            output = self._score(part, batch)
        except UnavailableError as error:
            self._read_again_later(batch, error, stop)
            return False
        if self._finish_commit(stop):
            return self._publish(batch, part, output, stop)
        batch.span.fail(UndeliveredError("the batch before it was not committed: both are read again"))
        return False

    def _batch_of(self, part: Batch) -> _PendingBatch:
        """Return the batch that the part belongs to.

        It is not pending again until the part is published. Partitions are revoked only within `poll`, so no revocation
        misses it meanwhile.
        """
        batch = self._open_batch
        if batch is None:
            return _PendingBatch(self._clock(), self._tracing.start_span(part) if len(part) else NO_SPAN)
        self._batch = None
        if len(part):
            batch.span.extend(part)
        return batch

    def _score(self, part: Batch, batch: _PendingBatch) -> Output:
        try:
            return self._process(part)
        except UnavailableError:
            raise
        except WorkerError as error:
            batch.span.fail(error)
            raise
        except Exception as error:  # of any kind: no offset of this batch may be committed
            # its message may hold an event's content, so it is left out
            offsets = sorted(part.next_offsets().items())
            ranges = ", ".join(f"{partition} before offset {offset}" for partition, offset in offsets)
            fault = WorkerError(
                f"scoring failed ({error_location(error)}) on {ranges}; "
                "nothing of that batch was committed; please report it"
            )
            batch.span.fail(fault)
            raise fault from error

    def _read_again_later(self, batch: _PendingBatch, error: UnavailableError, stop: Event) -> None:
        """Commit the parts before this one, which is read again after a pause."""
        if batch.stats:
            self._batch = batch
        self._begin_commit()
        if self._finish_commit(stop):
            _log.warning("records cannot be read yet", extra={"reason": str(error)})
            self._source.rewind()
            stop.wait(_UNAVAILABLE_PAUSE)

    def _publish(self, batch: _PendingBatch, part: Batch, output: Output, stop: Event) -> bool:
        """Publish one part; False when the whole batch must be read again."""
        breaker = (batch.breaker or self._breaker).after(output.stats.dead_letter_flags)
        if breaker.tripped is not None:
            fault = WorkerError(f"{part.topic}: {breaker.tripped}, so nothing of this batch was committed; {_TRIPPED}")
            batch.span.fail(fault)
            raise fault
        self._watchdog.watch(_DELIVERING)
        try:
            self._delivery.publish(output.records)
        except (UndeliveredError, WorkerError) as error:
            self._handle_failure(error, batch.span, stop)
            return False
        batch.add(part, output.stats, breaker)
        self._batch = batch
        return True

    # -- commit --------------------------------------------------------------------------------------------------------

    def _begin_commit(self) -> bool:
        """Start to commit the open batch; False when there is none."""
        batch = self._open_batch
        if batch is None:
            return False
        batch.committing = True
        self._delivery.begin_commit(batch.next_offsets)
        return True

    def _finish_commit(self, stop: Event) -> bool:
        """Wait for the commit that has begun. False when its batch, and all that was read since, must be read again."""
        batch, self._batch = self._batch, None
        try:
            committed = self._delivery.finish_commit()
        except (UndeliveredError, WorkerError) as error:
            self._handle_failure(error, NO_SPAN if batch is None else batch.span, stop)
            return False
        self._watchdog.rest()
        if batch is not None and committed is not None:
            self._record_commit(batch, committed)
        return True

    def _record_commit(self, batch: _PendingBatch, committed: CommitResult) -> None:
        """Count the batch in everything that counts batches."""
        self._failures = 0
        self._breaker = batch.breaker or self._breaker
        stats = BatchStats.merge(batch.stats)
        seconds = stats.stage_seconds | committed.seconds
        self._sizer.record(batch.events, sum(seconds.values()) - seconds["commit"], seconds["commit"])
        self._slow_batches.record(stats.scored + stats.dead_lettered, committed.at - batch.read_at, seconds)
        batch.span.finish(seconds, committed.at)
        self._metrics.record_commit(replace(stats, stage_seconds=seconds), self._clock() - committed.at)

    def _commit_pending(self) -> bool:
        """Commit the pending batch before partitions are revoked. Return whether there was one.

        The next `_finish_commit` handles its success or failure.
        """
        self._begin_commit()
        self._delivery.wait()
        return self._batch is not None

    # -- failures ------------------------------------------------------------------------------------------------------

    def _handle_failure(self, error: UndeliveredError | WorkerError, span: Span, stop: Event) -> None:
        """Read the batch again, or raise WorkerError when that is no use."""
        span.fail(error)
        if isinstance(error, WorkerError):
            self._check_outputs(error)
            raise error
        self._watchdog.rest()
        self._metrics.record_abort()
        if error.adapted:  # its output will be another one, so this is no failure in a row
            self._source.rewind()
            return
        self._failures += 1
        self._check_outputs(error)
        if self._failures >= _MAX_FAILURES:
            raise WorkerError(f"{self._failures} deliveries in a row failed, the last: {error}") from error
        _log.warning("going back to the committed offsets", extra={"reason": str(error), "in_a_row": self._failures})
        self._source.rewind()
        stop.wait(min(_LONGEST_PAUSE, 0.05 * 2**self._failures))

    def _check_outputs(self, error: Exception) -> None:
        """Raise WorkerError when an output topic is missing or read-only: the client reports no more than a timeout."""
        if trouble := self._output_trouble():
            raise WorkerError(f"{trouble} (nothing of the last batch was committed)") from error

    def _abandon(self, error: WorkerError) -> None:
        """End the pending batch: one that is open is aborted, one whose commit has begun may still count."""
        _log.critical("cannot go on", extra={"reason": str(error)})  # first, for the rest may not end
        batch, self._batch = self._batch, None
        if batch is None:
            return
        if not batch.committing:
            batch.span.fail(error)
            return
        with self._watchdog.watching(_DELIVERING):
            try:
                committed = self._delivery.finish_commit()
                if committed is not None:
                    self._record_commit(batch, committed)
            except (UndeliveredError, WorkerError) as failure:
                batch.span.fail(failure)
            except Exception as fault:  # noqa: BLE001 - it must not hide why the worker ended
                _log.warning("could not count the last batch", extra={"error": error_location(fault)})

    # -- reports -------------------------------------------------------------------------------------------------------

    def _report(self) -> None:
        """Report gaps at once, and the state of the group and the partitions once a second."""
        source, metrics = self._source, self._metrics
        for gap in source.take_gaps():
            metrics.record_never_seen(gap.partition, gap.never_seen)
        if self._clock() - self._reported >= _REPORT_SECONDS:
            self._reported = self._clock()
            self._health.set_kafka_state(
                joined=source.joined(), silent_seconds=source.silent_seconds(), deleted_topics=source.deleted_topics()
            )
            metrics.set_lag(source.lag())
            metrics.set_unstable_offsets(source.unstable())
            metrics.set_oldest_waiting(source.oldest_waiting())
            metrics.set_throttle(source.throttled_seconds())
            metrics.set_round_trip(source.round_trip_seconds())
            metrics.set_assigned_partitions(source.partition_counts())
            metrics.set_rebalances(source.rebalance_counts())


_TRIPPED = "is it the right topic? if these events are meant to be here, raise the limit and start again"


@contextmanager
def _errors_logged() -> Iterator[None]:
    """Log errors inside: they must neither hide why the worker ended nor keep the rest from closing."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as it says
        _log.warning("could not close", extra={"error": error_location(error)})
