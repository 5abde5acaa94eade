"""What the simulated workers make of an event: its place, so that the checks can tell whose result it is.

The model and its scores are no part of the simulation; which topics a record goes to, and the forms in which it fits
them, are.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from consumer.records import Batch, BatchStats, Output, OutRecord, Partition
from consumer.stream.output_limits import TopicLimits

RESULTS: Final = "results"
ALERTS: Final = "alerts"
DEAD_LETTERS: Final = "dead-letters"
INPUTS: Final = ("sessions", "logins", "logouts")
PATTERN: Final = "^log.*"
"""Matches all inputs but the first."""

LOW: Final = b"low"
HIGH: Final = b"high"
INVALID: Final = b"invalid"
LARGE: Final = b"large"
"""Its result is larger than what the results topic may take."""

_OVERHEAD: Final = 20_000  # bytes by which the whole form of a large result is larger
_NO_SCORES: Final = np.zeros(0)
_NO_TIMES: Final = np.zeros(0, dtype=np.int64)


def source(value: bytes) -> tuple[Partition, int]:
    """Return the partition and the offset of the event that an output belongs to."""
    topic, number, offset = value.split(b":", 1)[0].split(b"-")
    return Partition(topic.decode(), int(number)), int(offset)


class SimulatedPipeline:
    """Gives each event one result or one dead letter, and each high one an alert."""

    def __init__(self, limits: Callable[[str], TopicLimits], score: Callable[[], None]) -> None:
        """`score` takes the time that scoring takes."""
        self._limits = limits
        self._score = score

    def process(self, batch: Batch) -> Output:
        """Return what becomes of a batch."""
        self._score()
        results: list[OutRecord] = []
        alerts: list[OutRecord] = []
        dead_letters: list[OutRecord] = []
        flags = []
        for row, value in enumerate(batch.values):
            if value is None and batch.unreadable is None:
                continue
            name = b"%d-%d:" % (batch.partitions[row], batch.offsets[row])
            invalid = value is None or value == INVALID
            flags.append(invalid)
            if invalid:
                dead_letters.append(self._record(DEAD_LETTERS, batch, row, name))
                continue
            if value == LARGE and self._limits(RESULTS).record_bytes > _OVERHEAD:
                results.append(self._record(RESULTS, batch, row, name.ljust(_OVERHEAD)))
            else:
                results.append(self._record(RESULTS, batch, row, name))
            if value == HIGH:
                alerts.append(self._record(ALERTS, batch, row, name))
        return Output(results + alerts + dead_letters, _stats(len(batch), flags))

    def _record(self, topic: str, batch: Batch, row: int, name: bytes) -> OutRecord:
        key = batch.keys[row]
        if key is None and self._limits(topic).requires_key:
            key = name
        return OutRecord(topic, key, b"%s-%s" % (batch.topic.encode(), name), [], batch.timestamps[row])


def _stats(read: int, flags: list[bool]) -> BatchStats:
    dead = sum(flags)
    return BatchStats(
        scored=len(flags) - dead,
        dead_lettered=dead,
        skipped=read - len(flags),
        levels={},
        reasons={},
        dead_letter_codes={},
        imputed={},
        unseen={},
        scores=_NO_SCORES,
        timestamps=_NO_TIMES,
        stage_seconds={"decode": 0.0, "score": 0.0, "encode": 0.0},
        dead_letter_flags=flags,
    )
