"""Work shared out to several processes, its results in the order in which it came."""

import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Self, TypeVar

from consumer.collector import collect_seldom
from files.source import FileError

T = TypeVar("T")
R = TypeVar("R")


def in_order(make: Callable[[], Callable[[T], R]], items: Iterable[T], processes: int) -> Generator[R]:
    """What `make()` makes of each item. With one process that is this one.

    Each process has one item at a time, and they take turns, so there are never more items in hand than processes.
    `make`, items and results must be fit for pickle. Raises FileError when a process is ended from outside.
    """
    if processes == 1:
        yield from map(make(), items)
        return
    with ExitStack() as stack:
        crew = [stack.enter_context(_Process(make)) for _ in range(processes)]
        handed = taken = 0
        for item in items:
            if handed - taken == processes:
                yield crew[taken % processes].take()
                taken += 1
            crew[handed % processes].hand(item)
            handed += 1
        for turn in range(taken, handed):
            yield crew[turn % processes].take()


class _Process:
    """One process, and the pipe to it."""

    def __init__(self, make: Callable[[], Callable[[T], R]]) -> None:
        # spawned, not forked: libraries that have threads do not outlive a fork
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(make, theirs), daemon=True)
        with _no_interrupts():
            self._process.start()
        theirs.close()

    def hand(self, item: object) -> None:
        """Gives it something to do."""
        try:
            self._pipe.send(item)
        except OSError:
            raise self._gone() from None

    def take(self) -> Any:
        """What came of it."""
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


def _serve(make: Callable[[], Callable[[T], R]], pipe: Connection) -> None:
    """In the other process: until the pipe is closed."""
    work = make()
    collect_seldom()
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(work(item))
        except Exception as error:  # noqa: BLE001 - raised where the result is waited for
            pipe.send(error)
