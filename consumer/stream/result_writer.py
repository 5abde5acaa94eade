"""The JSON of all results of a batch, written into one buffer by a compiled loop over arrays.

A result is a sequence of these pieces. `texts` holds the pieces that results share: piece i is the bytes from
`bounds[i]` up to `bounds[i + 1]`.

    BEGIN        {"schema_version":1,"result_id":"sessions-
                 3-1842"                                            partition and offset
    NAMES        ,"session_id":  ,"user_id":                        followed by the identity's JSON; left out for a gap
    BEFORE_SCORE ,"predicted_label":1,"anomaly_score":              one piece per label
                 0.8312                                             the score, as msgspec writes it
    AFTER_SCORE  ,"risk_level":"High", … ,"source":{"topic":"sessions","partition":    one piece per verdict
                 3
    OFFSET       ,"offset":
                 1842
    TIMESTAMP    ,"timestamp":"2026-11-23T10:15:04.118Z"            or NULL
    EVENT        },"scored_at":"2026-11-23T10:15:04.131Z","event":
                 { … }                                              the event
                 ,"event_schema_id":7, …                            its origin, unless it was JSON itself
                 }
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from consumer.records import Batch
from consumer.stream import serialization
from scoring import Scored
from scoring.columns import Columns
from scoring.contract import IDENTITIES
from scoring.decoding import JoinedValues
from scoring.kernels import (
    Bytes,
    Function,
    Kernel,
    compiled_or_plain,
    copy_bytes,
    count_digits,
    put_digits,
    put_moment,
    store_byte,
)

Integers: TypeAlias = NDArray[np.int64]

BEGIN: Final = 0
NAMES: Final = 1  # of the two identities
BEFORE_SCORE: Final = 3
OFFSET: Final = 5
TIMESTAMP: Final = 6
NULL: Final = 7
EVENT: Final = 8
AFTER_SCORE: Final = 9

MARKS_BYTES: Final = len('-"}')  # between the pieces
QUOTE, HYPHEN, BRACE = b'"-}'
STAMP_BYTES: Final = len('YYYY-MM-DDTHH:MM:SS.123Z"')
LAST_MS: Final = 253_402_300_799_999  # the last moment of the year 9999

_KEPT_BYTES: Final = 4 * 1024 * 1024  # of the buffer; a larger one is freed after its batch
_LINE_FEED: Final = ord("\n")
_encoder: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Results:
    """The contents of the results of n valid events."""

    batch: Batch  # n records
    timestamps: Integers  # (n,), ms, as in the batch
    columns: Columns  # n events; their text begins with that of `values`
    scored: Scored  # n verdicts
    values: JoinedValues  # m, of which some may be invalid
    positions: Integers  # (n,): the row of every event among the m records
    model_version: str
    scored_at: int  # ms since the epoch
    origins: Sequence[bytes] | None = None  # n: members about the value of each event; None if that is the event

    @property
    def event_bytes(self) -> Integers:
        """Return the size of every event, (n,)."""
        return (self.values.ends - self.values.starts)[self.positions]

    def origin(self, row: int) -> bytes:
        """Return the members about the value of the event in this row."""
        return b"" if self.origins is None else self.origins[row]


class ResultWriter:
    """Writes results through a buffer that it keeps. Not thread-safe."""

    def __init__(self) -> None:
        self._write = compiled()
        self._allocate(0)

    def write(self, results: Results, event_limit: int) -> list[bytes]:
        """Return the JSON of all results. An event of `event_limit` bytes or more is not embedded."""
        sizes = np.empty(len(results.positions), np.int64)
        arguments = _arguments(results, event_limit)
        if (total := self._write(self._out, sizes, *arguments)) > len(self._out):
            self._allocate(total + total // 4)
            self._write(self._out, sizes, *arguments)
        self._buffer.seek(0)
        # one copy and no slice: 0.1 µs a result, where slices of one `bytes` take 0.2 and `bytes.split` 0.6
        values = list(map(self._buffer.read, sizes.tolist()))
        if len(self._out) > _KEPT_BYTES:
            self._allocate(0)
        return values

    def _allocate(self, size: int) -> None:
        self._buffer = BytesIO(bytes(size))
        self._out = np.frombuffer(self._buffer.getbuffer(), np.uint8)


def _arguments(results: Results, event_limit: int) -> tuple[Any, ...]:
    """Return the arguments of `write_results` after the first two."""
    batch, columns, scored = results.batch, results.columns, results.scored
    scores = np.frombuffer(_encoder.encode_lines(scored.scores.tolist()), np.uint8)
    packed = scored.meanings()
    distinct = np.unique(packed)
    texts = _texts(results, distinct.tolist())
    origins = results.origins
    return (
        results.positions,
        np.array(batch.partitions, np.int64),
        np.array(batch.offsets, np.int64),
        results.timestamps,
        columns.text,
        results.values.starts,
        results.values.ends,
        event_limit,
        np.ascontiguousarray(columns.identities),
        scored.labels,
        np.searchsorted(distinct, packed),
        scores,
        np.flatnonzero(scores == _LINE_FEED),
        np.frombuffer(b"".join(texts), np.uint8),
        np.cumsum([0, *map(len, texts)]),
        np.frombuffer(b"".join(origins or ()), np.uint8),
        np.zeros(len(batch), np.int64) if origins is None else np.fromiter(map(len, origins), np.int64).cumsum(),
    )


def _texts(results: Results, packed_verdicts: Sequence[int]) -> list[bytes]:
    """Return the shared pieces in the order of their numbers."""
    topic = results.batch.topic.encode()  # topics are named in letters, digits, '.', '_' and '-'
    source = b',"source":{"topic":"%b","partition":' % topic
    return [
        b'{"schema_version":%d,"result_id":"%b-' % (serialization.SCHEMA_VERSION, topic),
        *(b',"%b":' % name.encode() for name in IDENTITIES),
        *(b',"predicted_label":%d,"anomaly_score":' % label for label in (0, 1)),
        b',"offset":',
        b',"timestamp":"0000-00-00T00:00:00.000Z"',
        b',"timestamp":null',
        b'},"scored_at":' + _encoder.encode(serialization.utc(results.scored_at)) + serialization.EVENT,
        *(serialization.encode_after_score(packed, results.model_version) + source for packed in packed_verdicts),
    ]


def write_results(  # noqa: PLR0913, PLR0915, PLR0917 - a kernel takes plain arrays; its pieces follow one another
    out: Bytes,
    sizes: Integers,  # (n,), written
    positions: Integers,  # (n,): indices in `ends`
    partitions: Integers,  # (n,)
    offsets: Integers,  # (n,)
    timestamps: Integers,  # (n,), ms
    text: Bytes,  # has the values of m records
    starts: Integers,  # (m,): the start of every value in `text`
    ends: Integers,  # (m,)
    event_limit: int,
    identities: Integers,  # (2, 2, n): start and end of every identity in `text`
    labels: Integers,  # (n,)
    verdict_pieces: Integers,  # (n,): indices among the pieces from AFTER_SCORE on
    scores: Bytes,  # the scores as JSON lines
    score_ends: Integers,  # (n,): its line feeds
    texts: Bytes,  # the shared pieces
    bounds: Integers,
    origins: Bytes,  # of the rows, one behind the other
    origin_ends: Integers,  # (n,)
) -> int:
    """Write the results into `out`, one after the other, and return the sum of their sizes.

    Writes only the sizes when `out` is shorter than that.
    """
    shared = MARKS_BYTES
    for piece in (BEGIN, OFFSET, EVENT):
        shared += bounds[piece + 1] - bounds[piece]
    total = 0
    score = 0  # its start in `scores`
    for row in range(positions.shape[0]):
        before, after = BEFORE_SCORE + labels[row], AFTER_SCORE + verdict_pieces[row]
        stamp = TIMESTAMP if 0 <= timestamps[row] <= LAST_MS else NULL
        size = shared + 2 * (count_digits(partitions[row]) + count_digits(offsets[row]))
        for which in range(identities.shape[0]):
            if identities[which, 1, row] > 0:
                size += bounds[NAMES + which + 1] - bounds[NAMES + which]
                size += identities[which, 1, row] - identities[which, 0, row]
        size += bounds[before + 1] - bounds[before] + score_ends[row] - score
        size += bounds[after + 1] - bounds[after] + bounds[stamp + 1] - bounds[stamp]
        size += event_bytes(starts, ends, positions[row], event_limit) + origin_bytes(origin_ends, row)
        score = score_ends[row] + 1
        sizes[row] = size
        total += size
    if total > out.shape[0]:
        return total
    at = 0
    score = 0
    for row in range(positions.shape[0]):
        size = bounds[BEGIN + 1] - bounds[BEGIN]
        copy_bytes(out, at, texts, bounds[BEGIN], size)
        at = put_digits(out, at + size, partitions[row], count_digits(partitions[row]))
        store_byte(out, at, HYPHEN)
        at = put_digits(out, at + 1, offsets[row], count_digits(offsets[row]))
        store_byte(out, at, QUOTE)
        at += 1
        for which in range(identities.shape[0] - 1, -1, -1):
            if identities[which, 1, row] > 0:
                size = bounds[NAMES + which + 1] - bounds[NAMES + which]
                copy_bytes(out, at, texts, bounds[NAMES + which], size)
                at += size
                size = identities[which, 1, row] - identities[which, 0, row]
                copy_bytes(out, at, text, identities[which, 0, row], size)
                at += size
        piece = BEFORE_SCORE + labels[row]
        size = bounds[piece + 1] - bounds[piece]
        copy_bytes(out, at, texts, bounds[piece], size)
        at += size
        copy_bytes(out, at, scores, score, score_ends[row] - score)
        at += score_ends[row] - score
        score = score_ends[row] + 1
        piece = AFTER_SCORE + verdict_pieces[row]
        size = bounds[piece + 1] - bounds[piece]
        copy_bytes(out, at, texts, bounds[piece], size)
        at = put_digits(out, at + size, partitions[row], count_digits(partitions[row]))
        size = bounds[OFFSET + 1] - bounds[OFFSET]
        copy_bytes(out, at, texts, bounds[OFFSET], size)
        at = put_digits(out, at + size, offsets[row], count_digits(offsets[row]))
        piece = TIMESTAMP if 0 <= timestamps[row] <= LAST_MS else NULL
        size = bounds[piece + 1] - bounds[piece]
        copy_bytes(out, at, texts, bounds[piece], size)
        at += size
        if piece == TIMESTAMP:
            put_moment(out, at - STAMP_BYTES, timestamps[row])
        size = bounds[EVENT + 1] - bounds[EVENT]
        copy_bytes(out, at, texts, bounds[EVENT], size)
        at += size
        size = event_bytes(starts, ends, positions[row], event_limit)
        copy_bytes(out, at, text, starts[positions[row]], size)
        at += size
        size = origin_bytes(origin_ends, row)
        copy_bytes(out, at, origins, origin_ends[row] - size, size)
        store_byte(out, at + size, BRACE)
        at += size + 1
    return total


def event_bytes(starts: Integers, ends: Integers, position: int, event_limit: int) -> int:
    """Return how many bytes of an event are embedded: its size, or 0."""
    size = ends[position] - starts[position]
    return size if size < event_limit else 0


def origin_bytes(ends: Integers, row: int) -> int:
    """Return the size of a row's origin."""
    return int(ends[row] - (ends[row - 1] if row > 0 else 0))


_TEXT: Final = "Array(uint8, 1, 'C', readonly=True)"
_KERNEL: Final = Kernel(
    f"int64(uint8[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], {_TEXT}, int64[::1], int64[::1], "
    f"int64, int64[:, :, ::1], int64[::1], int64[::1], {_TEXT}, int64[::1], {_TEXT}, int64[::1], {_TEXT}, int64[::1])",
    write_results,
)


@functools.cache
def compiled() -> Function:
    """Return the loop, compiled if numba is there."""
    (loop,) = compiled_or_plain([_KERNEL])
    return loop
