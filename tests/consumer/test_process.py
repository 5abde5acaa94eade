"""Signals as requests to stop, in this process."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from consumer.process import exit_on_signals, stop_on_signals

SECONDS = 30.0


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal, whose handler is as before when the test is over."""
    given: signal.Signals = request.param
    before = signal.signal(given, signal.SIG_DFL)
    yield given
    signal.signal(given, before)


def test_first_signal_stops_and_the_second_is_default(number: signal.Signals) -> None:
    stop = threading.Event()
    with stop_on_signals(stop):
        os.kill(os.getpid(), number)
        assert stop.wait(SECONDS)
        assert signal.getsignal(number) == signal.SIG_DFL


def test_handlers_are_restored(number: signal.Signals) -> None:
    with stop_on_signals(threading.Event()):
        assert signal.getsignal(number) != signal.SIG_DFL
    assert signal.getsignal(number) == signal.SIG_DFL


def test_ignored_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = threading.Event()
    with stop_on_signals(stop):
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    assert not stop.is_set()
    signal.signal(signal.SIGHUP, before)


def exit_status(ending: BaseException) -> int:
    """Return the status that a process has which this exception ends, 130 for Ctrl-C."""
    return 130 if isinstance(ending, KeyboardInterrupt) else int(str(ending))


def test_signal_ends_work_after_its_cleanup(number: signal.Signals) -> None:
    handlers: list[object] = []
    with ExitStack() as cleared:
        ended = cleared.enter_context(pytest.raises(BaseException))  # noqa: PT011 - which one, the next lines say
        cleared.enter_context(exit_on_signals())
        cleared.callback(lambda: handlers.append(signal.getsignal(number)))
        os.kill(os.getpid(), number)
    assert handlers == [signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL]
    assert exit_status(ended.value) == 128 + number
    assert signal.getsignal(number) == signal.SIG_DFL


def test_dropped_exception_is_raised_again_and_not_printed(number: signal.Signals) -> None:
    class Dropping:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)

    ended: list[int] = []
    began = time.monotonic()
    try:
        with exit_on_signals():
            Dropping()
            time.sleep(SECONDS)
    except (SystemExit, KeyboardInterrupt) as ending:
        ended.append(exit_status(ending))
    assert ended == [128 + number]
    assert time.monotonic() - began < SECONDS / 2


def test_slow_cleanup_is_not_interrupted(number: signal.Signals) -> None:
    cleared: list[signal.Signals] = []
    with ExitStack() as stack:
        stack.enter_context(pytest.raises((SystemExit, KeyboardInterrupt)))
        stack.enter_context(exit_on_signals())
        stack.callback(cleared.append, number)
        stack.callback(time.sleep, 1.0)  # five times as long as it takes to raise again
        os.kill(os.getpid(), number)
    assert cleared == [number]


def test_ignored_hangup_does_not_end_work() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with exit_on_signals():
        os.kill(os.getpid(), signal.SIGHUP)
    signal.signal(signal.SIGHUP, before)
