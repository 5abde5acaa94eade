import pytest

from consumer.kafka.fetching import FetchLimits, Gathering
from tests.support.fakes import FakeClock


def gathering(most: int = 1000, size: int = 1_000_000, age: float = 0.005) -> tuple[Gathering, FakeClock]:
    clock = FakeClock()
    return Gathering(FetchLimits(size, age), clock, most), clock


def test_empty_batch_asks_for_one_record() -> None:
    batch, _ = gathering(10)
    assert batch.room() == 1


def test_batch_is_full_at_its_count() -> None:
    batch, _ = gathering(10)
    batch.add(7, 700)
    assert batch.room() == 3
    batch.add(3, 300)
    assert batch.room() == 0


def test_batch_is_full_at_its_bytes() -> None:
    batch, _ = gathering(1000, size=1000)
    batch.add(2, 1000)
    assert batch.room() == 0


def test_large_records_are_requested_few_at_a_time() -> None:
    batch, _ = gathering(1000, size=10_000)
    batch.add(1, 3000)
    assert batch.room() == 2
    batch.add(2, 6900)
    assert batch.room() == 1


def test_request_size_is_bounded() -> None:
    batch, _ = gathering(100_000)
    batch.add(1, 10)
    assert batch.room() <= 256


def test_events_without_bytes_count_too() -> None:
    batch, _ = gathering(5, size=10)
    batch.add(1, 0)
    assert batch.room() == 4


def test_oldest_event_bounds_the_wait() -> None:
    batch, clock = gathering(age=0.005)
    batch.add(1, 10)
    clock.sleep(0.003)
    batch.add(1, 10)
    assert batch.time_left() == pytest.approx(0.002)
    clock.sleep(1.0)
    assert batch.time_left() == 0.0


def test_age_counts_from_the_first_event() -> None:
    batch, clock = gathering(age=0.005)
    clock.sleep(60.0)
    batch.add(0, 0)
    batch.add(1, 10)
    assert batch.time_left() == pytest.approx(0.005)
