"""Set up a process: its signals, its garbage collector, and its background tasks."""

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

_EXITS: Final[Mapping[signal.Signals, Callable[[], BaseException]]] = {
    signal.SIGTERM: partial(SystemExit, 128 + signal.SIGTERM),
    signal.SIGHUP: partial(SystemExit, 128 + signal.SIGHUP),
    signal.SIGINT: KeyboardInterrupt,
}
_AGAIN_SECONDS: Final = 0.2
_GC_THRESHOLD: Final = 50_000  # net new objects; one collection every few batches

SignalHandler = Callable[[int, FrameType | None], None]


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """End the work inside by an exception on SIGTERM, SIGHUP and SIGINT, so that it removes unfinished files.

    SIGINT raises KeyboardInterrupt, the others SystemExit with 128 and their number, as a shell reports the signal.
    The second signal of a kind has its usual effect. An ignored signal stays ignored, as under nohup.
    Python drops an exception raised in a callback from C or in `__del__`: it is raised again until it is handled, and
    not printed.
    """
    handled = [number for number in _EXITS if signal.getsignal(number) != signal.SIG_IGN]
    exits: list[BaseException] = []

    def handle(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        exits.append(_EXITS[signal.Signals(number)]())
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS, _AGAIN_SECONDS)
        raise exits[-1]

    def raise_again(_number: int, _: FrameType | None) -> None:
        if sys.exc_info()[1] is None:  # no exception is being handled: it was dropped
            raise exits[-1]

    print_dropped = sys.unraisablehook

    def print_others(dropped: "sys.UnraisableHookArgs") -> None:
        if not any(dropped.exc_value is exit_ for exit_ in exits):
            print_dropped(dropped)

    with _signal_handlers(dict.fromkeys(handled, handle) | {signal.SIGALRM: raise_again}):
        sys.unraisablehook = print_others
        try:
            yield
        finally:
            sys.unraisablehook = print_dropped
            signal.setitimer(signal.ITIMER_REAL, 0.0)


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on SIGTERM, SIGINT and SIGHUP. The second signal of a kind has its usual effect.

    SIGHUP comes when a terminal is closed. Ignored, as under nohup, it stays ignored.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    if before[signal.SIGHUP] == signal.SIG_IGN:
        del before[signal.SIGHUP]

    def handle(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        # on a thread: the handler may interrupt this very thread inside stop.wait(), where stop.set() would lock up
        threading.Thread(target=stop.set, name="stop").start()

    with _signal_handlers(dict.fromkeys(before, handle)):
        yield


@contextmanager
def _signal_handlers(handlers: Mapping[signal.Signals, SignalHandler]) -> Iterator[None]:
    """Handle the signals inside; afterwards restore the handlers from before."""
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tune_garbage_collector() -> None:
    """Collect rarely, and never again what exists now.

    A batch makes thousands of objects and no cycle, and each 700 of them would start a collection: 0.8 of 5.0 µs an
    event in memory, 3 of 8 µs a row of CSV.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


class BackgroundTask:
    """A function that runs on a daemon thread; `check` raises the error that ended it."""

    def __init__(self, name: str, function: Callable[[], None]) -> None:
        self._function = function
        self._error: BaseException | None = None
        # a daemon: a read from a pipe without a writer must not keep the process alive
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._function()
        except BaseException as error:  # noqa: BLE001 - raised again by `check`, on the thread that can report it
            self._error = error

    def check(self) -> None:
        """Raise the error that ended the function, if one did."""
        if isinstance(self._error, DeliveryError):
            raise WorkerError(str(self._error)) from self._error
        if self._error is not None:
            raise self._error

    def join(self, seconds: float) -> bool:
        """Wait until the function has ended; False when it has not within `seconds`."""
        self._thread.join(seconds)
        return not self._thread.is_alive()
