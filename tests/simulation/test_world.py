"""Simulated processes and threads end as real ones do."""

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
