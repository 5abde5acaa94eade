"""SIGTERM, SIGINT and SIGHUP as a request to stop."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Final

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
