import pytest

from consumer.stream.batching import MIN_EVENTS, PART_EVENTS, BatchSizer


def sizer(seconds: float, *, batches: int = 50, events: int, working: float, committing: float) -> BatchSizer:
    """After so many batches of that kind."""
    found = BatchSizer(seconds)
    for _ in range(batches):
        found.record(events, working, committing)
    return found


def test_first_batch_is_one_part() -> None:
    assert BatchSizer(0.001).limit() == PART_EVENTS
    assert BatchSizer(0.001, max_events=7).limit() == 7


def test_batch_fits_work_and_commit_into_the_budget() -> None:
    assert sizer(0.1, events=1000, working=0.1, committing=0.02).limit() == pytest.approx(800, abs=1)


def test_small_batches_do_not_change_the_limit() -> None:
    known = sizer(0.1, events=1000, working=0.1, committing=0.02)
    known.record(1, 1.0, 0.02)
    assert known.limit() == pytest.approx(800, abs=1)


def test_slow_commit_allows_larger_batches() -> None:
    assert sizer(0.1, events=1000, working=0.1, committing=0.5).limit() == pytest.approx(5000, rel=0.01)


def test_limit_is_at_most_max_events() -> None:
    known = BatchSizer(60.0, max_events=20)
    known.record(1000, 0.001, 0.001)
    assert known.limit() == 20


def test_limit_is_at_least_min_events() -> None:
    assert sizer(0.001, events=1000, working=1.0, committing=0.001).limit() == MIN_EVENTS
