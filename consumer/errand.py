"""Work that goes on beside its caller: one thread that stays, for calls that may outlast their own bounds.

librdkafka does not always keep to the time it is given (send_offsets: its issues 5456 and 5511), and no Python code
can interrupt it. What does not come back in time is given up, thread and all.
"""

import math
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from consumer.errors import UnansweredError


class Call(Protocol):
    """Makes one call to a broker, given what it is for. `seconds` bounds it from its beginning, where the errand's own
    bound would be too long."""

    def __call__(self, doing: str, call: Callable[[], None], seconds: float = math.inf) -> None: ...


Work = Callable[[Call], None]

_LOOK_SECONDS = 0.05  # how often somebody who waits looks whether the next call has begun, whose bound may be shorter


def in_time(doing: str, call: Callable[[], None], seconds: float = 18.0) -> None:
    """One call, bounded, with nothing to do meanwhile. Raises what it raises, or UnansweredError."""
    errand = Errand(seconds)
    errand.start(lambda make: make(doing, call))
    try:
        errand.result()
    finally:
        errand.close()


class Errand:
    """One piece of work at a time: `start` it, go on, ask for its `result`. `seconds` bounds each call it makes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._thread: _Thread | None = None
        self._run: _Run | None = None
        self._then: Callable[[], None] | None = None
        self._outcome: float | BaseException | None = None  # when it was done, or why not; None: not known yet

    def start(self, work: Work, then: Callable[[], None] | None = None) -> None:
        """Has `work` done on the other thread, and once it is done `then` on the thread that waits for it."""
        self._thread = self._thread or _Thread()
        self._run, self._then, self._outcome = _Run(work, self._seconds), then, None
        self._thread.given.put(self._run)

    def busy(self) -> bool:
        """Whether waiting would take time; not when a call has outlasted its bound."""
        return self._run is not None and self._run.outcome.empty() and self._run.call.left() > 0

    def wait(self) -> None:
        """Waits until it is done, or has failed; which of the two, `result` tells."""
        if self._run is None:
            return
        try:
            self._outcome = self._finish(self._run)
            if self._then is not None:
                self._then()
                self._outcome = time.perf_counter()
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            self._outcome = error
        self._run = None

    def result(self) -> float | None:
        """When it was done, by time.perf_counter; None when nothing was started since the last time.

        Raises what the work raised, and UnansweredError when a call of its has outlasted the bound: then it goes on
        alone, and whatever it uses must not be used again.
        """
        self.wait()
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def close(self) -> None:
        """Waits, and lets the thread end."""
        self.wait()
        self._let_go()

    def _finish(self, run: "_Run") -> float:
        while True:
            call = run.call
            try:
                outcome = run.outcome.get(timeout=min(call.left(), _LOOK_SECONDS))
            except Empty:
                if run.call is not call or call.left() > 0:
                    continue
                run.given_up = True
                self._let_go()
                raise UnansweredError(f"could not {call.doing}: no answer within {call.seconds:g} s") from None
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

    def _let_go(self) -> None:
        if self._thread is not None:
            self._thread.given.put(None)
        self._thread = None


class _Begun(NamedTuple):
    """A call that was begun, by time.monotonic, and its bound."""

    doing: str
    began: float
    seconds: float

    def left(self) -> float:
        """Seconds that it may still take."""
        return max(0.0, self.began + self.seconds - time.monotonic())


class _Run:
    """One piece of work, which call it is at, and how it ended. `seconds` bounds each call."""

    def __init__(self, work: Work, seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self.call = _Begun("begin", time.monotonic(), seconds)
        self.given_up = False
        self.outcome: SimpleQueue[float | BaseException] = SimpleQueue()

    def do(self) -> None:
        """The work, on the thread that is there for it."""
        try:
            self._work(self._make_call)
        except BaseException as error:  # noqa: BLE001 - handed over, and raised by `result`
            self.outcome.put(error)
        else:
            self.outcome.put(time.perf_counter())

    def _make_call(self, doing: str, call: Callable[[], None], seconds: float = math.inf) -> None:
        if self.given_up:
            raise UnansweredError(f"given up before it could {doing}")
        self.call = _Begun(doing, time.monotonic(), min(seconds, self._seconds))
        call()


class _Thread:
    """Does what it is given, one after the other, until it is given None."""

    def __init__(self) -> None:
        self.given: SimpleQueue[_Run | None] = SimpleQueue()
        threading.Thread(target=self._serve, name="errand", daemon=True).start()  # an exit does not wait for it

    def _serve(self) -> None:
        while (run := self.given.get()) is not None:
            run.do()
