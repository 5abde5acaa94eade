"""Liveness and readiness of the process."""

import time
from collections.abc import Callable, Sequence
from typing import Final

LOOP_SECONDS: Final = 90.0  # limit between two rounds of the loop: its longest pause, one delivery, and a margin
BROKER_SECONDS: Final = 15.0  # limit since a broker answered: even an idle member hears from one every 5 s


class Health:
    """Liveness and readiness now. One thread updates it, any thread reads it.

    `clock` is monotonic, in seconds; `stopping` returns whether the worker is to stop.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        stopping: Callable[[], bool] = lambda: False,
        *,
        loop_seconds: float = LOOP_SECONDS,
        broker_seconds: float = BROKER_SECONDS,
    ) -> None:
        self._clock = clock
        self._loop_seconds = loop_seconds
        self._broker_seconds = broker_seconds
        self._ticked = clock()
        self._joined = False
        self._deleted_topics: Sequence[str] = ()
        self._answered = -float("inf")  # when a broker last answered
        self._stopping = stopping

    def tick(self) -> None:
        """Note a round of the loop."""
        self._ticked = self._clock()

    def set_kafka_state(self, *, joined: bool, silent_seconds: float, deleted_topics: Sequence[str] = ()) -> None:
        """Note whether the group assigned partitions (maybe none), when a broker last answered, and which input topics
        are deleted."""
        self._joined = joined
        self._deleted_topics = deleted_topics
        self._answered = self._clock() - silent_seconds

    def liveness_failure(self) -> str | None:
        """Return why the process should be restarted, or None. A broker is never the reason."""
        silent = self._clock() - self._ticked
        return f"the loop has not come round for {silent:.0f} s" if silent > self._loop_seconds else None

    def readiness_failure(self) -> str | None:
        """Return why no events can be scored, or None."""
        if self._stopping():
            return "stopping"
        silent = self._clock() - self._answered
        if silent > self._broker_seconds:
            return "no broker has answered yet" if silent == float("inf") else f"no broker answered for {silent:.0f} s"
        if self._deleted_topics:
            return f"input topic {', '.join(self._deleted_topics)} is gone: it was deleted"
        if not self._joined:
            return self.liveness_failure() or "the consumer group has not assigned partitions yet"
        return self.liveness_failure()
