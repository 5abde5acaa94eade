import logging
from collections.abc import Callable

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message

from consumer.errors import WorkerError
from consumer.kafka.assignment import Assignment
from consumer.kafka.membership import InputTopics, Subscription
from consumer.records import Partition
from consumer.runtime import Retry
from tests.support.fakes import P0, P1, FakeClock, FakeConsumer

AWAY = KafkaError(KafkaError._TRANSPORT, "broker is away")
NOT_READY = KafkaError(KafkaError._STATE, "not being read")
DENIED = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "denied")
LOGIN_0 = Partition("logins", 0)


SESSIONS = Subscription("g", InputTopics(("sessions",)))
PAST_GAPS = Subscription("g", InputTopics(("sessions",)), continue_on_gap=True)
TWO_TOPICS = Subscription("g", InputTopics(("sessions", "logins")))


def assignment(
    consumer: FakeConsumer,
    *given: Partition,
    subscription: Subscription = SESSIONS,
    retry: Retry | None = None,
    cooperative: bool = True,
    on_revoke: Callable[[], object] = lambda: None,
) -> Assignment:
    """Return an assignment that has been given these partitions."""
    made = Assignment(consumer.client(), subscription, retry or FakeClock().retry(10), cooperative=cooperative)
    made.subscribe(on_revoke)
    if given:
        consumer.give(*given)
    return made


def records(*partitions: int) -> list[Message]:
    return [Message("sessions", partition, offset) for offset, partition in enumerate(partitions)]


def partitions(messages: list[Message]) -> list[int | None]:
    return [message.partition() for message in messages]


@pytest.mark.parametrize("cooperative", [True, False])
def test_partition_starts_at_its_committed_or_oldest_offset(*, cooperative: bool) -> None:
    consumer = FakeConsumer({P0: 42})
    assignment(consumer, P0, P1, cooperative=cooperative)
    assert consumer.positions == {P0: 42, P1: OFFSET_BEGINNING}
    assert consumer.calls[-1] == ("incremental_assign" if cooperative else "assign")


@pytest.mark.parametrize(
    "code", [KafkaError._TRANSPORT, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION]
)
def test_offset_lookup_is_retried(code: int) -> None:
    """A broker that is just back may not know the topic yet."""
    consumer, error = FakeConsumer({P0: 42}), KafkaError(code)
    consumer.errors = {"committed": [error, error], "get_watermark_offsets": [error]}
    assert assignment(consumer).failure is None
    consumer.give(P0)
    assert consumer.positions == {P0: 42}


@pytest.mark.parametrize("call", ["committed", "get_watermark_offsets"])
def test_unanswered_callback_gives_up_within_seconds(call: str) -> None:
    consumer, clock = FakeConsumer({P0: 42}), FakeClock()
    consumer.errors = {call: [AWAY] * 1000}
    made = assignment(consumer, retry=clock.retry(60))
    began = clock()
    consumer.give(P0)
    assert clock() - began <= 5
    assert made.failure is None
    assert "broker is away" in str(made.unanswered)
    assert made.drop_revoked(records(0)) == []


def test_records_dropped_unanswered_leave_no_position() -> None:
    """A cooperative rebalance adds a partition, and nobody answers: what was read of the others is dropped with it."""
    consumer = FakeConsumer({P0: 42, P1: 7})
    made = assignment(consumer, P0)
    consumer.errors = {"committed": [AWAY] * 1000}
    consumer.give(P1)
    consumer.read_to = {P0: 52}
    assert made.drop_revoked([Message("sessions", 0, offset) for offset in range(42, 52)]) == []
    assert made.positions([P0]) == {}
    assert made.positions_past_markers() == {}


def test_first_callback_after_rejoining_retries_fully() -> None:
    consumer, clock = FakeConsumer({P0: 42, P1: 7}), FakeClock()
    consumer.errors = {"committed": [AWAY] * 30}
    made = assignment(consumer, retry=clock.retry(60))
    made.subscribe(lambda: None, rejoined=True)
    began = clock()
    consumer.give(P0)
    assert clock() - began > 20
    assert (made.failure, made.unanswered) == (None, None)
    assert consumer.positions == {P0: 42}
    consumer.errors = {"committed": [AWAY] * 30}
    consumer.give(P1)
    assert made.unanswered is not None, "it was answered once: from then on it is as any client"


@pytest.mark.parametrize("errors", [[AWAY] * 1000, [DENIED]])
def test_callback_failure_is_noted_not_raised(errors: list[KafkaError]) -> None:
    consumer = FakeConsumer({})
    consumer.errors = {"committed": errors}
    made = assignment(consumer)
    made.subscribe(lambda: None, rejoined=True)
    consumer.give(P0)
    assert str(made.failure).startswith("could not begin to read sessions: could not read the committed offsets: ")
    assert consumer.positions == {}


def test_leaving_member_looks_up_no_offsets() -> None:
    consumer = FakeConsumer({P0: 42})
    made = assignment(consumer)
    asked = list(consumer.calls)
    made.leave()
    consumer.give(P0)
    assert consumer.calls == asked
    assert made.failure is None


def test_on_revoke_runs_before_partitions_are_forgotten() -> None:
    consumer, told = FakeConsumer({P0: 42}), list[dict[Partition, int]]()
    made = assignment(consumer, P0, on_revoke=lambda: told.append(made.lag({})))
    consumer.take(P0)
    assert told == [{P0: 58}], "they were forgotten before"


def test_leaving_member_does_not_commit() -> None:
    consumer, told = FakeConsumer({P0: 42}), list[bool]()
    made = assignment(consumer, P0, on_revoke=lambda: told.append(True))
    made.leave()
    consumer.take(P0)
    assert told == []


def test_published_batch_is_committed_before_the_lookup() -> None:
    consumer = FakeConsumer({P0: 1})
    made = assignment(consumer, P0, on_revoke=lambda: consumer.offsets.update({P0: 7}))
    made.restart(P0)
    made.make_due_seeks()
    assert consumer.positions == {P0: 7}


@pytest.mark.parametrize("committed", [10, 15, 20])
def test_offset_within_the_partition_is_no_gap(committed: int) -> None:
    consumer = FakeConsumer({P0: committed}, low=10, high=20)
    made = assignment(consumer, P0)
    assert (made.failure, consumer.positions) == (None, {P0: committed})


def test_gap_is_noted_as_failure() -> None:
    consumer = FakeConsumer({P0: 3}, low=7)
    made = assignment(consumer, P0)
    assert "up to 4 records were never seen" in str(made.failure)


@pytest.mark.parametrize("lost", [True, False])
def test_records_of_a_revoked_partition_are_dropped(*, lost: bool) -> None:
    consumer = FakeConsumer({P0: 1, P1: 1})
    made = assignment(consumer, P0, P1)
    made.make_due_seeks()
    consumer.take(P1, lost=lost)
    assert partitions(made.drop_revoked(records(0, 1, 0, 1))) == [0, 0]
    made.make_due_seeks()
    assert partitions(made.drop_revoked(records(0))) == [0]


def test_reassigned_partition_restarts_at_its_committed_offset() -> None:
    consumer = FakeConsumer({P0: 1, P1: 1})
    made = assignment(consumer, P0, P1)
    made.make_due_seeks()
    consumer.take(P1)
    consumer.offsets[P1] = 5
    consumer.give(P1)
    consumer.positions[P1] = 9  # read on meanwhile
    assert partitions(made.drop_revoked(records(0, 1))) == [0]
    made.make_due_seeks()
    assert consumer.positions[P1] == 5
    assert partitions(made.drop_revoked(records(0, 1))) == [0, 1]


def test_due_seek_has_no_next_offset() -> None:
    consumer = FakeConsumer({P0: 42})
    made = assignment(consumer, P0, P1)
    made.advance({P0: 50})
    assert made.next_offsets() == {P0: 50, P1: OFFSET_BEGINNING}
    made.rewind()
    assert made.next_offsets() == {}
    damaged, stopped = KafkaError(KafkaError._BAD_MSG), KafkaError(KafkaError._AUTO_OFFSET_RESET)
    assert [made.applies(P0, error) for error in (damaged, stopped)] == [False, True]
    made.make_due_seeks()
    assert made.applies(P0, damaged)
    assert made.next_offsets() == {P0: 42, P1: OFFSET_BEGINNING}


def test_rewound_partition_waits_for_its_committed_offset() -> None:
    consumer = FakeConsumer({P0: 1})
    made = assignment(consumer, P0)
    consumer.positions[P0] = 9
    made.rewind()
    consumer.errors = {"committed": [AWAY], "seek": [NOT_READY]}
    for _ in range(2):
        made.make_due_seeks()
        assert made.drop_revoked(records(0)) == []
    made.make_due_seeks()
    assert consumer.positions == {P0: 1}
    assert partitions(made.drop_revoked(records(0))) == [0]


def test_stopped_partition_is_assigned_again() -> None:
    consumer = FakeConsumer({P0: 1})
    made = assignment(consumer, P0)
    consumer.positions[P0] = 9
    made.rewind()
    consumer.errors = {"seek": [NOT_READY] * 100}
    for _ in range(2):
        made.make_due_seeks()
    assert consumer.positions == {P0: 1}
    assert partitions(made.drop_revoked(records(0))) == [0]


def test_due_seek_fails_after_all_retries() -> None:
    consumer, clock = FakeConsumer({P0: 1}), FakeClock()
    made = assignment(consumer, P0, retry=clock.retry(10))
    made.rewind()
    consumer.errors = {"committed": [AWAY] * 10}
    made.make_due_seeks()
    clock.sleep(11)
    with pytest.raises(
        WorkerError, match=r"^sessions: could not read the committed offsets: .* is the broker reachable"
    ):
        made.make_due_seeks()


def test_refused_seek_fails_at_once() -> None:
    consumer = FakeConsumer({P0: 1})
    made = assignment(consumer, P0)
    made.rewind()
    consumer.errors = {"committed": [DENIED]}
    with pytest.raises(WorkerError, match="needs the right Read on the consumer group"):
        made.make_due_seeks()


def test_revoked_partition_needs_no_seek() -> None:
    consumer = FakeConsumer({P0: 1, P1: 1})
    made = assignment(consumer, P0, P1)
    made.rewind()
    consumer.take(P1)
    del consumer.positions[P1]
    made.make_due_seeks()
    assert consumer.positions == {P0: 1}


@pytest.mark.parametrize("cooperative", [True, False])
def test_out_of_range_partition_continues_behind_the_gap(*, cooperative: bool) -> None:
    consumer = FakeConsumer({P0: 3, P1: 8})
    made = assignment(consumer, P0, P1, cooperative=cooperative, subscription=PAST_GAPS)
    made.advance({P1: 9})
    consumer.low, consumer.offsets[P1] = 8, 9
    consumer.positions[P1] = 9
    made.restart(P0)
    made.make_due_seeks()
    assert consumer.positions == {P0: 8, P1: 9}
    assert [gap.never_seen for gap in made.take_gaps()] == [5]


def test_growing_gap_counts_only_new_offsets() -> None:
    consumer = FakeConsumer({P0: 3}, low=7)
    made = assignment(consumer, P0, subscription=PAST_GAPS)
    consumer.low = 20
    made.rewind()
    made.make_due_seeks()
    assert consumer.positions == {P0: 20}
    assert [gap.never_seen for gap in made.take_gaps()] == [4, 13]


def test_lag_counts_offsets_up_to_the_end() -> None:
    consumer = FakeConsumer({P0: 40}, low=10, high=100)
    made = assignment(consumer, P0, P1)
    assert made.lag({}) == {P0: 60, P1: 90}
    made.advance({P0: 98})
    assert made.lag({}) == {P0: 2, P1: 90}
    consumer.read_to = {P0: 100}  # two markers
    assert made.lag({}) == {P0: 0, P1: 90}
    consumer.take(P1)
    assert made.lag({}).keys() == {P0}


def test_lag_ends_at_the_last_stable_offset() -> None:
    consumer = FakeConsumer({P0: 40, P1: 40}, high=100)
    made = assignment(consumer, P0, P1)
    assert made.lag({P0: 70}) == {P0: 30, P1: 60}
    consumer.read_to = {P0: 75}
    assert made.lag({P0: 70}) == {P0: 0, P1: 60}, "the end that is known is older than what is read"


def test_only_positions_past_handed_out_records_move() -> None:
    consumer = FakeConsumer({P0: 40, P1: 40})
    made = assignment(consumer, P0, P1)
    assert made.positions_past_markers() == {}
    consumer.read_to = {P0: 40, P1: 43}
    assert made.positions_past_markers() == {P1: 43}
    made.advance({P0: 45, P1: 43})
    consumer.read_to = {P0: 45, P1: 43}
    assert made.positions_past_markers() == {}


@pytest.mark.parametrize("cooperative", [True, False])
def test_due_seek_has_no_position_to_commit(*, cooperative: bool) -> None:
    consumer = FakeConsumer({P0: 1, P1: 1})
    made = assignment(consumer, P0, P1, cooperative=cooperative)
    consumer.read_to = {P0: 13, P1: 7}
    made.advance({P0: 10, P1: 7})
    made.rewind()
    assert made.positions_past_markers() == made.positions([P0, P1]) == {}
    made.make_due_seeks()
    assert made.positions_past_markers() == made.positions([P0, P1]) == {}


@pytest.mark.parametrize("lost", [True, False])
def test_revoked_partition_has_no_position_to_commit(*, lost: bool) -> None:
    consumer = FakeConsumer({P0: 1, P1: 1})
    made = assignment(consumer, P0, P1)
    consumer.read_to = {P0: 5, P1: 7}
    consumer.take(P1, lost=lost)
    assert made.positions_past_markers() == made.positions([P0, P1]) == {P0: 5}


@pytest.mark.parametrize("lost", [True, False])
def test_offsets_of_a_revoked_partition_are_not_committed(*, lost: bool) -> None:
    consumer = FakeConsumer({P0: 42, P1: 7})
    made = assignment(consumer, P0, P1)
    made.advance({P0: 50, P1: 9})
    assert made.may_commit({P0: 50, P1: 9})
    consumer.take(P0, lost=lost)
    assert not made.may_commit({P0: 50, P1: 9})
    assert made.may_commit({P1: 9})


def test_offsets_from_before_a_loss_are_not_committed() -> None:
    consumer = FakeConsumer({P0: 42})
    made = assignment(consumer, P0)
    made.advance({P0: 50})
    consumer.take(P0, lost=True)
    consumer.offsets[P0] = 60  # by another worker
    consumer.give(P0)
    assert not made.may_commit({P0: 50})
    assert made.may_commit({P0: 61})


def test_recreated_topic_counts_skipped_offsets() -> None:
    consumer = FakeConsumer({P0: 10, P1: 10}, high=1500)
    made = assignment(consumer, P0, P1, subscription=PAST_GAPS)
    made.advance({P0: 1000, P1: 900})
    old = made.read_positions()
    made.advance({P0: 1500})
    made.topic_recreated("sessions", old)
    assert [(each.partition, each.never_seen) for each in made.take_gaps()] == [(P0, 1000), (P1, 900)]


def test_restarted_reading_of_recreated_topic_counts_no_gap() -> None:
    """However far it has come since: past where it was in the old one, too."""
    consumer = FakeConsumer({P0: 1000}, high=1000)
    made = assignment(consumer, P0, subscription=PAST_GAPS)
    made.advance({P0: 1000})
    old = made.read_positions()
    consumer.offsets, consumer.high = {}, 15
    made.restart(P0)
    made.make_due_seeks()
    consumer.high = 2000
    made.advance({P0: 2000})
    made.topic_recreated("sessions", old)
    assert made.take_gaps() == []


def test_unfetched_recreated_topic_counts_no_gap() -> None:
    consumer = FakeConsumer({P0: 10}, high=15)
    made = assignment(consumer, P0, subscription=PAST_GAPS)
    made.advance({P0: 15})
    consumer.fetched, consumer.high = (0, 15), 20
    made.topic_recreated("sessions", made.read_positions())
    assert made.take_gaps() == []
    consumer.fetched = (0, 20)
    made.topic_recreated("sessions", made.read_positions())
    assert [each.never_seen for each in made.take_gaps()] == [15]


def test_a_partition_number_of_two_topics_is_two_partitions() -> None:
    consumer = FakeConsumer({P0: 42, LOGIN_0: 7})
    made = assignment(consumer, subscription=TWO_TOPICS)
    assert consumer.topics == ["sessions", "logins"]
    consumer.give(P0, LOGIN_0)
    assert consumer.positions == {P0: 42, LOGIN_0: 7}
    made.advance({P0: 50, LOGIN_0: 9})
    made.make_due_seeks()
    consumer.take(LOGIN_0)
    assert made.partitions() == [P0]
    both = [Message("sessions", 0, 50), Message("logins", 0, 9)]
    assert [message.topic() for message in made.drop_revoked(both)] == ["sessions"]
    assert made.may_commit({P0: 50})
    assert not made.may_commit({P0: 50, LOGIN_0: 9})
    made.restart(P0)
    made.make_due_seeks()
    assert consumer.positions == {P0: 42, LOGIN_0: 7}


def test_log_has_a_line_for_each_topic_even_without_partitions(caplog: pytest.LogCaptureFixture) -> None:
    """A member that is given none, because there are more workers than partitions, says so too."""
    consumer = FakeConsumer({})
    assignment(consumer, subscription=TWO_TOPICS)
    with caplog.at_level(logging.INFO, "consumer"):
        consumer.give()
        consumer.give(P1, LOGIN_0, P0)
        consumer.take(LOGIN_0)
        consumer.take(P0, P1, lost=True)
    fields = [vars(record) for record in caplog.records]
    assert [(each["message"], each["topic"], each["partitions"]) for each in fields] == [
        ("partitions assigned", "sessions, logins", []),
        ("partitions assigned", "logins", [0]),
        ("partitions assigned", "sessions", [0, 1]),
        ("partitions revoked", "logins", [0]),
        ("partitions lost", "sessions", [0, 1]),
    ]


def test_rebalances_are_counted_by_event() -> None:
    consumer = FakeConsumer({P0: 42, P1: 7})
    made = assignment(consumer)
    assert (made.rebalances, made.revocations) == ({}, 0)
    consumer.give(P0, P1)
    consumer.take(P1)
    consumer.give()
    consumer.take(P0, lost=True)
    assert (made.rebalances, made.revocations) == ({"assigned": 2, "revoked": 1, "lost": 1}, 2)
