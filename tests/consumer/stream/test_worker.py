import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.at_least_once import AtLeastOnce
from consumer.delivery.exactly_once import ExactlyOnce
from consumer.delivery.interface import Adapt, Delivery, cannot_adapt
from consumer.errors import (
    DeliveryError,
    FatalError,
    MustAbortError,
    RecordsRefusedError,
    RefusedError,
    RejectedRecord,
    Rejection,
    RetriableError,
    UnansweredError,
    UnavailableError,
    WorkerError,
)
from consumer.kafka.membership import Membership
from consumer.observability.slow_batches import SlowBatches
from consumer.records import Batch, Gap, Output, Partition
from consumer.stream.batching import PART_EVENTS, BatchSizer
from consumer.stream.circuit_breaker import CircuitBreaker
from consumer.stream.watchdog import Watchdog
from consumer.stream.worker import Worker
from tests.support.fakes import (
    P0,
    P1,
    EchoPipeline,
    FakeClock,
    FakeHealth,
    FakeLog,
    FakeMetrics,
    FakeProducer,
    FakeSource,
    FakeTracing,
    Fault,
    HurriedStop,
)

MEMBER = Membership(b"worker-1", revocations=0, metadata=b"member")
EVENTS = {P0: [b"a%d" % i for i in range(10)], P1: [b"b%d" % i for i in range(7)]}

LOGINS, PAYMENTS = Partition("logins", 0), Partition("payments", 0)
OF_THREE_TOPICS = {P0: [b"a", b"b"], LOGINS: [b"c", b"d", b"e"], PAYMENTS: [b"f"]}


@dataclass
class Bench:
    """A worker with everything around it, and all of that at hand."""

    log: FakeLog = field(default_factory=FakeLog)
    events: Mapping[Partition, Sequence[bytes]] = field(default_factory=lambda: EVENTS)
    pipeline: EchoPipeline = field(default_factory=EchoPipeline)
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    at_least_once: bool = False
    trouble: str | None = None
    size: int = 3  # of the batches
    sizer: BatchSizer = field(default_factory=BatchSizer)
    slow_batches: SlowBatches = field(default_factory=SlowBatches)
    adapt: Adapt = cannot_adapt

    def __post_init__(self) -> None:
        self.stop = HurriedStop()
        self.metrics, self.health = FakeMetrics(), FakeHealth()
        self.source = FakeSource(self.log, self.events, self.stop, self.size)
        self.tracing = FakeTracing()
        self.clock = FakeClock()

    def run(self, stop: threading.Event | None = None) -> None:
        worker = Worker(
            topics=["sessions"],
            source=self.source,
            process=self.pipeline.process,
            delivery=self._delivery(),
            sizer=self.sizer,
            breaker=self.breaker,
            metrics=self.metrics,
            health=self.health,
            watchdog=Watchdog(),
            slow_batches=self.slow_batches,
            output_trouble=lambda: self.trouble,
            tracing=self.tracing,
            runtime=self.clock.runtime(),
        )
        worker.run(stop or self.stop)

    def _delivery(self) -> Delivery:
        retry = self.clock.retry(seconds=1)
        if self.at_least_once:
            return AtLeastOnce(lambda: FakeProducer(self.log), self.log.commit_offsets, retry)
        return ExactlyOnce(
            lambda name: FakeProducer(self.log, name),
            ("id-0", "id-1"),
            lambda: MEMBER,
            retry,
            adapt=self.adapt,
        )

    def seen(self) -> list[bytes | None]:
        return [record.value for record in self.log.visible]


def test_every_event_is_delivered_once_and_in_order() -> None:
    bench = Bench()
    bench.run()
    assert bench.seen() == [*EVENTS[P0], *EVENTS[P1]]
    assert bench.log.offsets == {P0: 10, P1: 7}
    assert bench.source.closed


def test_aborted_batch_is_read_again_and_counted_once() -> None:
    bench = Bench(FakeLog({"commit": [None, Fault(MustAbortError("the group has moved on"))]}))
    bench.run()
    assert bench.seen() == [*EVENTS[P0], *EVENTS[P1]]
    assert (bench.source.rewinds, bench.metrics.aborts) == (1, 1)
    assert sum(stats.scored for stats in bench.metrics.stats) == 17


class Releases(EchoPipeline):
    """Lets a call of `log` go on once so many batches are scored."""

    def __init__(self, log: FakeLog, call: str, batches: int) -> None:
        self._go = log.held[call] = threading.Event()
        self._left = batches

    def process(self, batch: Batch) -> Output:
        self._left -= 1
        if not self._left:
            self._go.set()
        return super().process(batch)


def test_next_batch_is_scored_during_the_commit() -> None:
    log = FakeLog()
    Bench(log, pipeline=Releases(log, "commit", batches=2)).run()
    assert log.offsets == {P0: 10, P1: 7}


def test_batches_fit_the_latency_budget() -> None:
    class Sizes(EchoPipeline):
        """Reports 6,000 s for each batch, beside which the commit's own milliseconds do not count; keeps the sizes."""

        def process(self, batch: Batch) -> Output:
            sizes.append(len(batch))
            output = super().process(batch)
            return replace(
                output, stats=replace(output.stats, stage_seconds=dict.fromkeys(("decode", "score", "encode"), 2000.0))
            )

    sizes: list[int] = []
    Bench(events={P0: [b""] * 3000}, pipeline=Sizes(), size=500, sizer=BatchSizer(2000.0)).run()
    assert sizes[0] == 500  # nothing is known yet
    assert 150 <= sizes[2] <= 200  # a third of what 500 took


def test_batch_grows_by_parts_while_events_wait() -> None:
    log, values = FakeLog(), [b"%d" % i for i in range(10 * PART_EVENTS)]
    bench = Bench(log, events={P0: values}, size=2 * PART_EVENTS, sizer=BatchSizer(60.0, max_events=4 * PART_EVENTS))
    bench.run()
    assert bench.seen() == values
    # nothing is known of the first; the last is found to be the last only by asking for more
    assert [stats.scored for stats in bench.metrics.stats] == [
        PART_EVENTS,
        4 * PART_EVENTS,
        4 * PART_EVENTS,
        PART_EVENTS,
    ]
    assert len(log.called("produce")) == 10
    assert [span.parts for span in bench.tracing.spans] == [1, 4, 4, 1]


def test_failed_part_has_its_batch_read_again() -> None:
    log = FakeLog({"produce": [None, None, Fault(MustAbortError("no"))]})
    values = [b"%d" % i for i in range(3 * PART_EVENTS)]
    bench = Bench(log, events={P0: values}, size=PART_EVENTS, sizer=BatchSizer(60.0, max_events=4 * PART_EVENTS))
    bench.run()
    assert bench.seen() == values
    assert (bench.source.rewinds, len(log.aborted)) == (1, PART_EVENTS)


@pytest.mark.parametrize("at_least_once", [False, True])
def test_parts_of_one_poll_are_committed_together(*, at_least_once: bool) -> None:
    bench = Bench(events=OF_THREE_TOPICS, at_least_once=at_least_once, size=6)
    bench.run()
    assert bench.seen() == [b"a", b"b", b"c", b"d", b"e", b"f"]
    assert bench.log.offsets == {P0: 2, LOGINS: 3, PAYMENTS: 1}
    assert len(bench.log.called("produce")) == 3
    assert len(bench.log.called("commit_offsets" if at_least_once else "commit")) == 1
    assert [stats.scored for stats in bench.metrics.stats] == [6]
    assert [span.parts for span in bench.tracing.spans] == [3]


def test_batch_grows_by_polls_that_are_full_of_two_topics() -> None:
    events = {P0: [b"a"] * (3 * PART_EVENTS // 2), LOGINS: [b"b"] * (5 * PART_EVENTS // 2)}
    bench = Bench(events=events, size=PART_EVENTS, sizer=BatchSizer(60.0, max_events=4 * PART_EVENTS))
    bench.run()
    # the second batch begins with half a poll of each topic
    assert [stats.scored for stats in bench.metrics.stats] == [PART_EVENTS, 3 * PART_EVENTS]


@pytest.mark.parametrize("at_least_once", [False, True])
def test_parts_behind_one_that_failed_are_not_published(*, at_least_once: bool) -> None:
    log = FakeLog({"produce": [None, Fault(MustAbortError("no"))]})
    bench = Bench(log, events=OF_THREE_TOPICS, at_least_once=at_least_once, size=6)
    bench.run()
    assert len(log.called("produce")) == 2 + 3
    assert (bench.source.rewinds, bench.metrics.aborts) == (1, 1)
    assert bench.seen() == [b"a", b"b", b"c", b"d", b"e", b"f"]
    assert log.offsets == {P0: 2, LOGINS: 3, PAYMENTS: 1}
    assert [stats.scored for stats in bench.metrics.stats] == [6]


def test_published_output_is_committed_before_a_revocation() -> None:
    values = [b"%d" % i for i in range(5 * PART_EVENTS)]
    bench = Bench(events={P0: values}, size=PART_EVENTS, sizer=BatchSizer(60.0))
    bench.source.rebalances = [3 * PART_EVENTS]  # by then the second batch is open, with two parts
    bench.run()
    assert bench.source.given_up == [3 * PART_EVENTS]
    assert (bench.seen(), bench.metrics.aborts) == (values, 0)
    assert [stats.scored for stats in bench.metrics.stats] == [PART_EVENTS, 2 * PART_EVENTS, 2 * PART_EVENTS]


def test_transactions_do_not_overlap() -> None:
    log = FakeLog()
    Bench(log).run()
    steps = [call for _, call in log.calls if call in {"begin", "commit"}]
    assert steps == ["begin", "commit"] * (len(steps) // 2)


def test_failed_commit_has_the_next_batch_read_again() -> None:
    log = FakeLog({"commit": [Fault(MustAbortError("the group has moved on"))]})
    bench = Bench(log, pipeline=Releases(log, "commit", batches=2))
    bench.run()
    assert bench.seen() == [*EVENTS[P0], *EVENTS[P1]]
    assert bench.source.rewinds == 1
    assert log.aborted[0].value == EVENTS[P0][0]


def test_failed_scoring_leaves_the_pending_commit() -> None:
    class Stumbles(Releases):
        def process(self, batch: Batch) -> Output:
            output = super().process(batch)
            if not self._left:
                raise ValueError
            return output

    log = FakeLog()
    bench = Bench(log, pipeline=Stumbles(log, "commit", batches=2))
    with pytest.raises(WorkerError, match="scoring failed"):
        bench.run()
    assert bench.seen() == EVENTS[P0][:3]
    assert log.offsets == {P0: 3}
    assert [stats.scored for stats in bench.metrics.stats] == [3]
    assert bench.tracing.spans[0].ends == ["committed"]


class FailsAt(EchoPipeline):
    """Cannot score this offset."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def process(self, batch: Batch) -> Output:
        if self._offset in batch.offsets:
            raise ValueError
        return super().process(batch)


@pytest.mark.parametrize("at_least_once", [False, True])
@pytest.mark.parametrize(
    ("pipeline", "breaker"),
    [(FailsAt(2 * PART_EVENTS), CircuitBreaker()), (EchoPipeline(), CircuitBreaker(run=4))],
    ids=["fault", "breaker"],
)
def test_failure_of_a_second_part_aborts_its_batch(
    *, pipeline: EchoPipeline, breaker: CircuitBreaker, at_least_once: bool
) -> None:
    values = [b"good"] * 2 * PART_EVENTS + [b"bad"] * PART_EVENTS
    sizer = BatchSizer(60.0)
    bench = Bench(
        events={P0: values},
        pipeline=pipeline,
        breaker=breaker,
        at_least_once=at_least_once,
        size=PART_EVENTS,
        sizer=sizer,
    )
    with pytest.raises(WorkerError):
        bench.run()
    assert len(bench.seen()) == PART_EVENTS  # the first batch, which was of one part
    assert (bench.log.offsets, bench.log.open) == ({P0: PART_EVENTS}, {})
    assert [len(span.ends) for span in bench.tracing.spans] == [1, 1]


def test_stage_seconds_include_publish_and_commit() -> None:
    bench = Bench()
    bench.run()
    stages = bench.metrics.stats[0].stage_seconds
    assert stages.keys() == {"decode", "score", "encode", "publish", "commit"}


class Broken(EchoPipeline):
    def process(self, batch: Batch) -> Output:
        raise ValueError(f"cannot read {batch.values[0]!r}")


def test_span_ends_once_with_commit_or_failure() -> None:
    bench = Bench(FakeLog({"commit": [None, Fault(MustAbortError("the group has moved on"))]}))
    bench.run()
    ends = [span.ends for span in bench.tracing.spans]
    assert all(len(each) == 1 for each in ends)
    came_to_nothing = [each for [each] in ends if each != "committed"]
    assert came_to_nothing == [
        "the group has moved on",
        "the batch before it was not committed: both are read again",
    ]


@pytest.mark.parametrize(
    ("pipeline", "breaker", "why"),
    [
        (Broken(), CircuitBreaker(), "scoring failed"),
        (EchoPipeline(), CircuitBreaker(run=4), "6 events in a row are invalid"),
    ],
)
def test_span_of_a_fatal_batch_has_the_reason(pipeline: EchoPipeline, breaker: CircuitBreaker, why: str) -> None:
    bench = Bench(events={P0: [b"bad"] * 6}, pipeline=pipeline, breaker=breaker, size=6)
    with pytest.raises(WorkerError):
        bench.run()
    [span] = bench.tracing.spans
    [end] = span.ends
    assert why in end


def test_slow_batch_logs_its_stages(caplog: pytest.LogCaptureFixture) -> None:
    class Waiting(EchoPipeline):
        """Takes 2 s, of which no stage tells."""

        def process(self, batch: Batch) -> Output:
            bench.clock.sleep(2.0)
            return super().process(batch)

    bench = Bench(slow_batches=SlowBatches(1.0), pipeline=Waiting())
    bench.run()
    [line] = [vars(record) for record in caplog.records if record.getMessage() == "slow batch"]
    assert line["events"] == 3
    assert line["stages"].keys() == {"decode", "score", "encode", "publish", "commit", "wait"}
    assert 1.9 < line["stages"]["wait"] <= 2.0


def test_garbage_trips_the_breaker_before_its_commit() -> None:
    bench = Bench(events={P0: [b"good"] * 3 + [b"bad"] * 10}, breaker=CircuitBreaker(run=4))
    with pytest.raises(WorkerError, match=r"^sessions: 6 events in a row are invalid \(breaker_run is 4\), so nothing"):
        bench.run()
    assert bench.seen() == [b"good"] * 3 + [b"bad"] * 3
    assert bench.source.closed


def test_repeated_batch_counts_once_for_the_breaker() -> None:
    aborts = [Fault(MustAbortError("again"))] * 5
    bench = Bench(FakeLog({"commit": aborts}), events={P0: [b"bad"] * 3}, breaker=CircuitBreaker(run=4))
    bench.run()
    assert bench.seen() == [b"bad"] * 3


def test_scoring_error_names_its_line_and_no_content() -> None:
    bench = Bench(pipeline=Broken())
    with pytest.raises(WorkerError) as caught:
        bench.run()
    said = str(caught.value)
    assert said.startswith("scoring failed (ValueError at test_worker.py:")
    assert "on sessions, partition 0 before offset 3" in said
    assert "a0" not in said
    assert (bench.log.calls[-2:], bench.log.offsets) == ([("id-1", "drop"), ("id-0", "drop")], {})
    assert bench.source.closed


def test_failures_in_a_row_stop_the_worker() -> None:
    bench = Bench(FakeLog({"commit": [Fault(MustAbortError("not enough replicas"))] * 1000}))
    with pytest.raises(WorkerError, match=r"^20 deliveries in a row failed, the last: not enough replicas$"):
        bench.run()
    assert bench.seen() == []


@pytest.mark.parametrize("fault", [MustAbortError("timed out"), RefusedError("unknown topic")])
def test_output_trouble_is_reported_at_the_first_failure(fault: DeliveryError) -> None:
    bench = Bench(FakeLog({"commit": [Fault(fault)]}), trouble="alerts: gone")
    with pytest.raises(WorkerError, match=r"^alerts: gone \(nothing of the last batch was committed\)$"):
        bench.run()
    assert bench.log.offsets == {}
    assert bench.source.closed


def test_failures_with_commits_between_do_not_stop() -> None:
    faults = [None if i % 3 == 0 else Fault(MustAbortError("again")) for i in range(100)]
    bench = Bench(FakeLog({"commit": faults}), events={P0: [b"e%d" % i for i in range(90)]})
    bench.run()
    assert bench.seen() == bench.events[P0]
    assert bench.metrics.aborts == 58


def test_adapted_batches_are_no_failures() -> None:
    refused = RecordsRefusedError("too large", [RejectedRecord("results", Rejection.SIZE)])
    bench = Bench(FakeLog({"commit": [Fault(refused)] * 30}), trouble="alerts: gone", adapt=lambda _: False)
    bench.run()
    assert sorted(map(str, bench.seen())) == sorted(map(str, [*bench.events[P0], *bench.events[P1]]))
    assert bench.metrics.aborts == 30


def test_source_failure_stops_the_worker() -> None:
    bench = Bench()
    bench.source.failure = WorkerError("sessions, partition 0: offset 5 is next, but ...")
    with pytest.raises(WorkerError, match="offset 5 is next"):
        bench.run()
    assert bench.source.closed


class BrokenMetrics(FakeMetrics):
    """Cannot take what it is told."""

    def record_commit(self, *_: object, **__: object) -> None:
        raise ValueError("what an event held")


def test_metrics_error_does_not_hide_the_reason() -> None:
    bench = Bench()

    class Failing(EchoPipeline):
        def process(self, batch: Batch) -> Output:
            bench.source.failure = WorkerError("sessions is gone")
            return super().process(batch)

    bench.pipeline, bench.metrics = Failing(), BrokenMetrics()
    with pytest.raises(WorkerError, match="sessions is gone"):
        bench.run()
    assert bench.seen() == EVENTS[P0][:3]


class StopsAfter(EchoPipeline):
    """Is told to stop while a part, the first or a later one, is being scored."""

    def __init__(self, stop: threading.Event, parts: int = 1) -> None:
        self._stop = stop
        self._parts = parts

    def process(self, batch: Batch) -> Output:
        self._parts -= 1
        if not self._parts:
            self._stop.set()
        return super().process(batch)


def test_stop_commits_the_pending_batch() -> None:
    stop = threading.Event()
    bench = Bench(pipeline=StopsAfter(stop))
    bench.run(stop)
    assert bench.seen() == EVENTS[P0][:3]
    assert bench.log.offsets == {P0: 3}
    assert bench.source.closed


def test_stop_commits_a_batch_that_more_parts_could_join() -> None:
    stop, values = threading.Event(), [b"%d" % i for i in range(4 * PART_EVENTS)]
    sizer = BatchSizer(60.0, max_events=4 * PART_EVENTS)
    bench = Bench(events={P0: values}, pipeline=StopsAfter(stop, parts=2), size=PART_EVENTS, sizer=sizer)
    bench.run(stop)
    assert bench.seen() == values[: 2 * PART_EVENTS]
    assert bench.log.offsets == {P0: 2 * PART_EVENTS}


def test_health_gets_ticks_and_group_state() -> None:
    bench = Bench()
    bench.run()
    assert bench.health.ticks >= 6
    assert bench.health.told[0] == (True, 0.5)
    assert bench.metrics.lags.keys() == bench.metrics.waiting.keys() == bench.metrics.held_back.keys() == {P0, P1}
    assert (bench.metrics.assigned, bench.metrics.rebalanced) == ({"sessions": 2}, {"assigned": 1})
    assert bench.metrics.round_trip == 0.002


@pytest.mark.parametrize("at_least_once", [True, False])
def test_trailing_markers_are_committed_at_the_end(*, at_least_once: bool) -> None:
    bench = Bench(at_least_once=at_least_once)
    bench.source.markers = {P0: 12, P1: 8}
    bench.run()
    assert bench.log.offsets == {P0: 12, P1: 8}
    assert sum(stats.scored for stats in bench.metrics.stats) == 17
    assert len(bench.log.visible) == 17


def test_uncommitted_markers_are_left_to_the_next_worker() -> None:
    fault = Fault(MustAbortError("the group has moved on"))
    bench = Bench(FakeLog({"send_offsets": [None] * 6 + [fault]}))
    bench.source.markers = {P0: 12}
    bench.run()
    assert bench.log.offsets == {P0: 10, P1: 7}
    assert bench.log.called("send_offsets")[6:] != [], "they were not tried"


def test_passed_gap_is_counted() -> None:
    bench = Bench()
    bench.source.gaps = [Gap(P1, position=4, low=10, high=20)]
    bench.run()
    assert bench.metrics.unseen == [(P1, 6)]


ERRORS = st.sampled_from([RetriableError("r"), MustAbortError("a"), UnansweredError("u"), FatalError("f")])
FAULTS = st.lists(st.none() | st.builds(Fault, ERRORS, applied=st.booleans()), max_size=12)


def _possible(call: str, faults: list[Fault | None]) -> list[Fault | None]:
    """A call that took effect may lose its answer, but is not told that it failed; init is merely asked again."""
    if call == "init":
        return [fault and Fault(UnansweredError("u"), applied=fault.applied) for fault in faults]
    return [
        fault and fault._replace(applied=fault.applied and isinstance(fault.error, UnansweredError)) for fault in faults
    ]


@given(st.fixed_dictionaries(dict.fromkeys(("init", "begin", "produce", "send_offsets", "commit", "abort"), FAULTS)))
def test_exactly_once_holds_under_any_faults(
    faults: dict[str, list[Fault | None]],
) -> None:
    bench = Bench(FakeLog({call: _possible(call, each) for call, each in faults.items()}))
    stopped = False
    try:
        bench.run()
    except WorkerError:
        stopped = True
    for partition, events in EVENTS.items():
        seen = [value for value in bench.seen() if value in events]
        assert seen == events[: len(seen)]
        assert len(seen) == bench.log.offsets.get(partition, 0)
        assert stopped or seen == events


@given(st.fixed_dictionaries(dict.fromkeys(("produce", "flush", "commit_offsets"), FAULTS)))
def test_at_least_once_loses_no_event(faults: dict[str, list[Fault | None]]) -> None:
    log = FakeLog({call: _possible(call, each) for call, each in faults.items()})
    bench = Bench(log, at_least_once=True)
    stopped = False
    try:
        bench.run()
    except WorkerError:
        stopped = True
    for partition, events in EVENTS.items():
        committed = events[: log.offsets.get(partition, 0)]
        assert set(committed) <= set(bench.seen())
        assert stopped or committed == events


class Unavailable(EchoPipeline):
    """Raises an error for the batches that are numbered so."""

    def __init__(self, error: Exception, *numbers: int) -> None:
        self._error = error
        self._numbers = numbers
        self._count = 0

    def process(self, batch: Batch) -> Output:
        self._count += 1
        if self._count in self._numbers:
            raise self._error
        return super().process(batch)


@pytest.mark.parametrize("at_least_once", [False, True])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_batch_that_cannot_be_read_yet_is_read_again(number: int, at_least_once: bool) -> None:
    pipeline = Unavailable(UnavailableError("no schema"), number, number + 1)
    bench = Bench(pipeline=pipeline, at_least_once=at_least_once)

    bench.run()

    assert bench.seen() == [*EVENTS[P0], *EVENTS[P1]]
    assert bench.log.offsets == {P0: 10, P1: 7}
    assert (bench.source.rewinds, bench.metrics.aborts) == (2, 0)


def test_parts_before_one_that_cannot_be_read_yet_are_committed() -> None:
    values = [b"%d" % i for i in range(5 * PART_EVENTS)]
    pipeline = Unavailable(UnavailableError("no schema"), 4)
    bench = Bench(events={P0: values}, pipeline=pipeline, size=PART_EVENTS, sizer=BatchSizer(60.0))

    bench.run()

    assert (bench.seen(), bench.metrics.aborts) == (values, 0)
    assert [stats.scored for stats in bench.metrics.stats] == [PART_EVENTS, 2 * PART_EVENTS, 2 * PART_EVENTS]


def test_a_batch_that_can_never_be_read_ends_the_worker() -> None:
    bench = Bench(pipeline=Unavailable(WorkerError("schema 7: no wall clock"), 3))

    with pytest.raises(WorkerError, match=r"^schema 7: no wall clock$"):
        bench.run()

    assert bench.seen() == EVENTS[P0][:6]
    assert len(bench.tracing.spans[-1].ends) == 1
