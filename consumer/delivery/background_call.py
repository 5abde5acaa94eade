"""Work that goes on beside its caller: one thread that stays, for calls that may outlast their own bounds.

librdkafka does not always keep to the time it is given (send_offsets: its issues 5456 and 5511), and no Python code
can interrupt it. What does not come back in time is given up, thread and all.
"""

import math
from collections.abc import Callable
from queue import Empty
from typing import NamedTuple, Protocol

from consumer.errors import UnansweredError
from consumer.runtime import SYSTEM, Clock, Runtime


class Call(Protocol):
    """Makes one call to a broker, given what it is for. `seconds` bounds it from its beginning, where the errand's own
    bound would be too long."""

    def __call__(self, doing: str, call: Callable[[], None], seconds: float = math.inf) -> None: ...


Work = Callable[[Call], None]


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

    def __init__(self, seconds: float, runtime: Runtime = SYSTEM) -> None:
        self._seconds = seconds
        self._runtime = runtime
        self._thread: _Thread | None = None
        self._run: _Run | None = None
        self._then: Callable[[], None] | None = None
        self._outcome: float | BaseException | None = None  # when it was done, or why not; None: not known yet

    def start(self, work: Work, then: Callable[[], None] | None = None) -> None:
        """Has `work` done on the other thread, and once it is done `then` on the thread that waits for it."""
        self._thread = self._thread or _Thread(self._runtime)
        self._run, self._then, self._outcome = _Run(work, self._seconds, self._runtime), then, None
        self._thread.given.put(self._run)

    def busy(self) -> bool:
        """Whether waiting would take time; not when a call has outlasted its bound."""
        return self._run is not None and not self._run.ended and self._run.call.left() > 0

    def wait(self) -> None:
        """Waits until it is done, or has failed; which of the two, `result` tells."""
        if self._run is None:
            return
        try:
            self._outcome = self._finish(self._run)
            if self._then is not None:
                self._then()
                self._outcome = self._runtime.clock()
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            self._outcome = error
        self._run = None

    def result(self) -> float | None:
        """When it was done, by the runtime's clock; None when nothing was started since the last time.

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
        try:
            outcome = run.wait()
        except UnansweredError:
            self._let_go()
            raise
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _let_go(self) -> None:
        if self._thread is not None:
            self._thread.given.put(None)
        self._thread = None


class _Begun(NamedTuple):
    """A call that was begun, and its bound in seconds."""

    doing: str
    began: float
    seconds: float
    clock: Clock

    def left(self) -> float:
        """Return the seconds that it may still take."""
        return max(0.0, self.began + self.seconds - self.clock())

    def ends_before(self, other: "_Begun") -> bool:
        """Tell whether its bound is over earlier."""
        return self.began + self.seconds < other.began + other.seconds


class _Run:
    """One piece of work, which call it is at, and how it ended. `seconds` bounds each call."""

    def __init__(self, work: Work, seconds: float, runtime: Runtime) -> None:
        self._work = work
        self._seconds = seconds
        self._clock = runtime.clock
        self._given_up = False
        self._news = runtime.make_queue()  # the outcome; before it None, where a waiter must look at the call again
        self.call = _Begun("begin", self._clock(), seconds, self._clock)
        self.ended = False

    def do(self) -> None:
        """Do the work, on the thread that is there for it."""
        try:
            self._work(self._make_call)
        except BaseException as error:  # noqa: BLE001 - handed over, and raised by `result`
            self._end(error)
        else:
            self._end(self._clock())

    def wait(self) -> float | BaseException:
        """Return when the work was done, or why not. Raises UnansweredError when a call outlasts its bound; then no
        further call is made."""
        while True:
            call = self.call
            try:
                outcome: float | BaseException | None = self._news.get(timeout=call.left())
            except Empty:
                if self.call is not call or call.left() > 0:
                    continue
                self._given_up = True
                raise UnansweredError(f"could not {call.doing}: no answer within {call.seconds:g} s") from None
            if outcome is not None:
                return outcome

    def _make_call(self, doing: str, call: Callable[[], None], seconds: float = math.inf) -> None:
        if self._given_up:
            raise UnansweredError(f"given up before it could {doing}")
        before, self.call = self.call, _Begun(doing, self._clock(), min(seconds, self._seconds), self._clock)
        if self.call.ends_before(before):
            self._news.put(None)
        call()

    def _end(self, outcome: float | BaseException) -> None:
        self.ended = True
        self._news.put(outcome)


class _Thread:
    """Does what it is given, one after the other, until it is given None."""

    def __init__(self, runtime: Runtime) -> None:
        self.given = runtime.make_queue()
        runtime.start_thread(self._serve, "errand")

    def _serve(self) -> None:
        while (run := self.given.get()) is not None:
            run.do()
