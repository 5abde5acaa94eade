"""Define the batches that are read, the records that are written, and the statistics of a batch.

A batch holds columns, not an object for each event.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Headers = list[tuple[str, bytes | None]]
N = TypeVar("N", int, float)

UNREADABLE: Final = "unreadable_batch"
DEAD_LETTER_CODES: Final = (
    "not_json",
    "not_an_object",
    "too_deep",
    "wrong_type",
    "out_of_range",
    "bad_date",
    "too_large",
    UNREADABLE,  # of a batch that was passed over: none of its records was ever read
    "bad_framing",
    "unknown_schema",
    "not_avro",
    "not_protobuf",
)
"""The codes that a dead letter can have."""


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}, partition {self.number}"


@dataclass(frozen=True, slots=True)
class UnreadableBatch:
    """The offsets from `start` up to but not including `end` of a partition, which no client can read."""

    partition: Partition
    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one poll, all of one topic: columns of the same length, in the order they were read.

    The worker commits one or more of these, its parts, together.
    """

    topic: str
    partitions: list[int]
    offsets: list[int]
    timestamps: list[int]  # milliseconds since the epoch; -1 when the record has none
    keys: list[bytes | None]
    values: list[bytes | None]  # None: a tombstone
    headers: list[Headers]
    unreadable: UnreadableBatch | None = None
    """The unreadable offsets that the batch's only record stands for. It has the last of them, and no value."""
    read_to: Mapping[Partition, int] = field(default_factory=dict, compare=False)
    """Position of the reader, past commit markers and aborted records. Left out where it is unknown, or where a record
    before it is in no batch yet."""

    @classmethod
    def of_unreadable(cls, unreadable: UnreadableBatch) -> "Batch":
        """Return a batch with one record that stands for all unreadable offsets, so they are committed together."""
        return cls(
            topic=unreadable.partition.topic,
            partitions=[unreadable.partition.number],
            offsets=[unreadable.end - 1],
            timestamps=[-1],
            keys=[None],
            values=[None],
            headers=[[]],
            unreadable=unreadable,
        )

    def __len__(self) -> int:
        return len(self.offsets)

    def take(self, rows: Sequence[int]) -> "Batch":
        """Return the records of these rows, which are in ascending order."""
        if len(rows) == len(self):
            return self
        return Batch(
            topic=self.topic,
            partitions=[self.partitions[row] for row in rows],
            offsets=[self.offsets[row] for row in rows],
            timestamps=[self.timestamps[row] for row in rows],
            keys=[self.keys[row] for row in rows],
            values=[self.values[row] for row in rows],
            headers=[self.headers[row] for row in rows],
            read_to=self.read_to,
        )

    def without_tombstones(self) -> "Batch":
        """Return the records that have a value."""
        if None not in self.values:
            return self
        return self.take([row for row, value in enumerate(self.values) if value is not None])

    def next_offsets(self) -> dict[Partition, int]:
        """Return the offset to commit for each partition: past its last record and the markers read behind it."""
        # offsets rise within a partition, so the last one written wins
        last = dict(zip(self.partitions, self.offsets, strict=True))
        return {Partition(self.topic, number): offset + 1 for number, offset in last.items()} | dict(self.read_to)


@dataclass(frozen=True, slots=True)
class Gap:
    """Offset `position` was to be read next, but the partition now holds `low` up to, not including, `high`."""

    partition: Partition
    position: int
    low: int
    high: int

    @property
    def never_seen(self) -> int:
        """Return the number of unread offsets that retention deleted; 0 when the position lies past the end.

        It is an upper bound of the records: some of the offsets may have been transaction markers or aborted records.
        """
        return max(0, self.low - self.position)

    def __str__(self) -> str:
        where = f"{self.partition}: offset {self.position} is next"
        if self.never_seen:
            what = (
                f"the oldest left is {self.low}, so up to {self.never_seen} records were never seen (retention took "
                "their offsets, of which some may have been transaction markers or aborted records)"
            )
        else:
            what = f"the end is {self.high}, so the topic was recreated or lost its end; it now holds {self.low} on"
        return f"{where}, but {what}; --on-gap continue goes on from offset {self.low}"


class OutRecord(NamedTuple):
    """A record to produce. `timestamp` is in milliseconds since the epoch, and positive."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int

    @classmethod
    def from_columns(
        cls,
        topic: str,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        headers: Sequence[Headers],
        timestamps: Sequence[int],
    ) -> list["OutRecord"]:
        """Return a record for each row of the columns."""
        # by tuple's own constructor: the class's is Python code and takes twice the time
        rows = zip(repeat(topic), keys, values, headers, timestamps, strict=False)
        return list(map(tuple.__new__, repeat(cls), rows))


@dataclass(frozen=True, slots=True)
class BatchStats:
    """The figures of a batch for the metrics, which count it once it is committed."""

    scored: int
    dead_lettered: int
    skipped: int
    levels: dict[str, int]  # risk level -> results
    reasons: dict[str, int]  # reason code -> results with it
    dead_letter_codes: dict[str, int]
    imputed: dict[str, int]  # field -> gaps filled
    unseen: dict[str, int]  # field -> values that are no category of the encoder
    scores: NDArray[np.float64]  # (scored,)
    timestamps: NDArray[np.int64]  # ms, of the scored events that have one
    stage_seconds: dict[str, float]  # decode, score, encode; later publish and commit
    dead_letter_flags: list[bool]  # of each event in order, tombstones left out; for the circuit breaker
    fallbacks: dict[str, int] = field(default_factory=dict)  # reason -> events that the contract's decoder read
    drift: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(bins,): events of the sample that drift is measured by; empty when the artifact set has no baseline."""

    @classmethod
    def merge(cls, parts: Sequence["BatchStats"]) -> "BatchStats":
        """Return the figures of a batch from those of its parts."""
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
    """Return the sum of each name's counts."""
    parts = list(parts)
    return {name: sum(part.get(name, 0) for part in parts) for name in dict.fromkeys(chain.from_iterable(parts))}


@dataclass(frozen=True, slots=True)
class Output:
    """The records to produce for a batch, in the order of each input partition, and the batch's figures."""

    records: list[OutRecord]
    stats: BatchStats
