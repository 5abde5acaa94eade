"""The warning about slow batches, logged at most once a minute."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from consumer.runtime import RateLimit

_log = logging.getLogger("consumer.slow")

LATE_SECONDS: Final = 1.0
"""The latency objective: from an event's timestamp to its result's commit (docs/runbook.md)."""


class SlowBatches:
    """Logs a batch that took longer than `seconds` from the read of its events to the commit of their results.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, seconds: float = LATE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._rate_limit = RateLimit(clock=clock)

    @classmethod
    def for_budget(cls, budget: float) -> "SlowBatches":
        """Return the log of batches that miss the objective and take twice the latency budget."""
        return cls(max(LATE_SECONDS, 2 * budget))

    def record(self, events: int, seconds: float, stages: Mapping[str, float]) -> None:
        """Log a committed batch if it was slow. `wait`: for the batch before it, or for its own parts."""
        if seconds <= self._seconds or not (count := self._rate_limit.admit()):
            return
        rounded = {name: round(stage_seconds, 3) for name, stage_seconds in stages.items()}
        rounded["wait"] = round(max(0.0, seconds - sum(stages.values())), 3)
        extra = {"events": events, "seconds": round(seconds, 3), "stages": rounded, "slow_batches": count}
        _log.warning("slow batch", extra=extra)
