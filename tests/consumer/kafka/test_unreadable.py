"""Partitions that are blocked by a batch that cannot be read, and the searches for its end."""

import threading
import time
from collections.abc import Callable

import pytest

from consumer.errors import WorkerError
from consumer.kafka.unreadable import Blocked, Find, find
from consumer.records import Partition, UnreadableBatch
from tests.support.fakes import FakeClock, FakeProbe

SECONDS = 30.0
REASON = WorkerError("the batch there cannot be read")
P3 = Partition("sessions", 3)
BATCH = UnreadableBatch(P3, 10, 17, "its checksum is wrong")
Outcome = list[tuple[Partition, UnreadableBatch | None]]


def finish(blocked: Blocked, revocations: int = 0) -> Outcome:
    """What has finished, once something has."""
    deadline = time.monotonic() + SECONDS
    while not (outcome := list(blocked.finished(revocations))):
        assert time.monotonic() < deadline
    return outcome


def search(find_batch: Find, revocations_after: int = 0) -> Outcome:
    blocked = Blocked(find_batch)
    blocked.add(P3, REASON)
    blocked.search({P3: 10}, 0)
    outcome = finish(blocked, revocations_after)
    assert P3 not in blocked
    return outcome


def answering(outcome: UnreadableBatch | WorkerError | None) -> Find:
    def find_batch(partition: Partition, position: int) -> UnreadableBatch | None:
        assert (partition, position) == (P3, 10)
        if isinstance(outcome, WorkerError):
            raise outcome
        return outcome

    return find_batch


def test_first_reason_ends_reading_without_a_search() -> None:
    blocked = Blocked(None)
    blocked.add(P3, REASON)
    blocked.add(P3, WorkerError("an offset that never was"))
    assert blocked.failure is REASON
    blocked.search({P3: 10}, 0)
    assert not list(blocked.finished(0))


def test_third_hanging_search_ends_reading() -> None:
    clock, never = FakeClock(), threading.Event()

    def hang(*_: object) -> None:
        never.wait()

    blocked = Blocked(hang, clock.runtime())
    for _ in range(2):
        blocked.add(P3, REASON)
        blocked.search({P3: 10}, 0)
        assert not list(blocked.finished(0))
        clock.sleep(31.0)
        assert list(blocked.finished(0)) == [(P3, None)]
    blocked.add(P3, REASON)
    blocked.search({P3: 10}, 0)
    clock.sleep(31.0)
    with pytest.raises(WorkerError, match="cannot be read"):
        list(blocked.finished(0))
    never.set()


def test_unreadable_batch_is_passed_over() -> None:
    assert search(answering(BATCH)) == [(P3, BATCH)]


@pytest.mark.parametrize("outcome", [None, WorkerError("no answer")])
def test_readable_or_unsearchable_partition_is_read_again(outcome: WorkerError | None) -> None:
    assert search(answering(outcome)) == [(P3, None)]


def test_batch_searched_before_a_rebalance_is_read_again() -> None:
    assert search(answering(BATCH), revocations_after=1) == [(P3, None)]


def test_partition_without_a_position_is_not_searched() -> None:
    blocked = Blocked(answering(BATCH))
    blocked.add(P3, REASON)
    blocked.search({}, 0)
    assert not list(blocked.finished(0))
    assert P3 in blocked
    blocked.search({P3: 10}, 0)
    assert finish(blocked) == [(P3, BATCH)]


def repeated(outcomes: list[UnreadableBatch | None], position: Callable[[int], int]) -> Blocked:
    """Searches one after the other, each from its position."""
    blocked = Blocked(lambda *_: outcomes.pop(0))
    for number in range(len(outcomes)):
        blocked.add(P3, REASON)
        blocked.search({P3: position(number)}, 0)
        finish(blocked)
    return blocked


def test_third_search_of_a_position_ends_reading() -> None:
    with pytest.raises(WorkerError, match="cannot be read"):
        repeated([None, None, None], lambda _: 10)


def test_searches_of_other_positions_do_not_count() -> None:
    assert not repeated([None] * 5, lambda number: number)
    assert not repeated([BATCH] * 5, lambda _: 10)


def test_abandoned_search_is_ignored() -> None:
    go_on = threading.Event()

    def find_batch(*_: object) -> UnreadableBatch | None:
        assert go_on.wait(SECONDS)
        return BATCH

    blocked = Blocked(find_batch)
    blocked.add(P3, REASON)
    blocked.search({P3: 10}, 0)
    blocked.clear()
    go_on.set()
    assert not list(blocked.finished(0))


WHY = "its checksum is wrong"


@pytest.mark.parametrize(
    ("position", "found"),
    [
        (5, UnreadableBatch(P3, 5, 12, WHY)),
        (7, UnreadableBatch(P3, 5, 12, WHY)),  # a reader is given the whole batch
        (-2, None),  # the oldest offset: what is there can be read
        (4, None),
        (12, None),
    ],
)
def test_find_returns_only_the_batch_at_the_position(position: int, found: UnreadableBatch | None) -> None:
    probe = FakeProbe(0, (0, 5, None), (5, 7, WHY), (12, 5, None))
    assert find(probe, P3, position) == found
