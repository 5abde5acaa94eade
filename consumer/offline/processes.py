"""Work on items in several processes, with the results in the order of the items."""

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


class ItemTask(Protocol[T_contra, R_co]):
    """Handles the items of one process, one after the other."""

    def work(self, item: T_contra) -> R_co:
        """Handle an item; return what the first process needs to know of the result."""

    def write_at(self, offset: int) -> None:
        """Write the output of the last item at this offset."""


def map_in_order(
    make_task: Callable[[], ItemTask[T, R]], items: Iterable[T], processes: int, reserve: Callable[[R], int]
) -> Generator[R]:
    """Yield the result of each item, in order. One process is this one.

    `reserve` returns the offset for the output of each result; a task gets it with its next item, and all output is
    written when this ends. Processes take turns with one item each, so at most `processes` items are in memory.
    `make_task`, items and results are pickled. Raises FileError when a process is killed.
    """
    if processes == 1:
        task = make_task()
        for item in items:
            result = task.work(item)
            task.write_at(reserve(result))
            yield result
        return
    with ExitStack() as stack:
        children = [stack.enter_context(_Process(make_task)) for _ in range(processes)]
        offsets: list[int | None] = [None] * processes

        def receive(turn: int) -> R:
            result: R = children[turn % processes].receive()
            offsets[turn % processes] = reserve(result)
            return result

        sent = received = 0
        for item in items:
            if sent - received == processes:
                yield receive(received)
                received += 1
            children[sent % processes].send((offsets[sent % processes], item))
            sent += 1
        for turn in range(received, sent):
            yield receive(turn)
        for child, offset in zip(children, offsets, strict=True):
            child.send((offset, None))
        for child in children:
            child.receive()


class _Process:
    """A child process, and the pipe to it."""

    def __init__(self, make_task: Callable[[], ItemTask[T, R]]) -> None:
        # spawned, not forked: libraries with threads break after a fork
        context = multiprocessing.get_context("spawn")
        self._pipe, child_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(make_task, child_end), daemon=True)
        with _no_interrupts():
            self._process.start()
        child_end.close()

    def send(self, turn: tuple[int | None, object]) -> None:
        """Send the offset of its last output and its next item; None for none."""
        try:
            self._pipe.send(turn)
        except OSError:
            raise self._killed() from None

    def receive(self) -> Any:
        """Return the result of its item, or raise its error."""
        try:
            result = self._pipe.recv()
        except (EOFError, OSError):
            raise self._killed() from None
        if isinstance(result, BaseException):
            raise result
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.terminate()
        self._process.join()

    def _killed(self) -> FileError:
        self._process.join(1.0)
        return FileError(
            f"a process that scored was ended from outside (exit code {self._process.exitcode}); try again"
        )


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Block SIGINT for processes started inside: Ctrl-C reaches all processes, and only the first handles it."""
    resource_tracker.ensure_running()  # it unblocks SIGINT when it starts
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _serve(make_task: Callable[[], ItemTask[T, R]], pipe: Connection) -> None:
    """Handle items in the child process until the pipe is closed."""
    task = make_task()
    tune_garbage_collector()
    while True:
        try:
            offset, item = pipe.recv()
        except EOFError:
            return
        try:
            if offset is not None:
                task.write_at(offset)
            pipe.send(None if item is None else task.work(item))
        except Exception as error:  # noqa: BLE001 - raised where the result is waited for
            pipe.send(error)
