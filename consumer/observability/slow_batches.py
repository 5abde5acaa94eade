"""Batches that take long: said in the log, once a minute at the most."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from consumer.runtime import RateLimit

_log = logging.getLogger("consumer.slow")

LATE_SECONDS: Final = 1.0
"""What the latency objective allows an event, from its timestamp to its result's commit (docs/runbook.md)."""


class SlowBatches:
    """Says when a batch took longer than `seconds` from its events' being read to their results' commit.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, seconds: float = LATE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._rate_limit = RateLimit(clock=clock)

    @classmethod
    def beyond(cls, budget: float) -> "SlowBatches":
        """Those that are late by the objective, and took twice what the budget meant them to take."""
        return cls(max(LATE_SECONDS, 2 * budget))

    def took(self, events: int, seconds: float, stages: Mapping[str, float]) -> None:
        """A batch is committed, after so long. What its stages leave of that it waited: for the batch before it, or for
        its own parts."""
        if seconds <= self._seconds or not (count := self._rate_limit.admit()):
            return
        shown = {name: round(each, 3) for name, each in stages.items()}
        shown["wait"] = round(max(0.0, seconds - sum(stages.values())), 3)
        extra = {"events": events, "seconds": round(seconds, 3), "stages": shown, "slow_batches": count}
        _log.warning("slow batch", extra=extra)
