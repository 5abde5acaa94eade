"""A client's way to the brokers: requests that take time, get lost, arrive late, or are never answered."""

import math
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException

from tests.simulation.faults import ErrorCode, Faults
from tests.simulation.kafka.transactions import BrokerError
from tests.simulation.world import Process, Task

T = TypeVar("T")

_LATENCY: Final = 0.004  # mean seconds, one way
_RETRY_SECONDS: Final = 0.3  # mean, until the client asks again by itself
_LATEST: Final = 20.0

TIMED_OUT: Final = ErrorCode(KafkaError._TIMED_OUT, retriable=True)
_RETRIED: Final = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.CONCURRENT_TRANSACTIONS,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
}  # the client repeats such a request until the call's time is over


class _Request(Generic[T]):
    """One request on its way."""

    def __init__(self, effect: Callable[[], T], task: Task) -> None:
        self.answered = False
        self.result: T | None = None
        self.error: int | None = None
        self._effect = effect
        self._task = task

    def is_answered(self) -> bool:
        """Return whether the answer is here."""
        return self.answered

    def arrive(self) -> None:
        """Take effect on the broker."""
        try:
            self.result = self._effect()
        except BrokerError as error:
            self.error = error.code

    def answer(self) -> None:
        """Bring the answer to the thread that waits for it."""
        self.answered = True
        self._task.wake()


class Wire:
    """The connections of one client."""

    def __init__(self, process: Process, faults: Faults) -> None:
        self.faults = faults
        self.cut_until = 0.0
        self.on_change: Callable[[], None] = _nothing
        """Called when it is cut, and when it is mended."""
        self._process = process

    @property
    def is_cut(self) -> bool:
        """Whether nothing arrives now."""
        return self.cut_until > self._process.world.now

    def cut(self, seconds: float) -> None:
        """Let nothing arrive for so long."""
        self.cut_until = max(self.cut_until, self._process.world.now + seconds)
        self.on_change()
        if self.cut_until < math.inf:
            self._process.world.after(self.cut_until - self._process.world.now, lambda: self.on_change())  # noqa: PLW0108 - it may be set later

    def mend(self) -> None:
        """Let requests arrive again, unless the client knows no broker any more."""
        if self.cut_until < math.inf:
            self.cut_until = 0.0
            self.on_change()

    def latency(self) -> float:
        """Draw the time of one way."""
        return self._process.world.random.expovariate(1 / _LATENCY)

    def call(self, kind: str, effect: Callable[[], T], seconds: float, *, hangs: bool = False) -> T:
        """Make a request and wait for its answer, at most `seconds`; `hangs`: it may not keep to them.

        Raises KafkaException: what the broker says, or _TIMED_OUT.
        """
        process, world = self._process, self._process.world
        process.require_alive()
        if (planned := self.faults.error(kind)) is not None:
            world.tell(process.name, f"{kind}: {planned.error().name()} (planned)")
            process.sleep(self.latency())
            raise KafkaException(planned.error())
        deadline = world.now + seconds
        while True:
            request = _Request(effect, world.current)
            self._send(kind, request, seconds, hangs=hangs)
            process.wait_until(request.is_answered, deadline - world.now)
            if request.answered and request.error not in _RETRIED:
                break
            if world.now >= deadline:
                if hangs and self.faults.happens("hang"):
                    world.tell(process.name, f"{kind} hangs")
                    process.sleep(math.inf)
                raise KafkaException(TIMED_OUT.error())
            process.sleep(min(deadline - world.now, world.random.expovariate(1 / _RETRY_SECONDS)))
        if request.error is not None:
            raise BrokerError(request.error)
        return request.result  # type: ignore[return-value]  # it is set once there is an answer without an error

    def _send(self, kind: str, request: _Request[T], seconds: float, *, hangs: bool) -> None:
        """Let the request arrive, and its answer come back, unless something happens to one of them."""
        world, faults = self._process.world, self.faults
        there, back = self.latency(), self.latency()
        if self.is_cut or faults.happens("request lost"):
            world.tell(self._process.name, f"{kind}: the request is lost")
            return
        if hangs and faults.happens("request late"):
            there = faults.random.uniform(seconds, _LATEST)
            faults.late_until = max(faults.late_until, world.now + there)
            world.tell(self._process.name, f"{kind}: the request arrives in {there:.1f} s")
        elif faults.happens("request slow"):
            there = faults.random.uniform(0, seconds)
        answer_lost = faults.happens("answer lost")
        if answer_lost:
            world.tell(self._process.name, f"{kind}: the answer is lost")

        def arrive() -> None:
            request.arrive()
            if not answer_lost:
                world.after(back, request.answer)

        world.after(there, arrive)


def _nothing() -> None:
    """Do nothing."""
