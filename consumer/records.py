"""The consumer's own small types: what came in, what goes out, what is counted. Columns, not an object an event."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Headers = list[tuple[str, bytes | None]]
N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class UnreadableBatch:
    """The offsets `start` to `end` - 1 of a partition, which no client can read, and why."""

    topic: str
    partition: int
    start: int
    end: int
    why: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one poll round, all of one topic: lists of the same length, in the order they were read."""

    topic: str
    partitions: list[int]
    offsets: list[int]
    timestamps: list[int]  # milliseconds since the epoch; -1 when the record has none
    keys: list[bytes | None]
    values: list[bytes | None]  # None: a tombstone
    headers: list[Headers]
    unreadable: UnreadableBatch | None = None
    """What the only record here stands for; that record has its last offset, and no value."""
    read_to: Mapping[int, int] = field(default_factory=dict, compare=False)
    """Partition -> the offset after the last thing read, commit markers and aborted records included, where it is known
    and every record read before it is in this batch or one before."""

    @classmethod
    def standing_for(cls, unreadable: UnreadableBatch) -> "Batch":
        """Return the batch whose only record stands for all that cannot be read, so it is committed as one."""
        return cls(
            topic=unreadable.topic,
            partitions=[unreadable.partition],
            offsets=[unreadable.end - 1],
            timestamps=[-1],
            keys=[None],
            values=[None],
            headers=[[]],
            unreadable=unreadable,
        )

    def __len__(self) -> int:
        return len(self.offsets)

    def take(self, places: Sequence[int]) -> "Batch":
        """The records at these places, which rise."""
        if len(places) == len(self):
            return self
        return self._picked(lambda column: [column[i] for i in places])

    def without_tombstones(self) -> "Batch":
        """The records that have a value."""
        if None not in self.values:
            return self
        return self.take([i for i, value in enumerate(self.values) if value is not None])

    def next_offsets(self) -> dict[int, int]:
        """For each partition the offset to commit: one past the last record, whatever became of it, and past markers
        that were read behind it."""
        # offsets rise within a partition, so the last one written wins
        last = dict(zip(self.partitions, self.offsets, strict=True))
        return {partition: offset + 1 for partition, offset in last.items()} | dict(self.read_to)

    def _picked(self, pick: Callable[[list[Any]], list[Any]]) -> "Batch":
        columns: list[list[Any]] = [self.partitions, self.offsets, self.timestamps]
        columns += [self.keys, self.values, self.headers]
        partitions, offsets, timestamps, keys, values, headers = map(pick, columns)
        return Batch(self.topic, partitions, offsets, timestamps, keys, values, headers, read_to=self.read_to)


class OutRecord(NamedTuple):
    """A record to produce. `timestamp` is in milliseconds since the epoch and always > 0."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int

    @classmethod
    def each(
        cls,
        topic: str,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        headers: Sequence[Headers],
        timestamps: Sequence[int],
    ) -> list["OutRecord"]:
        """A record for each row of these columns. By tuple's own constructor: the class's, in Python, takes twice the
        time."""
        rows = zip(repeat(topic), keys, values, headers, timestamps, strict=False)
        return list(map(tuple.__new__, repeat(cls), rows))


@dataclass(frozen=True, slots=True)
class Tally:
    """What the metrics learn of a batch, once it is committed."""

    scored: int
    dead_lettered: int
    skipped: int
    levels: dict[str, int]  # risk level -> results
    reasons: dict[str, int]  # reason code -> results that give it
    dead_letter_codes: dict[str, int]
    imputed: dict[str, int]  # field -> gaps filled
    unseen: dict[str, int]  # field -> categories the encoder has never seen
    scores: NDArray[np.float64]  # (scored,)
    timestamps: NDArray[np.int64]  # ms, of the scored events that have one
    stage_seconds: dict[str, float]  # decode, score, encode; whoever publishes adds publish and commit
    dead_letter_flags: list[bool]  # one an event in order, tombstones left out: what the circuit breaker sees
    fallbacks: dict[str, int] = field(default_factory=dict)  # reason -> events left to the contract's decoder
    drift: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(bins,): events of the sample that drift is measured by; none where the set has no baseline."""

    @classmethod
    def sum(cls, parts: Sequence["Tally"]) -> "Tally":
        """That of one batch, from those of its parts."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            scored=sum(part.scored for part in parts),
            dead_lettered=sum(part.dead_lettered for part in parts),
            skipped=sum(part.skipped for part in parts),
            levels=_sum(part.levels for part in parts),
            reasons=_sum(part.reasons for part in parts),
            dead_letter_codes=_sum(part.dead_letter_codes for part in parts),
            imputed=_sum(part.imputed for part in parts),
            unseen=_sum(part.unseen for part in parts),
            scores=np.concatenate([part.scores for part in parts]),
            timestamps=np.concatenate([part.timestamps for part in parts]),
            stage_seconds=_sum(part.stage_seconds for part in parts),
            dead_letter_flags=list(chain.from_iterable(part.dead_letter_flags for part in parts)),
            fallbacks=_sum(part.fallbacks for part in parts),
            drift=np.sum([part.drift for part in parts], axis=0),
        )


def _sum(parts: Iterable[Mapping[str, N]]) -> dict[str, N]:
    """Name -> the sum of what the parts say of it."""
    parts = list(parts)
    return {name: sum(part.get(name, 0) for part in parts) for name in dict.fromkeys(chain.from_iterable(parts))}


@dataclass(frozen=True, slots=True)
class Output:
    """All that one batch becomes: records in an order that keeps each input partition's own."""

    records: list[OutRecord]
    tally: Tally
