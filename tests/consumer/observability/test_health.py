"""What /livez and /readyz say and when."""

import threading

import pytest

from consumer.observability.health import Health


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock, loop_seconds=30, broker_seconds=60)


def test_a_fresh_process_lives_but_is_not_ready(health: Health) -> None:
    assert health.not_live() is None
    assert health.not_ready() == "no broker has answered yet"


def test_it_is_ready_once_the_group_has_given_it_its_share(health: Health) -> None:
    health.kafka(joined=False, silent_seconds=0)
    assert health.not_ready() == "the consumer group has not assigned partitions yet"
    health.kafka(joined=True, silent_seconds=0)
    assert health.not_ready() is None


def test_without_its_topic_it_is_not_ready(health: Health) -> None:
    health.kafka(joined=True, silent_seconds=0, topic_gone=True)
    assert health.not_ready() == "the input topic is gone: it was deleted"
    health.kafka(joined=True, silent_seconds=0)
    assert health.not_ready() is None


def test_a_silent_broker_makes_it_not_ready_but_leaves_it_alive(health: Health, clock: Clock) -> None:
    health.kafka(joined=True, silent_seconds=59)
    assert health.not_ready() is None
    clock.now += 20
    health.tick()
    assert health.not_ready() == "no broker answered for 79 s"
    assert health.not_live() is None


def test_a_loop_that_hangs_is_neither_alive_nor_ready(health: Health, clock: Clock) -> None:
    health.kafka(joined=True, silent_seconds=0)
    clock.now += 31
    assert health.not_live() == "the loop has not come round for 31 s"
    assert health.not_ready() == health.not_live()
    health.tick()
    assert health.not_live() is None


def test_a_worker_that_stops_is_not_ready_and_alive() -> None:
    stop = threading.Event()
    health = Health(stopping=stop.is_set)
    health.kafka(joined=True, silent_seconds=0)
    assert health.not_ready() is None
    stop.set()
    assert health.not_ready() == "stopping"
    assert health.not_live() is None
