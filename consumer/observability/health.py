"""Liveness and readiness: what the process knows of itself."""

import time
from collections.abc import Callable
from typing import Final

LOOP_SECONDS: Final = 90.0  # longest that the loop may be silent: its longest pause, one delivery, and some
BROKER_SECONDS: Final = (
    15.0  # how lately a broker must have answered to be ready: even an idle member hears one every 5 s
)


class Health:
    """Liveness and readiness as of now. Told by one thread, asked by any.

    `clock` is monotonic, in seconds; `stopping` says whether the worker was told to stop.
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
        self._topic_gone = False
        self._answered = -float("inf")  # when a broker last did
        self._stopping = stopping

    def tick(self) -> None:
        """The loop has come round."""
        self._ticked = self._clock()

    def kafka(self, *, joined: bool, silent_seconds: float, topic_gone: bool = False) -> None:
        """Whether the group has given this worker its share, how long ago a broker last answered, and whether the input
        topic is deleted."""
        self._joined = joined
        self._topic_gone = topic_gone
        self._answered = self._clock() - silent_seconds

    def not_live(self) -> str | None:
        """Why the process should be started anew; None when it need not. Never the broker's doing."""
        silent = self._clock() - self._ticked
        return f"the loop has not come round for {silent:.0f} s" if silent > self._loop_seconds else None

    def not_ready(self) -> str | None:
        """Why no events are being scored; None when they are, or would be if there were any."""
        if self._stopping():
            return "stopping"
        silent = self._clock() - self._answered
        if silent > self._broker_seconds:
            return "no broker has answered yet" if silent == float("inf") else f"no broker answered for {silent:.0f} s"
        if self._topic_gone:
            return "the input topic is gone: it was deleted"
        return self.not_live() or (None if self._joined else "the consumer group has not assigned partitions yet")
