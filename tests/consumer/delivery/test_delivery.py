import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from consumer.delivery.at_least_once import AtLeastOnce
from consumer.delivery.exactly_once import ExactlyOnce
from consumer.delivery.interface import Adapt, BatchTimes, cannot_adapt
from consumer.errors import (
    DeliveryError,
    ExpiredError,
    FatalError,
    FencedError,
    MustAbortError,
    RecordsRefusedError,
    RefusedError,
    RejectedRecord,
    Rejection,
    RetriableError,
    UnansweredError,
    UndeliveredError,
    WorkerError,
)
from consumer.kafka.membership import Membership
from consumer.records import OutRecord
from tests.support.fakes import P0, P1, FakeClock, FakeLog, FakeProducer, Fault, deliver

IDS = ("g-host-0-0", "g-host-0-1")
MEMBER = Membership(b"worker-1", revocations=0, metadata=b"member")
TOO_LARGE = RecordsRefusedError("too large", [RejectedRecord("results", Rejection.SIZE)])


def records(*values: bytes) -> list[OutRecord]:
    return [OutRecord("results", None, value, [], 1) for value in values]


def exactly_once(log: FakeLog, clock: FakeClock | None = None, adapt: Adapt = cannot_adapt) -> ExactlyOnce:
    delivery = ExactlyOnce(
        lambda name: FakeProducer(log, name),
        IDS,
        lambda: MEMBER,
        (clock or FakeClock()).retry(),
        adapt=adapt,
    )
    delivery.start()
    return delivery


def at_least_once(log: FakeLog, adapt: Adapt = cannot_adapt) -> AtLeastOnce:
    delivery = AtLeastOnce(lambda: FakeProducer(log), log.commit_offsets, FakeClock().retry(), adapt)
    delivery.start()
    return delivery


def failing(call: str, *errors: DeliveryError | None, applied: bool = False) -> FakeLog:
    """A log where the next calls of this kind run into these errors."""
    faults: Iterable[Fault | None] = [None if error is None else Fault(error, applied) for error in errors]
    return FakeLog({call: faults})


def test_times_are_those_of_one_batch() -> None:
    clock = FakeClock()
    times = BatchTimes(clock)
    for publish in (2.0, 3.0):
        began = clock()
        clock.sleep(publish)
        times.add_publish(began)
        times.begin_commit()
        clock.sleep(0.5)
        assert times.finish(clock()).seconds == {"publish": publish, "commit": 0.5}


class TestExactlyOnce:
    def test_records_and_offsets_become_visible_together(self) -> None:
        log = FakeLog()
        seconds = deliver(exactly_once(log), records(b"a", b"b"), {P0: 1, P1: 5}).seconds
        assert log.visible == records(b"a", b"b")
        assert log.offsets == {P0: 1, P1: 5}
        steps = [call for _, call in log.calls]
        assert steps == ["init", "init", "begin", "produce", "send_offsets", "commit"]
        assert seconds.keys() == {"publish", "commit"}

    def test_two_producers_take_turns(self) -> None:
        log = FakeLog()
        delivery = exactly_once(log)
        for offset in range(4):
            deliver(delivery, records(b"a"), {P0: offset + 1})
        assert log.called("commit") == [IDS[0], IDS[1], IDS[0], IDS[1]]

    def test_offsets_without_records_are_committed_too(self) -> None:
        log = FakeLog()
        deliver(exactly_once(log), [], {P0: 7})
        assert log.offsets == {P0: 7}

    @pytest.mark.parametrize("call", ["begin", "send_offsets", "commit"])
    def test_retriable_error_repeats_the_call(self, call: str) -> None:
        log = failing(call, RetriableError("later"), RetriableError("later"))
        deliver(exactly_once(log), records(b"a"), {P0: 1})
        assert log.visible == records(b"a")
        assert len(log.called(call)) == 3

    @pytest.mark.parametrize("call", ["produce", "send_offsets", "commit"])
    def test_abortable_error_aborts_the_transaction(self, call: str) -> None:
        log = failing(call, MustAbortError("the group has moved on"))
        delivery = exactly_once(log)
        with pytest.raises(UndeliveredError, match="the group has moved on"):
            deliver(delivery, records(b"a"), {P0: 1})
        assert (log.visible, log.offsets, log.called("abort")) == ([], {}, [IDS[0]])
        deliver(delivery, records(b"b"), {P0: 1})
        assert log.visible == records(b"b")

    def test_retries_that_end_before_the_commit_abort(self) -> None:
        log = failing("send_offsets", *[RetriableError("still away")] * 1000)
        with pytest.raises(UndeliveredError, match="still away"):
            deliver(exactly_once(log), records(b"a"), {P0: 1})
        assert (log.visible, log.called("abort")) == ([], [IDS[0]])

    @pytest.mark.parametrize("applied", [True, False])
    @pytest.mark.parametrize("call", ["send_offsets", "commit"])
    def test_timeout_replaces_the_producer_of_the_id(self, call: str, applied: bool) -> None:
        log = failing(call, UnansweredError("timed out"), applied=applied)
        delivery = exactly_once(log)
        with pytest.raises(UndeliveredError):
            deliver(delivery, records(b"a"), {P0: 1})
        assert log.calls[-2:] == [(IDS[0], "drop"), (IDS[0], "init")]
        assert not log.called("abort")
        committed = call == "commit" and applied
        assert (log.visible, log.offsets) == ((records(b"a"), {P0: 1}) if committed else ([], {}))

    def test_time_outs_may_come_again_and_again(self) -> None:
        delivery = exactly_once(failing("commit", *[UnansweredError("timed out")] * 6))
        for _ in range(6):
            with pytest.raises(UndeliveredError):
                deliver(delivery, records(b"a"), {P0: 1})
        deliver(delivery, records(b"a"), {P0: 1})

    def test_failed_abort_replaces_the_producer(self) -> None:
        log = FakeLog({"commit": [Fault(MustAbortError("no"))], "abort": [Fault(UnansweredError("timed out"))]})
        delivery = exactly_once(log)
        with pytest.raises(UndeliveredError):
            deliver(delivery, records(b"a"), {P0: 1})
        assert log.calls[-3:] == [(IDS[0], "abort"), (IDS[0], "drop"), (IDS[0], "init")]
        assert (log.visible, log.open) == ([], {})

    def test_fatal_error_of_an_abort_counts_as_fatal(self) -> None:
        taken = Fault(FencedError("fenced by a newer producer"))
        log = FakeLog({"commit": [Fault(MustAbortError("no"))] * 3, "abort": [taken, None, taken]})
        delivery = exactly_once(log)
        for _ in range(2):
            with pytest.raises(UndeliveredError):
                deliver(delivery, records(b"a"), {P0: 1})
        with pytest.raises(WorkerError, match=r"^transactional id g-host-0-0: fenced .*; another process uses this id"):
            deliver(delivery, records(b"a"), {P0: 1})
        assert log.visible == []

    def test_second_fatal_error_stops_the_worker(self) -> None:
        log = failing("begin", FatalError("out of order"), None, FatalError("out of order"))
        delivery = exactly_once(log)
        with pytest.raises(UndeliveredError):
            deliver(delivery, records(b"a"), {P0: 1})
        deliver(delivery, records(b"a"), {P0: 1})
        with pytest.raises(WorkerError, match=r"^transactional id g-host-0-0: out of order$"):
            deliver(delivery, records(b"b"), {P0: 2})

    @pytest.mark.parametrize("call", ["begin", "produce", "send_offsets", "commit"])
    def test_expired_id_replaces_both_producers(self, call: str) -> None:
        log = failing(call, ExpiredError("the id is not known"))
        delivery = exactly_once(log)
        with pytest.raises(UndeliveredError, match="the id is not known"):
            deliver(delivery, records(b"a"), {P0: 1})
        assert log.calls[-4:] == [(IDS[0], "drop"), (IDS[0], "init"), (IDS[1], "drop"), (IDS[1], "init")]
        assert not log.called("abort")
        deliver(delivery, records(b"a"), {P0: 1})
        assert log.visible == records(b"a")

    def test_ids_may_expire_again_and_again(self) -> None:
        delivery = exactly_once(failing("commit", *[ExpiredError("the id is not known")] * 6))
        for _ in range(6):
            with pytest.raises(UndeliveredError):
                deliver(delivery, records(b"a"), {P0: 1})
        deliver(delivery, records(b"a"), {P0: 1})

    def test_expiry_in_an_abort_replaces_both_producers(self) -> None:
        expired = Fault(ExpiredError("the id is not known"))
        log = FakeLog({"commit": [Fault(MustAbortError("no"))] * 3, "abort": [expired] * 3})
        delivery = exactly_once(log)
        for _ in range(3):
            with pytest.raises(UndeliveredError, match="no"):
                deliver(delivery, records(b"a"), {P0: 1})
        assert log.called("init") == [*IDS] * 4
        deliver(delivery, records(b"a"), {P0: 1})
        assert log.visible == records(b"a")

    def test_what_was_long_ago_is_forgotten(self) -> None:
        log, clock = failing("begin", FatalError("x"), None, FatalError("x")), FakeClock()
        delivery = exactly_once(log, clock)
        for _ in range(3):
            try:
                deliver(delivery, records(b"a"), {P0: 1})
            except UndeliveredError:
                clock.sleep(301.0)
        assert log.called("drop") == [IDS[0], IDS[0]]

    def test_transaction_past_its_timeout_is_not_fenced_by_another(self) -> None:
        waiting, ended = Fault(RetriableError("no coordinator")), Fault(FencedError("the broker has ended it"))
        log, clock = FakeLog({"send_offsets": [*[waiting] * 9, ended] * 3}), FakeClock()
        delivery = ExactlyOnce(
            lambda name: FakeProducer(log, name),
            IDS[:1],
            lambda: MEMBER,
            clock.retry(),
            transaction_seconds=2.0,
        )
        delivery.start()
        for _ in range(3):
            began = clock.now
            with pytest.raises(UndeliveredError, match="the broker has ended it"):
                deliver(delivery, records(b"a"), {P0: 1})
            assert clock.now - began > 2.0
        deliver(delivery, records(b"a"), {P0: 1})
        assert log.visible == records(b"a")

    @pytest.mark.parametrize("seed", range(20))
    def test_one_of_two_processes_of_a_slot_survives(self, seed: int) -> None:
        log, turns = FakeLog(), random.Random(seed)

        def between(name: str) -> FakeProducer:
            if name == IDS[1] and not theirs:  # the first id is ours by now; they are faster with the second
                theirs.append(exactly_once(log))
            return FakeProducer(log, name)

        theirs: list[ExactlyOnce] = []
        ours = ExactlyOnce(between, IDS, lambda: MEMBER, FakeClock().retry())
        ours.start()
        living = [ours, *theirs]
        for turn in range(60):
            each = turns.choice(living)
            try:
                deliver(each, records(b"%d" % turn), {P0: turn + 1})
            except UndeliveredError:
                pass
            except WorkerError:
                living.remove(each)
        assert len(living) == 1

    def test_two_processes_stop_fencing_each_other(self) -> None:
        log = FakeLog()
        ours, theirs = exactly_once(log), exactly_once(log)
        stopped = ""
        for turn in range(20):
            try:
                deliver(ours if turn % 2 else theirs, records(b"%d" % turn), {P0: turn + 1})
            except UndeliveredError:
                pass
            except WorkerError as error:
                stopped = str(error)
                break
        assert stopped == (
            "transactional id g-host-0-0: fenced by a newer producer; another process uses this id: "
            "stop it, or give each worker its own --slot"
        )

    def test_refused_commit_stops_the_worker(self) -> None:
        log = failing("commit", RefusedError("could not write to results: too large; raise max.message.bytes"))
        with pytest.raises(WorkerError, match="too large"):
            deliver(exactly_once(log), records(b"a"), {P0: 1})
        assert (log.visible, log.aborted) == ([], records(b"a"))

    def test_expelled_member_begins_no_transaction(self) -> None:
        log = FakeLog()

        def membership() -> Membership:
            raise MustAbortError("not a member")

        delivery = ExactlyOnce(lambda name: FakeProducer(log, name), IDS, membership, FakeClock().retry())
        delivery.start()
        with pytest.raises(UndeliveredError, match="not a member"):
            deliver(delivery, records(b"a"), {P0: 1})
        assert not log.called("begin")

    def test_output_of_lost_partitions_is_not_committed(self) -> None:
        log, memberships = FakeLog(), [MEMBER, replace(MEMBER, revocations=1)]
        delivery = ExactlyOnce(
            lambda name: FakeProducer(log, name),
            IDS,
            lambda: memberships.pop(0) if len(memberships) > 1 else memberships[0],
            FakeClock().retry(),
        )
        delivery.start()
        with pytest.raises(UndeliveredError, match="partitions were taken away"):
            deliver(delivery, records(b"a"), {P0: 1})
        assert (log.called("send_offsets"), log.called("abort")) == ([], [IDS[0]])
        deliver(delivery, records(b"b"), {P0: 1})
        assert log.visible == records(b"b")

    def test_the_parts_of_a_batch_are_one_transaction(self) -> None:
        log = FakeLog()
        delivery = exactly_once(log)
        for value in (b"a", b"b", b"c"):
            delivery.publish(records(value))
        assert log.visible == []
        delivery.begin_commit({P0: 3})
        assert delivery.finish_commit() is not None
        assert (log.called("begin"), log.called("commit")) == ([IDS[0]], [IDS[0]])
        assert (log.visible, log.offsets) == (records(b"a", b"b", b"c"), {P0: 3})

    def test_failed_part_aborts_the_parts_before_it(self) -> None:
        log = FakeLog({"produce": [None, Fault(MustAbortError("no"))]})
        delivery = exactly_once(log)
        delivery.publish(records(b"a"))
        with pytest.raises(UndeliveredError):
            delivery.publish(records(b"b"))
        assert (log.visible, log.aborted) == ([], records(b"a"))
        deliver(delivery, records(b"a", b"b"), {P0: 2})
        assert log.visible == records(b"a", b"b")

    def test_start_waits_for_a_starting_broker(self) -> None:
        log = failing("init", UnansweredError("timed out"), RetriableError("loading"))
        deliver(exactly_once(log), records(b"a"), {P0: 1})
        assert log.visible == records(b"a")

    def test_refused_id_stops_the_worker_and_is_named(self) -> None:
        with pytest.raises(WorkerError, match=r"^transactional id g-host-0-0: not allowed$"):
            exactly_once(failing("init", RefusedError("not allowed")))

    @pytest.mark.parametrize("call", ["produce", "commit"])
    @pytest.mark.parametrize("smaller_batches", [True, False])
    def test_refused_record_is_written_in_another_form(self, call: str, smaller_batches: bool) -> None:
        log, refused = failing(call, TOO_LARGE), list[RecordsRefusedError]()

        def adapt(error: RecordsRefusedError) -> bool:
            refused.append(error)
            return smaller_batches

        delivery = exactly_once(log, adapt=adapt)
        with pytest.raises(UndeliveredError) as caught:
            deliver(delivery, records(b"large"), {P0: 1})
        assert caught.value.adapted
        assert (refused, log.visible, len(log.called("abort"))) == ([TOO_LARGE], [], 1)
        assert log.called("drop") == (list(IDS) if smaller_batches else [])
        deliver(delivery, records(b"small"), {P0: 1})
        assert (log.visible, log.offsets) == (records(b"small"), {P0: 1})

    def test_refused_record_without_other_form_stops_the_worker(self) -> None:
        log = failing("commit", TOO_LARGE)
        with pytest.raises(WorkerError, match="too large"):
            deliver(exactly_once(log), records(b"large"), {P0: 1})
        assert (log.visible, log.offsets) == ([], {})


class TestAtLeastOnce:
    def test_refused_record_is_read_again_in_another_form(self) -> None:
        log, refused = failing("flush", TOO_LARGE), list[RecordsRefusedError]()

        def adapt(error: RecordsRefusedError) -> bool:
            refused.append(error)
            return True

        delivery = at_least_once(log, adapt)
        with pytest.raises(UndeliveredError) as caught:
            deliver(delivery, records(b"large"), {P0: 1})
        assert caught.value.adapted
        assert (refused, log.offsets) == ([TOO_LARGE], {})
        deliver(delivery, records(b"small"), {P0: 1})
        assert (log.visible, log.offsets) == (records(b"small"), {P0: 1})

    def test_offsets_are_committed_after_every_record_is_written(self) -> None:
        log = FakeLog()
        deliver(at_least_once(log), records(b"a"), {P0: 1})
        assert [call for _, call in log.calls] == ["produce", "flush", "commit_offsets"]
        assert (log.visible, log.offsets) == (records(b"a"), {P0: 1})

    def test_a_record_that_failed_stops_the_commit(self) -> None:
        log = failing("flush", MustAbortError("could not write to results"))
        with pytest.raises(UndeliveredError):
            deliver(at_least_once(log), records(b"a"), {P0: 1})
        assert not log.called("commit_offsets")

    def test_failure_drops_the_queued_records(self) -> None:
        log = failing("flush", MustAbortError("no"))
        delivery = at_least_once(log)
        with pytest.raises(UndeliveredError):
            deliver(delivery, records(b"a"), {P0: 1})
        deliver(delivery, records(b"b"), {P0: 1})
        assert log.visible == records(b"b")

    def test_retriable_commit_is_repeated(self) -> None:
        log = failing("commit_offsets", RetriableError("loading"), UnansweredError("timed out"))
        deliver(at_least_once(log), records(b"a"), {P0: 1})
        assert log.offsets == {P0: 1}

    def test_a_commit_the_group_refuses_reads_again(self) -> None:
        log = failing("commit_offsets", MustAbortError("illegal generation"))
        with pytest.raises(UndeliveredError):
            deliver(at_least_once(log), records(b"a"), {P0: 1})
        assert log.offsets == {}

    def test_refused_write_stops_the_worker(self) -> None:
        with pytest.raises(WorkerError, match="not allowed"):
            deliver(at_least_once(failing("flush", RefusedError("not allowed"))), records(b"a"), {P0: 1})
