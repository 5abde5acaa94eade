"""Simulated processes and threads end as real ones do."""

import pytest

from tests.simulation.checks import ViolationError
from tests.simulation.world import Process, World


def _never() -> None:
    raise AssertionError("a thread of a killed process has begun")


def test_thread_that_has_not_begun_ends_with_its_process() -> None:
    world = World("killed")
    process = Process(world, "process")
    process.start(_never, "thread")
    process.kill()
    world.step()
    world.step()


def test_thread_that_has_not_begun_ends_with_its_world() -> None:
    world = World("closed")
    process = Process(world, "process")
    process.start(_never, "thread")
    world.close()


def test_thread_that_waits_ends_with_its_process() -> None:
    world = World("waiting")
    process = Process(world, "process")
    ended: list[str] = []

    def wait() -> None:
        try:
            process.sleep(10)
        finally:
            ended.append("cleaned up")

    process.start(wait, "thread")
    world.step()
    process.kill()
    world.step()
    assert ended == ["cleaned up"]


def test_what_a_thread_raises_reaches_the_scheduler_not_the_thread_that_started_it() -> None:
    world = World(0)
    process = Process(world, "p")
    swallowed: list[BaseException] = []

    def fail() -> None:
        raise ViolationError("order", "planted")

    def main() -> None:
        process.start(fail, "other")
        try:
            process.sleep(1.0)
        except ViolationError as error:
            swallowed.append(error)

    process.start(main, "main")

    with pytest.raises(ViolationError):
        world.run(lambda: False, most_steps=10, until=2.0)
    assert swallowed == []


def test_end_of_a_thread_wakes_no_other() -> None:
    world = World(0)
    process = Process(world, "p")
    woken_at: list[float] = []

    def main() -> None:
        process.start(lambda: None, "other")
        world.current.wait(1.0)
        woken_at.append(world.now)

    process.start(main, "main")
    world.after(3.0, lambda: None)
    world.run(lambda: False, most_steps=10, until=2.0)

    assert woken_at == [1.0]
