"""Simulated time, processes and threads. One scheduler decides who runs next; one seed gives one run.

A thread is a greenlet. Whatever would block switches to the scheduler, which takes the next event in the order of
simulated time. Nothing here reads a real clock or starts a real thread.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import greenlet

from consumer.runtime import Event, Runtime

T = TypeVar("T")

_STEPS_PER_LOOK = 16  # steps between two looks whether a run is done
_WAKE_UPS_LATE = 1.5  # seconds by which a timed wait may end late, as on a busy host; fewer steps for loops that look


class ProcessKilledError(BaseException):
    """The process is gone. No code of the product catches this for good."""


class StuckError(AssertionError):
    """Nothing is left to happen, or the run takes too many steps."""


class Happening(list[Any]):
    """When something happens, its number, and what: a list, since the heap compares lists in C."""

    def cancel(self) -> None:
        """Let it not happen."""
        self[2] = None

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self[2] is None


class World:
    """The clock, what happens when, and the story of it."""

    def __init__(self, seed: object, *, with_story: bool = False) -> None:
        self.random = random.Random(f"schedule {seed}")
        self.now = 0.0
        self.steps = 0
        self.story: list[str] | None = [] if with_story else None
        self._events: list[Happening] = []
        self._numbers = itertools.count()
        self.scheduler = greenlet.getcurrent()
        self._current: Task | None = None
        self._processes: list[Process] = []

    def tell(self, who: str, what: str) -> None:
        """Add a line to the story, if one is kept."""
        if self.story is not None:
            self.story.append(f"{self.now:10.3f} {who:<12} {what}")

    def add(self, process: "Process") -> None:
        """Note a process."""
        self._processes.append(process)

    def after(self, seconds: float, action: Callable[[], object]) -> "Happening":
        """Have the scheduler call `action` in so many seconds; it must not block."""
        event = Happening([self.now + seconds, next(self._numbers), action])
        heapq.heappush(self._events, event)
        return event

    def run(self, done: Callable[[], bool], *, most_steps: int, until: float = math.inf) -> bool:
        """Take steps until `done`, or `until` simulated time; return whether it is done.

        Raises StuckError after `most_steps`, or when nothing is left to happen.
        """
        while self.steps % _STEPS_PER_LOOK or not done():
            while self._events and self._events[0].cancelled:
                heapq.heappop(self._events)
            if not self._events:
                raise StuckError("nothing is left to happen")
            if self._events[0][0] > until:
                self.now = until
                return False
            if self.steps >= most_steps:
                raise StuckError(f"no end after {most_steps} steps")
            self.step()
        return True

    def close(self) -> None:
        """End all processes, so that nothing of them runs later."""
        for process in self._processes:
            process.alive = False
            process.reap()

    def step(self) -> None:
        """Take the next event."""
        self.now, _, action = heapq.heappop(self._events)
        self.steps += 1
        action()

    @property
    def current(self) -> "Task":
        """The thread that runs now."""
        assert self._current is not None, "only a simulated thread can wait"
        return self._current

    def resume(self, task: "Task") -> None:
        """Let a thread run until it waits or ends. Called by the scheduler only."""
        self._current = task
        task.greenlet.switch()
        self._current = None

    def throw(self, task: "Task") -> None:
        """End a thread of a killed process. Called by the scheduler only."""
        if not task.greenlet:
            return  # it has not begun: an exception would be thrown here instead
        self._current = task
        task.greenlet.throw(ProcessKilledError())
        self._current = None

    def switch(self) -> None:
        """Leave the running thread for the scheduler."""
        self.scheduler.switch()


class Process:
    """A process: its threads, whether it lives, and how far its clock is ahead of the world's."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.paused_until = 0.0
        self.clock_ahead = 1000.0
        self.on_exit: list[Callable[[], None]] = []
        self.on_pause: list[Callable[[], None]] = []
        self._tasks: list[Task] = []
        world.add(self)

    def tell(self, what: str) -> None:
        """Add a line to the world's story."""
        self.world.tell(self.name, what)

    def clock(self) -> float:
        """Return this process's monotonic time."""
        return self.world.now + self.clock_ahead

    def require_alive(self) -> None:
        """Raise ProcessKilledError in what still runs of a process that is gone."""
        if not self.alive:
            raise ProcessKilledError

    def start(self, target: Callable[[], None], name: str) -> "Task":
        """Start a thread."""
        self.require_alive()
        task = Task(self, target, name)
        self._tasks.append(task)
        self.world.after(0.0, lambda: task.wake_up(0))
        return task

    def kill(self) -> None:
        """End the process at once: nothing of it runs any more, nothing is cleaned up."""
        if self.alive:
            self.alive = False
            for callback in self.on_exit:
                callback()
            self.world.after(0.0, self.reap)

    def pause(self, seconds: float) -> None:
        """Stop all threads for so long; time goes on."""
        self.paused_until = max(self.paused_until, self.world.now + seconds)
        for callback in self.on_pause:
            callback()

    @property
    def paused(self) -> bool:
        """Whether it is stopped now."""
        return self.paused_until > self.world.now

    def forget(self, task: "Task") -> None:
        """Note that a thread has ended."""
        self._tasks.remove(task)

    def reap(self) -> None:
        """End what still runs of a process that is gone. Called by the scheduler only."""
        for task in list(self._tasks):
            self.world.throw(task)

    def wait_until(self, condition: Callable[[], bool], seconds: float = math.inf) -> bool:
        """Block the running thread until it is woken with the condition true, or the time has passed.

        Return the condition. Who makes it true wakes the thread; another wake-up does no harm.
        """
        world = self.world
        deadline = world.now + seconds
        while not condition() and (left := deadline - world.now) > 0:
            world.current.wait(left)
        return condition()

    def sleep(self, seconds: float) -> None:
        """Block the running thread."""
        self.require_alive()
        self.wait_until(lambda: False, seconds)

    def late(self, seconds: float | None) -> float:
        """Return after how long a host wakes a thread that waits for a time: some time later than it asked."""
        return math.inf if seconds is None else seconds + self.world.random.random() * _WAKE_UPS_LATE


class Task:
    """A thread of a process."""

    def __init__(self, process: Process, target: Callable[[], None], name: str) -> None:
        self.process = process
        self.name = name
        self.ended = False
        # its end, and what it raises, goes to the scheduler: by default to the thread that started it
        self.greenlet = greenlet.greenlet(self._run, process.world.scheduler)
        self._target = target
        self._waits = 0  # how often it has waited: a wake-up is meant for one wait only
        self._waiting = True
        self._timer: Happening | None = None
        self._joined: list[Task] = []

    def wait(self, seconds: float) -> None:
        """Block until woken, at most so long."""
        world = self.process.world
        self.process.require_alive()
        self._waits += 1
        self._waiting = True
        if seconds < math.inf:
            number = self._waits
            self._timer = world.after(max(0.0, seconds), lambda: self.wake_up(number))
        world.switch()
        self.process.require_alive()

    def wake(self) -> None:
        """Let its wait end now, before its time."""
        if self._waiting:
            self._waiting = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            number = self._waits
            self.process.world.after(0.0, lambda: self._resume(number))

    def wake_up(self, number: int) -> None:
        """End the wait of this number, whose time has passed."""
        if self._waiting and self._waits == number and not self.ended:
            self._waiting, self._timer = False, None
            self._resume(number)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        self._joined.append(self.process.world.current)
        self.process.wait_until(lambda: self.ended, math.inf if timeout is None else timeout)

    def _resume(self, number: int) -> None:
        process = self.process
        if not process.alive or self.ended or self._waits != number:
            return
        if process.paused:
            process.world.after(process.paused_until - process.world.now, lambda: self._resume(number))
        else:
            process.world.resume(self)

    def _run(self) -> None:
        try:
            self._target()
        except ProcessKilledError:
            pass
        finally:
            self.ended = True
            self.process.forget(self)
            for task in self._joined:
                task.wake()


class SimulatedQueue(SimpleQueue[T]):
    """A queue between threads of one process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._items: deque[T] = deque()
        self._waiting: list[Task] = []

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002 - as in SimpleQueue
        """Add an item."""
        self._process.require_alive()
        self._items.append(item)
        for task in self._waiting:
            task.wake()

    def get(self, block: bool = True, timeout: float | None = None) -> T:  # noqa: ARG002 - the same
        """Remove and return an item; wait for one. Raises Empty after `timeout` seconds."""
        self._process.require_alive()
        if not self._items:
            self._wait(timeout)
        if not self._items:
            raise Empty
        return self._items.popleft()

    def empty(self) -> bool:
        """Return whether nothing is in it."""
        return not self._items

    def _wait(self, timeout: float | None) -> None:
        task = self._process.world.current
        self._waiting.append(task)
        try:
            self._process.wait_until(lambda: bool(self._items), self._process.late(timeout))
        finally:
            self._waiting.remove(task)


class SimulatedEvent(Event):
    """A flag that threads wait for."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._set = False
        self._waiting: list[Task] = []

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._set

    def set(self) -> None:
        """Set it, and wake who waits for it."""
        self._set = True
        for task in self._waiting:
            task.wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most so long; return whether it is."""
        self._process.require_alive()
        if not self._set:
            task = self._process.world.current
            self._waiting.append(task)
            try:
                self._process.wait_until(self.is_set, math.inf if timeout is None else timeout)
            finally:
                self._waiting.remove(task)
        return self._set


def runtime(process: Process) -> Runtime:
    """Return the clock and the threads that the product takes from the system, of a simulated process."""
    return Runtime(
        clock=process.clock,
        sleep=process.sleep,
        start_thread=process.start,
        make_queue=lambda: SimulatedQueue[Any](process),
        make_event=lambda: SimulatedEvent(process),
    )
