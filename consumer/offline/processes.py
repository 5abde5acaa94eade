"""Work shared out to several processes, its results in the order in which it came."""

import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Protocol, Self, TypeVar

from consumer.process import tune_garbage_collector
from scoring.tables import FileError

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Task(Protocol[T_contra, R_co]):
    """What one process does with its items, one after the other."""

    def work(self, item: T_contra) -> R_co:
        """What is to be known elsewhere of what came of it."""

    def settle(self, place: int) -> None:
        """What came of the last item belongs there."""


def in_order(
    make: Callable[[], Task[T, R]], items: Iterable[T], processes: int, place: Callable[[R], int]
) -> Generator[R]:
    """What the tasks that `make()` gives say of each item. With one process that is this one.

    `place` says, item after item, where the outcome belongs; a task hears of it with its next item, and all are settled
    when this ends. Each process has one item at a time, and they take turns, so there are never more items in hand than
    processes. `make`, items and results must be fit for pickle. Raises FileError when a process is ended from outside.
    """
    if processes == 1:
        task = make()
        for item in items:
            result = task.work(item)
            task.settle(place(result))
            yield result
        return
    with ExitStack() as stack:
        crew = [stack.enter_context(_Process(make)) for _ in range(processes)]
        places: list[int | None] = [None] * processes

        def take(turn: int) -> R:
            result: R = crew[turn % processes].take()
            places[turn % processes] = place(result)
            return result

        handed = taken = 0
        for item in items:
            if handed - taken == processes:
                yield take(taken)
                taken += 1
            crew[handed % processes].hand((places[handed % processes], item))
            handed += 1
        for turn in range(taken, handed):
            yield take(turn)
        for process, last in zip(crew, places, strict=True):
            process.hand((last, None))
        for process in crew:
            process.take()


class _Process:
    """One process, and the pipe to it."""

    def __init__(self, make: Callable[[], Task[T, R]]) -> None:
        # spawned, not forked: libraries that have threads do not outlive a fork
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(make, theirs), daemon=True)
        with _no_interrupts():
            self._process.start()
        theirs.close()

    def hand(self, turn: tuple[int | None, object]) -> None:
        """The place of its last outcome, and its next item, if there are such."""
        try:
            self._pipe.send(turn)
        except OSError:
            raise self._gone() from None

    def take(self) -> Any:
        """What it says of its item."""
        try:
            result = self._pipe.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if isinstance(result, BaseException):
            raise result
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.terminate()
        self._process.join()

    def _gone(self) -> FileError:
        self._process.join(1.0)
        return FileError(
            f"a process that scored was ended from outside (exit code {self._process.exitcode}); try again"
        )


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """What is started in here never hears of a Ctrl-C, which reaches all processes and is the first one's business: it
    inherits which signals are blocked."""
    resource_tracker.ensure_running()  # it unblocks SIGINT when it starts, which it would do in here
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _serve(make: Callable[[], Task[T, R]], pipe: Connection) -> None:
    """In the other process: until the pipe is closed."""
    task = make()
    tune_garbage_collector()
    while True:
        try:
            place, item = pipe.recv()
        except EOFError:
            return
        try:
            if place is not None:
                task.settle(place)
            pipe.send(None if item is None else task.work(item))
        except Exception as error:  # noqa: BLE001 - raised where the result is waited for
            pipe.send(error)
