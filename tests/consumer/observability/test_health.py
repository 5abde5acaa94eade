"""What /livez and /readyz say and when."""

import threading

import pytest

from consumer.observability.health import Health
from tests.support.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def health(clock: FakeClock) -> Health:
    return Health(clock, loop_seconds=30, broker_seconds=60)


def test_a_new_process_is_live_but_not_ready(health: Health) -> None:
    assert health.liveness_failure() is None
    assert health.readiness_failure() == "no broker has answered yet"


def test_an_assignment_makes_it_ready(health: Health) -> None:
    health.set_kafka_state(joined=False, silent_seconds=0)
    assert health.readiness_failure() == "the consumer group has not assigned partitions yet"
    health.set_kafka_state(joined=True, silent_seconds=0)
    assert health.readiness_failure() is None


def test_a_deleted_topic_makes_it_not_ready(health: Health) -> None:
    health.set_kafka_state(joined=True, silent_seconds=0, deleted_topics=["sessions"])
    assert health.readiness_failure() == "input topic sessions is gone: it was deleted"
    health.set_kafka_state(joined=True, silent_seconds=0)
    assert health.readiness_failure() is None


def test_a_silent_broker_makes_it_not_ready_but_live(health: Health, clock: FakeClock) -> None:
    health.set_kafka_state(joined=True, silent_seconds=59)
    assert health.readiness_failure() is None
    clock.sleep(20)
    health.tick()
    assert health.readiness_failure() == "no broker answered for 79 s"
    assert health.liveness_failure() is None


def test_a_hung_loop_is_neither_live_nor_ready(health: Health, clock: FakeClock) -> None:
    health.set_kafka_state(joined=True, silent_seconds=0)
    clock.sleep(31)
    assert health.liveness_failure() == "the loop has not come round for 31 s"
    assert health.readiness_failure() == health.liveness_failure()
    health.tick()
    assert health.liveness_failure() is None


def test_a_stopping_worker_is_live_but_not_ready() -> None:
    stop = threading.Event()
    health = Health(stopping=stop.is_set)
    health.set_kafka_state(joined=True, silent_seconds=0)
    assert health.readiness_failure() is None
    stop.set()
    assert health.readiness_failure() == "stopping"
    assert health.liveness_failure() is None
