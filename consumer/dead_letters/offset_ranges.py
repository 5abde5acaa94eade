"""Which offsets of a partition are done, where filters leave some between them undone. Pure.

A group's committed offset says "all before this"; the ranges beyond it travel in the text that Kafka keeps beside an
offset, so both are committed in one step.
"""

import base64
import zlib
from bisect import bisect_right
from collections.abc import Iterable
from enum import IntEnum
from itertools import accumulate, chain, pairwise
from typing import Final, NamedTuple

from consumer.errors import WorkerError

Ranges = list[tuple[int, int]]
"""Disjoint, rising; each from its first offset up to, not including, its second."""

_BETWEEN: Final = ","  # the two parts of a note; base 85 has no comma

MOST_BYTES: Final = 4000  # Kafka refuses more than 4096 (offset.metadata.max.bytes)


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same offsets in as few ranges as can be."""
    done: Ranges = []
    for start, end in sorted(each for each in ranges if each[0] < each[1]):
        if done and start <= done[-1][1]:
            done[-1] = (done[-1][0], max(done[-1][1], end))
        else:
            done.append((start, end))
    return done


def undone(ranges: Ranges, offset: int) -> bool:
    """Whether the offset lies in none of the ranges."""
    before = bisect_right(ranges, offset, key=lambda each: each[0])  # how many begin at or before it
    return before == 0 or offset >= ranges[before - 1][1]


class Ledger(IntEnum):
    """Whose letters a note is about. In each of the two, letters of the other kind count as done."""

    OURS = 0
    OTHERS = 1


class Progress(NamedTuple):
    """What redrives have done in one partition, by `Ledger`."""

    ours: Ranges
    others: Ranges

    def with_done(self, ledger: Ledger, done: Ranges) -> "Progress":
        """Return the progress once these offsets are done too."""
        ranges = [*self]
        ranges[ledger] = merged([*ranges[ledger], *done])
        return Progress(*ranges)


def encode(progress: Progress) -> tuple[int, str]:
    """The offset to commit and the text beside it. Raises WorkerError when that is longer than Kafka allows."""
    ours, others = merged(progress.ours), merged(progress.others)
    position, beyond = (ours[0][1], ours[1:]) if ours and ours[0][0] == 0 else (0, ours)
    text = _pack(position, beyond) + _BETWEEN + _pack(0, others)
    if len(text) > MOST_BYTES:
        raise WorkerError(
            "too many dead letters are left out between those redriven to note which; "
            "redrive the older ones first: fewer filters, or an earlier --until"
        )
    return position, text


def decode(position: int, text: str) -> Progress:
    """The reverse of `encode`. Raises WorkerError for a text that is not of its making.

    A text without a comma is of version 0.1.0, which wrote back letters of any writer.
    """
    ours, comma, others = text.partition(_BETWEEN)
    try:
        done = merged([(0, position), *_unpack(position, ours)])
        return Progress(done, _unpack(0, others) if comma else done)
    except (ValueError, zlib.error) as error:
        raise WorkerError("the progress noted by an earlier redrive cannot be read: delete its group") from error


def _pack(start: int, ranges: Ranges) -> str:
    """The ranges as text, by the steps from `start` on; "" for none."""
    steps = (after - before for before, after in pairwise(chain([start], *ranges)))
    return base64.b85encode(zlib.compress(b"".join(map(_varint, steps)), 9)).decode() if ranges else ""


def _unpack(start: int, text: str) -> Ranges:
    if not text:
        return []
    steps = _numbers(zlib.decompress(base64.b85decode(text)))
    edges = list(accumulate(steps, initial=start))
    return list(zip(edges[1::2], edges[2::2], strict=True))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _numbers(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number, shift = 0, 0
    return numbers
