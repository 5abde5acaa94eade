"""What one worker process says of itself: how much it has counted, which gaps it reports, why it ends."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from consumer.observability.health import Health
from consumer.observability.metrics import Metrics
from consumer.records import BatchStats, Partition
from consumer.runtime import Clock

PATIENCE_SECONDS: Final = 60.0
"""For so long a worker repeats a call that may pass."""

_REASONS: Final = (
    "records were never seen",
    "--on-unreadable",
    "breaker_run",
    "breaker_ratio",
    "AUTHORIZATION_FAILED",
    "UNKNOWN_TOPIC_OR_PART",
    "another process uses this id",
    "refuses even records dated now",
    "no clean stop within",
    "OUT_OF_ORDER_SEQUENCE_NUMBER",  # fatal, and the second within five minutes
    "INVALID_TXN_STATE",
)
"""What ends a worker at any time. All else passes, or ends it only when its patience has."""


_WATCHDOG: Final = "did not end within"
_ROUNDS: Final = 3  # of the worker's loop, after which a batch is counted


class Account(Metrics, Health):
    """The metrics and the health of one process, compared with what its transactions did."""

    def __init__(self, clock: Clock, *, continue_on_gap: bool, breaker_run: int = 0) -> None:
        self._clock = clock
        self._began = self._ticked = clock()
        self._continue_on_gap = continue_on_gap
        self._breaker_run = breaker_run
        self._rounds_since = 0  # its last transaction was committed
        self._undelivered = 0  # batches that are read again; whether they count is not known when no answer came
        self._in_row = 0  # dead letters at the end of what is counted
        self._most_in_row = 0
        self._written = 0  # events, in transactions that are committed
        self._counted = 0
        self._lost: Counter[Partition] = Counter()  # events that it has committed past and that retention took
        self._reported: Counter[Partition] = Counter()  # the same, as it says

    def wrote(self, events: int) -> None:
        """Note the events of a transaction that is decided to commit."""
        self._written += events
        self._rounds_since = 0

    def passed(self, partition: Partition, events: int) -> str | None:
        """Note that it committed past events that are gone; return what is wrong with that."""
        self._lost[partition] += events
        if not self._continue_on_gap:
            return f"{events} lost events of {partition} are passed over, which the settings forbid"
        if self._lost[partition] > self._reported[partition]:
            return f"{partition}: {self._lost[partition]} events lost, {self._reported[partition]} reported"
        return None

    def miscounted(self, *, stopped: bool) -> str | None:
        """Return how the counted events differ from the committed ones; `stopped`: in good order."""
        settled = (stopped or self._rounds_since >= _ROUNDS) and not self._undelivered
        if self._counted > self._written or (settled and self._counted < self._written):
            return f"{self._counted} events counted, {self._written} committed"
        return None

    def overlooked(self) -> str | None:
        """Return what the circuit breaker should have stopped."""
        if self._breaker_run and self._most_in_row >= self._breaker_run:
            return f"{self._most_in_row} dead letters in a row are committed, breaker_run is {self._breaker_run}"
        return None

    def needless_end(self, reason: str, clock_ahead: float = 0.0) -> bool:
        """Return whether the worker ends for something that passes, without having waited for it.

        A clock that jumped ahead by `clock_ahead` seconds may use up the watchdog's time while the loop goes round.
        """
        if _WATCHDOG in reason:
            return max(self._clock() - self._ticked, clock_ahead) < PATIENCE_SECONDS
        return self._clock() - self._began < PATIENCE_SECONDS and not any(known in reason for known in _REASONS)

    # -- what the worker tells its metrics and its health ------------------------------------------------------------

    def record_commit(self, stats: BatchStats, seconds_ago: float = 0.0) -> None:
        """Count a batch."""
        del seconds_ago
        self._counted += stats.scored + stats.dead_lettered
        for dead in stats.dead_letter_flags:
            self._in_row = self._in_row + 1 if dead else 0
            self._most_in_row = max(self._most_in_row, self._in_row)

    def record_abort(self) -> None:
        """Count a batch that came to nothing."""
        self._undelivered += 1

    def record_never_seen(self, partition: Partition, records: int) -> None:
        """Note a gap."""
        self._reported[partition] += records

    def tick(self) -> None:
        """Count a round of its loop."""
        self._rounds_since += 1
        self._ticked = self._clock()

    def set_kafka_state(self, *, joined: bool, silent_seconds: float, deleted_topics: Sequence[str] = ()) -> None: ...
    def set_lag(self, partitions: Mapping[Partition, int]) -> None: ...
    def set_unstable_offsets(self, partitions: Mapping[Partition, int]) -> None: ...
    def set_oldest_waiting(self, partitions: Mapping[Partition, float]) -> None: ...
    def set_throttle(self, seconds: float) -> None: ...
    def set_round_trip(self, seconds: float | None) -> None: ...
    def set_assigned_partitions(self, topics: Mapping[str, int]) -> None: ...
    def set_rebalances(self, events: Mapping[str, int]) -> None: ...
