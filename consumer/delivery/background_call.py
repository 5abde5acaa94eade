"""Call the Kafka client on a background thread, with a timeout for each call.

librdkafka does not always keep to the timeout of a call (send_offsets: its issues 5456 and 5511), and no Python code
can interrupt it. A call that outlasts its timeout is abandoned together with its thread.
"""

import math
from collections.abc import Callable
from queue import Empty
from typing import NamedTuple, TypeVar, TypeVarTuple

from consumer.errors import UnansweredError
from consumer.runtime import SYSTEM, Clock, Runtime

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Work = Callable[["Run"], None]
"""Makes its calls to a broker by `Run.call`, one after the other."""


def call_with_timeout(operation: str, function: Callable[[*Ts], T], *args: *Ts, seconds: float = 18.0) -> T:
    """Return the function's result. Raises UnansweredError after `seconds`, or what the function raises."""
    result: T

    def work(run: Run) -> None:
        nonlocal result
        result = run.call(operation, lambda: function(*args))

    background = BackgroundCall(seconds)
    background.start(work)
    try:
        background.result()
    finally:
        background.close()
    return result


class BackgroundCall:
    """Does one piece of work at a time on a background thread: `start` it, go on, ask for its `result`.

    `seconds` is the timeout of each call that the work makes.
    """

    def __init__(self, seconds: float, runtime: Runtime = SYSTEM) -> None:
        self._seconds = seconds
        self._runtime = runtime
        self._thread: _CallThread | None = None
        self._run: Run | None = None
        self._then: Callable[[], None] | None = None
        self._outcome: float | BaseException | None = None  # time of its end, or its error; None: unknown yet

    def start(self, work: Work, then: Callable[[], None] | None = None) -> None:
        """Do `work` on the background thread, and once it is done `then` on the thread that waits for it."""
        self._thread = self._thread or _CallThread(self._runtime)
        self._run, self._then, self._outcome = Run(work, self._seconds, self._runtime), then, None
        self._thread.runs.put(self._run)

    def busy(self) -> bool:
        """Return whether waiting would take time. False once a call has outlasted its timeout."""
        return self._run is not None and not self._run.ended and self._run.current.seconds_left() > 0

    def wait(self) -> None:
        """Wait until the work is done or has failed; `result` says which."""
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
        """Return the time at which the work was done, by the runtime's clock; None when none was started since.

        Raises the error of the work, or UnansweredError when one of its calls has outlasted its timeout. That call may
        still take effect, so its producer must not be used again.
        """
        self.wait()
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def close(self) -> None:
        """Wait for the work, and end the thread."""
        self.wait()
        self._end_thread()

    def _finish(self, run: "Run") -> float:
        try:
            outcome = run.wait()
        except UnansweredError:
            self._end_thread()
            raise
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _end_thread(self) -> None:
        if self._thread is not None:
            self._thread.runs.put(None)
        self._thread = None


class _TimedCall(NamedTuple):
    """A call that has begun, and its timeout in seconds."""

    operation: str
    began: float
    seconds: float
    clock: Clock

    def seconds_left(self) -> float:
        """Return the seconds until its deadline."""
        return max(0.0, self.began + self.seconds - self.clock())

    def ends_before(self, other: "_TimedCall") -> bool:
        """Return whether its deadline is the earlier one."""
        return self.began + self.seconds < other.began + other.seconds


class Run:
    """One piece of work in progress. `seconds` is the timeout of each of its calls."""

    def __init__(self, work: Work, seconds: float, runtime: Runtime) -> None:
        self._work = work
        self._seconds = seconds
        self._clock = runtime.clock
        self._abandoned = False
        self._news = runtime.make_queue()  # the outcome; before it None, for a waiter to look at `current` again
        self.current = _TimedCall("begin", self._clock(), seconds, self._clock)
        self.ended = False

    def call(self, operation: str, function: Callable[[], T], seconds: float = math.inf) -> T:
        """Make one call. `seconds` is its timeout when shorter than that of the run; `operation` names it in errors."""
        if self._abandoned:
            raise UnansweredError(f"given up before it could {operation}")
        before, self.current = (
            self.current,
            _TimedCall(operation, self._clock(), min(seconds, self._seconds), self._clock),
        )
        if self.current.ends_before(before):
            self._news.put(None)
        return function()

    def execute(self) -> None:
        """Do the work, on the background thread."""
        try:
            self._work(self)
        except BaseException as error:  # noqa: BLE001 - handed over, and raised by `result`
            self._end(error)
        else:
            self._end(self._clock())

    def wait(self) -> float | BaseException:
        """Return the time at which the work was done, or its error.

        Raises UnansweredError when a call outlasts its timeout; the run then makes no further call.
        """
        while True:
            call = self.current
            try:
                outcome: float | BaseException | None = self._news.get(timeout=call.seconds_left())
            except Empty:
                if self.current is not call or call.seconds_left() > 0:
                    continue
                self._abandoned = True
                raise UnansweredError(f"could not {call.operation}: no answer within {call.seconds:g} s") from None
            if outcome is not None:
                return outcome

    def _end(self, outcome: float | BaseException) -> None:
        self.ended = True
        self._news.put(outcome)


class _CallThread:
    """Executes runs, one after the other, until it gets None."""

    def __init__(self, runtime: Runtime) -> None:
        self.runs = runtime.make_queue()
        runtime.start_thread(self._serve, "background call")

    def _serve(self) -> None:
        while (run := self.runs.get()) is not None:
            run.execute()
