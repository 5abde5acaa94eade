"""The loop: poll, score, settle the batch before, publish. While one batch commits, the next is read and scored.

A batch is what is committed together. It is read, scored and published part by part, and grows as long as more events
wait and it can still be committed in time.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from consumer.delivery.interface import CommitResult, Delivery
from consumer.errors import UndeliveredError, WorkerError, error_location
from consumer.observability.slow_batches import SlowBatches
from consumer.observability.tracing import NO_SPAN, OFF, Span, Tracing
from consumer.records import Batch, BatchStats, Gap, Output
from consumer.runtime import SYSTEM, Event, Runtime
from consumer.stream.batching import Budget
from consumer.stream.circuit_breaker import Breaker
from consumer.stream.watchdog import Watchdog

_log = logging.getLogger("consumer.worker")

_WAIT_SECONDS = 0.5  # the longest poll: how soon a stop is noticed when nothing comes
_REPORT_SECONDS = 1.0  # how often lag and the state of the group are told
_MOST_SETBACKS = 20  # deliveries that fail in a row, each after all retries of delivery's own
_LONGEST_PAUSE = 5.0
_DELIVERING = "delivering a batch"


class Source(Protocol):
    """Where events come from. Hands one out again only after `rewind`, and then from the committed offset."""

    def subscribe(self, on_revoke: Callable[[], bool]) -> None:
        """Join the group.

        `on_revoke` is called from within `poll` where what is published must first be committed, or have failed: before
        partitions are revoked, before committed offsets are looked up again, and before reading ends. It returns
        whether there was anything.
        """

    def poll(self, wait: float, busy: Callable[[], bool], most: int) -> Batch | None:
        """The next events, `most` at the most. They gather as long as `busy` says that they could not be published yet;
        None when none came in that time, or `wait` seconds more; now and then a batch as of `read_on`."""

    def read_on(self) -> Batch | None:
        """A batch without events that moves positions past what is no event; None when there is nothing to move."""

    def rewind(self) -> None: ...
    def joined(self) -> bool: ...
    def silent_seconds(self) -> float: ...
    def topic_gone(self) -> bool: ...
    def lag(self) -> dict[int, int]: ...
    def unstable(self) -> dict[int, int]: ...
    def oldest_waiting(self) -> dict[int, float]: ...
    def throttled_seconds(self) -> float: ...
    def take_gaps(self) -> Sequence[Gap]: ...
    def close(self) -> None: ...


class Pipeline(Protocol):
    """What events become. Pure: the same batch gives the same output, but for the time of scoring."""

    def process(self, batch: Batch) -> Output: ...


class Metrics(Protocol):
    """Who is told what happened. Every method is called from the worker's thread, after the fact, once a batch."""

    def record_commit(self, stats: BatchStats, seconds_ago: float) -> None:
        """A batch is committed, since so long; `stage_seconds` now holds publish and commit too."""

    def record_abort(self) -> None:
        """A transaction came to nothing; its batch will be read again."""

    def set_lag(self, topic: str, partitions: dict[int, int]) -> None:
        """Offsets between what was read and the last stable offset, for every partition assigned now: replaces what was
        said before, so a partition that is not named has gone to another worker."""

    def set_unstable_offsets(self, topic: str, partitions: dict[int, int]) -> None:
        """Offsets between there and the end, which open upstream transactions hold back; likewise."""

    def set_oldest_waiting(self, topic: str, partitions: dict[int, float]) -> None:
        """Seconds that the oldest offset past what was read has been seen to wait; 0: none does; likewise."""

    def set_throttle(self, seconds: float) -> None:
        """For how long a broker held its answers back of late, as a quota has it."""

    def record_never_seen(self, topic: str, partition: int, records: int) -> None:
        """`--on-gap continue` went on past records that retention took before they were read."""


class Health(Protocol):
    """What /livez and /readyz go by."""

    def tick(self) -> None:
        """The loop has come round. Its longest pause is one delivery, which the watchdog ends at its bound: /livez
        may give up a little later than that, not sooner."""

    def set_kafka_state(self, *, joined: bool, silent_seconds: float, topic_gone: bool = False) -> None:
        """About once a second: whether the group gave this worker its share (maybe none), how long ago any broker last
        answered (infinity: never), and whether the input topic is deleted."""


@dataclass(slots=True)
class _Batch:
    """A batch on its way: where its course is noted, and its parts that are published, which count once it is
    committed."""

    read_at: float  # its first event
    span: Span
    breaker: Breaker | None = None  # after its parts
    stats: list[BatchStats] = field(default_factory=list)
    next_offsets: dict[int, int] = field(default_factory=dict)
    events: int = 0
    committing: bool = False

    def add(self, part: Batch, stats: BatchStats, breaker: Breaker) -> None:
        """A part of it is published."""
        self.breaker = breaker
        self.stats.append(stats)
        self.next_offsets |= part.next_offsets()
        self.events += len(part)


@dataclass(frozen=True, slots=True)
class Line:
    """The way of an event, end to end."""

    topic: str
    source: Source
    pipeline: Pipeline
    delivery: Delivery
    budget: Budget = field(default_factory=Budget)
    trouble: Callable[[], str | None] = lambda: None  # what a broker says is wrong with the output topics
    slow: SlowBatches = field(default_factory=SlowBatches)
    tracing: Tracing = OFF


class Worker:
    """Runs one line until it is told to stop or cannot go on."""

    def __init__(  # noqa: PLR0913 - each is a collaborator
        self,
        line: Line,
        breaker: Breaker,
        metrics: Metrics,
        health: Health,
        watchdog: Watchdog,
        *,
        runtime: Runtime = SYSTEM,
    ) -> None:
        """`runtime` is the one that the line's delivery runs on."""
        self._line = line
        self._clock = runtime.clock
        self._breaker = breaker
        self._metrics = metrics
        self._health = health
        self._watchdog = watchdog
        self._batch: _Batch | None = None  # the one that is open, or commits
        self._setbacks = 0  # in a row
        self._reported = 0.0

    def run(self, stop: Event) -> None:
        """Works until `stop` is set; the batch in hand is finished first, then the group is left.

        Raises WorkerError, with the one line that says why, when going on is no use. What is not committed by then
        will be read again by whoever comes next.
        """
        with self._watchdog.on_duty(stop):
            try:
                self._line.source.subscribe(self._commit_pending)
                self._line.delivery.start()
                _log.info("started", extra={"topic": self._line.topic})
                while not stop.is_set():
                    self._round(stop)
                self._finish(stop)
            except WorkerError as error:
                _log.critical("cannot go on", extra={"reason": str(error)})  # before leaving, which may not end
                self._give_up(error)
                raise
            except Exception as error:
                fault = WorkerError(_our_fault(error))
                _log.critical("cannot go on", extra={"reason": str(fault)})
                self._give_up(fault)
                raise fault from error
            finally:
                with self._watchdog.watching("leaving the group"):
                    _try(self._line.delivery.close)
                    _try(self._line.source.close)
                _log.info("stopped", extra={"topic": self._line.topic})

    def _round(self, stop: Event) -> None:
        self._health.tick()
        most = min(self._line.budget.part, self._room())
        wait = 0.0 if self._batch else _WAIT_SECONDS  # not for events while there is something to commit or to settle
        part = self._line.source.poll(wait, self._line.delivery.committing, most)
        self._report()
        if part is None:
            if not self._commit():
                self._settle(stop)
            return
        if self._deliver(part, stop) and (len(part) < most or self._room() < self._line.budget.fewest):
            self._commit()

    def _deliver(self, part: Batch, stop: Event) -> bool:
        """Scores and publishes a part. Whether it could be; if not, it is to be read again."""
        batch = self._begin(part)
        output = self._process(part, batch)
        if self._settle(stop):
            return self._publish(batch, part, output, stop)
        batch.span.fail(UndeliveredError("the batch before it came to nothing: both are read again"))
        return False

    def _finish(self, stop: Event) -> None:
        """Commits the batch in hand, then the positions past it: what is read is not to wait for the next worker."""
        self._commit()
        if self._settle(stop) and (part := self._line.source.read_on()) is not None and self._deliver(part, stop):
            self._commit()
            self._settle(stop)

    @property
    def _open(self) -> _Batch | None:
        """The batch in hand, unless it commits."""
        return None if self._batch is None or self._batch.committing else self._batch

    def _room(self) -> int:
        """How many more events the batch that is open may have, or how many the next one."""
        return self._line.budget.events() - (self._open.events if self._open else 0)

    def _begin(self, part: Batch) -> _Batch:
        """The batch that this is a part of. Until the part is published too, nothing commits what came before it."""
        batch = self._open
        if batch is None:
            return _Batch(self._clock(), self._line.tracing.start_span(part) if len(part) else NO_SPAN)
        self._batch = None
        if len(part):
            batch.span.extend(part)
        return batch

    def _publish(self, batch: _Batch, part: Batch, output: Output, stop: Event) -> bool:
        """Whether it could be. If not, the whole batch is to be read again."""
        breaker = (batch.breaker or self._breaker).after(output.stats.dead_letter_flags)
        if breaker.tripped is not None:
            what = f"{part.topic}: {breaker.tripped}, so nothing of this batch was committed; {_BREAKER}"
            raise _noted(batch.span, WorkerError(what))
        self._watchdog.watch(_DELIVERING)
        if not self._going(stop, batch.span, lambda: self._line.delivery.publish(output.records)):
            return False
        batch.add(part, output.stats, breaker)
        self._batch = batch
        return True

    def _commit(self) -> bool:
        """Begins the commit of the batch that is open, if one is."""
        batch = self._open
        if batch is None:
            return False
        batch.committing = True
        self._line.delivery.begin_commit(self._line.topic, batch.next_offsets)
        return True

    def _commit_pending(self) -> bool:
        """Commit what is published; return whether there was anything. How it ended shows when it is settled."""
        self._commit()
        self._line.delivery.wait()
        return self._batch is not None

    def _give_up(self, error: WorkerError) -> None:
        """The worker ends: a batch that is open comes to nothing, one that commits may still be counted."""
        batch, self._batch = self._batch, None
        if batch is not None and not batch.committing:
            batch.span.fail(error)
        elif batch is not None:
            with self._watchdog.watching(_DELIVERING):
                try:
                    committed = self._line.delivery.finish_commit()
                    if committed is not None:
                        self._count(batch, committed)
                except (UndeliveredError, WorkerError) as failure:
                    batch.span.fail(failure)
                except Exception as fault:  # noqa: BLE001 - it must not hide why the worker ended
                    _log.warning("could not count the last batch", extra={"error": error_location(fault)})

    def _settle(self, stop: Event) -> bool:
        """Waits for the batch that commits. False when it must be read again, and what was read since with it."""
        batch, self._batch = self._batch, None
        committed: list[CommitResult | None] = []
        span = NO_SPAN if batch is None else batch.span
        if not self._going(stop, span, lambda: committed.append(self._line.delivery.finish_commit())):
            return False
        self._watchdog.rest()
        if batch is not None and committed[0] is not None:
            self._count(batch, committed[0])
        return True

    def _count(self, batch: _Batch, committed: CommitResult) -> None:
        """It is committed: all that is told of batches is told now."""
        self._setbacks = 0
        self._breaker = batch.breaker or self._breaker
        stats = BatchStats.merge(batch.stats)
        seconds = stats.stage_seconds | committed.seconds
        self._line.budget.took(batch.events, sum(seconds.values()) - seconds["commit"], seconds["commit"])
        self._line.slow.record(stats.scored + stats.dead_lettered, committed.at - batch.read_at, seconds)
        batch.span.finish(seconds, committed.at)
        self._metrics.record_commit(replace(stats, stage_seconds=seconds), self._clock() - committed.at)

    def _going(self, stop: Event, span: Span, step: Callable[[], None]) -> bool:
        """Takes a step of a delivery; when it fails the batch is to be read again, and this is False."""
        try:
            step()
        except UndeliveredError as error:
            span.fail(error)
            self._watchdog.rest()
            self._set_back(error, stop)
            return False
        except WorkerError as error:
            span.fail(error)
            self._blame_the_topics(error)
            raise
        return True

    def _process(self, part: Batch, batch: _Batch) -> Output:
        try:
            return self._line.pipeline.process(part)
        except Exception as error:  # whatever it is: no offset of this batch may be committed
            # its message may hold what the event held, so only its kind and place are told
            spans = ", ".join(f"{p} before offset {offset}" for p, offset in sorted(part.next_offsets().items()))
            what = (
                f"scoring failed ({error_location(error)}) on {part.topic}, partition {spans}; "
                "nothing of that batch was committed; please report it"
            )
            raise _noted(batch.span, WorkerError(what)) from error

    def _set_back(self, error: UndeliveredError, stop: Event) -> None:
        """Reads the batch again, a little later each time; at once where it will not be the same again."""
        self._metrics.record_abort()
        if error.adapted:
            self._line.source.rewind()
            return
        self._setbacks += 1
        self._blame_the_topics(error)
        if self._setbacks >= _MOST_SETBACKS:
            raise WorkerError(f"{self._setbacks} deliveries in a row failed, the last: {error}") from error
        _log.warning("going back to the committed offsets", extra={"reason": str(error), "in_a_row": self._setbacks})
        self._line.source.rewind()
        stop.wait(min(_LONGEST_PAUSE, 0.05 * 2**self._setbacks))

    def _blame_the_topics(self, error: Exception) -> None:
        """Of a topic that is gone or read-only the client says only that a write timed out, or names none."""
        if trouble := self._line.trouble():
            raise WorkerError(f"{trouble} (nothing of the last batch was committed)") from error

    def _report(self) -> None:
        source = self._line.source
        for gap in source.take_gaps():
            self._metrics.record_never_seen(self._line.topic, gap.partition, gap.never_seen)
        if self._clock() - self._reported >= _REPORT_SECONDS:
            self._reported = self._clock()
            self._health.set_kafka_state(
                joined=source.joined(), silent_seconds=source.silent_seconds(), topic_gone=source.topic_gone()
            )
            self._metrics.set_lag(self._line.topic, source.lag())
            self._metrics.set_unstable_offsets(self._line.topic, source.unstable())
            self._metrics.set_oldest_waiting(self._line.topic, source.oldest_waiting())
            self._metrics.set_throttle(source.throttled_seconds())


_BREAKER = "is it the right topic? if these events are meant to be here, raise the limit and start again"


def _our_fault(error: Exception) -> str:
    """Its message may hold what an event held, so only its kind and place are told."""
    return f"the worker failed ({error_location(error)}); what is not committed will be read again; please report it"


def _noted(span: Span, error: WorkerError) -> WorkerError:
    """The same error, once the batch's course has it."""
    span.fail(error)
    return error


def _try(close: Callable[[], None]) -> None:
    """Whatever comes of it, it must not hide why the worker ended, nor keep the rest from closing."""
    try:
        close()
    except Exception as error:  # noqa: BLE001 - as it says
        _log.warning("could not close", extra={"error": error_location(error)})
