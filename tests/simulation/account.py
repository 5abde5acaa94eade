"""What one worker process says of itself: how much it has counted, which gaps it reports, why it ends."""

from collections import Counter
from typing import Final

from consumer.records import Tally
from consumer.runtime import Clock

PATIENCE_SECONDS: Final = 60.0
"""For so long a worker repeats a call that may pass."""

_REASONS: Final = (
    "--on-gap continue",
    "--on-unreadable",
    "breaker_run",
    "breaker_ratio",
    "AUTHORIZATION_FAILED",
    "UNKNOWN_TOPIC_OR_PART",
    "another process uses this id",
    "refuses even records dated now",
    "did not end within",  # the watchdog
    "no clean stop within",
    "OUT_OF_ORDER_SEQUENCE_NUMBER",  # fatal, and the second within five minutes
    "INVALID_TXN_STATE",
)
"""What ends a worker at any time. All else passes, or ends it only when its patience has."""


class Account:
    """The metrics of one process, compared with what its transactions did."""

    def __init__(self, clock: Clock, *, continue_on_gap: bool) -> None:
        self.undelivered = 0
        """Batches that it reads again; whether they count is not known when no answer came."""
        self._clock = clock
        self._began = clock()
        self._continue_on_gap = continue_on_gap
        self._written = 0  # events, in transactions that are committed
        self._counted = 0
        self._lost: Counter[int] = Counter()  # partition -> events that it has committed past and that retention took
        self._reported: Counter[int] = Counter()  # the same, as it says

    def wrote(self, events: int) -> None:
        """Note the events of a transaction that is decided to commit."""
        self._written += events

    def passed(self, partition: int, events: int) -> str | None:
        """Note that it committed past events that are gone; return what is wrong with that."""
        self._lost[partition] += events
        if not self._continue_on_gap:
            return f"{events} lost events of partition {partition} are passed over, which the settings forbid"
        if self._lost[partition] > self._reported[partition]:
            return f"partition {partition}: {self._lost[partition]} events lost, {self._reported[partition]} reported"
        return None

    def miscounted(self, *, settled: bool) -> str | None:
        """Return how the counted events differ from the committed ones; `settled`: nothing is under way."""
        if self._counted > self._written or (settled and not self.undelivered and self._counted < self._written):
            return f"{self._counted} events counted, {self._written} committed"
        return None

    def needless_end(self, reason: str) -> bool:
        """Return whether the worker ends for something that passes, without having waited for it."""
        return self._clock() - self._began < PATIENCE_SECONDS and not any(known in reason for known in _REASONS)

    # -- what the worker tells its metrics ---------------------------------------------------------------------------

    def committed(self, tally: Tally, seconds_ago: float) -> None:
        """Count a batch."""
        del seconds_ago
        self._counted += tally.scored + tally.dead_lettered

    def aborted(self) -> None:
        """Count a batch that came to nothing."""
        self.undelivered += 1

    def never_seen(self, topic: str, partition: int, records: int) -> None:
        """Note a gap."""
        del topic
        self._reported[partition] += records

    def lag(self, topic: str, partitions: dict[int, int]) -> None: ...
    def unstable(self, topic: str, partitions: dict[int, int]) -> None: ...
    def oldest_waiting(self, topic: str, partitions: dict[int, float]) -> None: ...
    def throttled(self, seconds: float) -> None: ...
