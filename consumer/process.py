"""SIGTERM, SIGINT and SIGHUP as a request to stop."""

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

from consumer.errors import DeliveryError, WorkerError

_ENDINGS: Final[Mapping[signal.Signals, Callable[[], BaseException]]] = {
    signal.SIGTERM: partial(SystemExit, 128 + signal.SIGTERM),
    signal.SIGHUP: partial(SystemExit, 128 + signal.SIGHUP),
    signal.SIGINT: KeyboardInterrupt,
}
_AGAIN_SECONDS: Final = 0.2


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM, SIGHUP and SIGINT end the work inside by an exception, so that it removes what it began to write.

    SIGINT raises KeyboardInterrupt, the others SystemExit with 128 and their number, the exit status of a process that
    the signal ended. The same signal again does what it does to any process; ignored, as under nohup, it stays ignored.
    Python drops an exception that comes in a callback of C or in `__del__`: it is raised again until it is on its way.
    """
    before = {number: signal.getsignal(number) for number in (*_ENDINGS, signal.SIGALRM)}
    handled = [number for number in _ENDINGS if before[number] != signal.SIG_IGN]
    endings: list[BaseException] = []

    def handle(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        endings.append(_ENDINGS[signal.Signals(number)]())
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS, _AGAIN_SECONDS)
        raise endings[-1]

    def raise_again(_number: int, _: FrameType | None) -> None:
        if sys.exc_info()[1] is None:  # nothing is being handled: it was dropped
            raise endings[-1]

    for number in handled:
        signal.signal(number, handle)
    signal.signal(signal.SIGALRM, raise_again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP set `stop`, once: the same signal again does what it does to any process.

    SIGHUP comes when a terminal is closed. Ignored, as under nohup, it stays ignored.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    if before[signal.SIGHUP] == signal.SIG_IGN:
        del before[signal.SIGHUP]

    def handle(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        # on a thread: the handler may interrupt this very thread inside stop.wait(), where stop.set() would lock up
        threading.Thread(target=stop.set, name="stop").start()

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_AFTER: Final = 50_000  # more objects made than gone: one look every few batches


def collect_seldom() -> None:
    """What is there by now stays, so the collector need not look at it again; and a batch leaves no cycle behind, but
    thousands of new objects, each 700 of which would set it off: 0.8 of 5.0 µs an event in memory, 3 of 8 µs a row of
    CSV."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_AFTER)


class Task:
    """Runs a function on a daemon thread. What ends it is kept, and raised by `check`."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._work = work
        self._error: BaseException | None = None
        # a daemon: whoever reads a pipe that nobody writes to must not keep the process alive
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by `check`, on the thread that can report it
            self._error = error

    def check(self) -> None:
        """Raise what ended the work, if anything did."""
        if isinstance(self._error, DeliveryError):
            raise WorkerError(str(self._error)) from self._error
        if self._error is not None:
            raise self._error

    def join(self, seconds: float) -> bool:
        """Wait until the work has ended; False when it has not within `seconds`."""
        self._thread.join(seconds)
        return not self._thread.is_alive()
