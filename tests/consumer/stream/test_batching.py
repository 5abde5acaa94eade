import pytest

from consumer.stream.batching import MIN_EVENTS, PART_EVENTS, BatchSizer


def sizer(seconds: float, *, batches: int = 50, events: int, working: float, committing: float) -> BatchSizer:
    """After so many batches of that kind."""
    found = BatchSizer(seconds)
    for _ in range(batches):
        found.record(events, working, committing)
    return found


def test_a_budget_that_knows_nothing_yet_begins_with_one_part() -> None:
    assert BatchSizer(0.001).limit() == PART_EVENTS
    assert BatchSizer(0.001, max_events=7).limit() == 7


def test_a_batch_may_be_as_large_as_what_work_and_commit_leave_of_the_budget() -> None:
    assert sizer(0.1, events=1000, working=0.1, committing=0.02).limit() == pytest.approx(800, abs=1)


def test_small_batches_tell_nothing_of_what_an_event_takes() -> None:
    known = sizer(0.1, events=1000, working=0.1, committing=0.02)
    known.record(1, 1.0, 0.02)
    assert known.limit() == pytest.approx(800, abs=1)


def test_where_the_commit_takes_the_budget_batches_keep_the_worker_busy_meanwhile() -> None:
    assert sizer(0.1, events=1000, working=0.1, committing=0.5).limit() == pytest.approx(5000, rel=0.01)


def test_no_budget_makes_batches_larger_than_they_may_be() -> None:
    known = BatchSizer(60.0, max_events=20)
    known.record(1000, 0.001, 0.001)
    assert known.limit() == 20


def test_no_budget_makes_batches_tiny() -> None:
    assert sizer(0.001, events=1000, working=1.0, committing=0.001).limit() == MIN_EVENTS
