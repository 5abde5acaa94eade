"""Slow batches are logged, and not too often."""

import logging
from typing import Any

import pytest

from consumer.observability.slow_batches import SlowBatches
from tests.support.fakes import FakeClock

STAGES = {"decode": 0.1, "score": 0.2, "encode": 0.1, "publish": 0.1, "commit": 1.0}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def slow(clock: FakeClock) -> SlowBatches:
    return SlowBatches(1.0, clock)


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records]


def test_a_fast_batch_is_not_logged(slow: SlowBatches, caplog: pytest.LogCaptureFixture) -> None:
    slow.record(1000, 1.0, STAGES)
    assert logged(caplog) == []


def test_a_slow_batch_is_logged_with_its_stages(slow: SlowBatches, caplog: pytest.LogCaptureFixture) -> None:
    slow.record(1000, 2.25, STAGES)
    [line] = logged(caplog)
    assert (line["levelno"], line["message"]) == (logging.WARNING, "slow batch")
    assert (line["events"], line["seconds"], line["slow_batches"]) == (1000, 2.25, 1)
    assert line["stages"] == STAGES | {"wait": 0.75}


def test_slow_batches_are_logged_once_a_minute(
    slow: SlowBatches, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        slow.record(10, 1.5, STAGES)
        clock.sleep(1.5)
    assert [line["slow_batches"] for line in logged(caplog)] == [1, 40, 40]


def test_the_first_slow_batch_is_logged_at_once(
    slow: SlowBatches, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    slow.record(10, 1.5, STAGES)
    clock.sleep(3600)
    slow.record(10, 1.5, STAGES)
    assert [line["slow_batches"] for line in logged(caplog)] == [1, 1]


@pytest.mark.parametrize(
    ("budget", "seconds", "lines"), [(0.05, 1.1, 1), (0.05, 0.9, 0), (5.0, 9.0, 0), (5.0, 11.0, 1)]
)
def test_the_limit_follows_objective_and_budget(
    budget: float, seconds: float, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    SlowBatches.for_budget(budget).record(10, seconds, STAGES)
    assert len(logged(caplog)) == lines
