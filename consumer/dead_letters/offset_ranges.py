"""The offsets of a partition that are redriven, also where filters leave gaps between them.

A group's committed offset means "all before this". The ranges beyond it travel in the metadata that Kafka keeps beside
an offset, so both are committed in one step.
"""

import base64
import zlib
from bisect import bisect_right
from collections.abc import Iterable
from enum import IntEnum
from itertools import accumulate, chain, pairwise
from operator import itemgetter
from typing import Final, NamedTuple

from consumer.errors import WorkerError
from consumer.stream.record_size import varint

Ranges = list[tuple[int, int]]
"""Disjoint and ascending; the second offset of a range is not part of it."""

_SEPARATOR: Final = ","  # between the two parts of the metadata; base 85 has no comma

MOST_BYTES: Final = 4000  # Kafka refuses more than 4096 (offset.metadata.max.bytes)


def merge(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the same offsets in as few ranges as possible."""
    merged: Ranges = []
    for start, end in sorted(ranges):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def contains(ranges: Ranges, offset: int) -> bool:
    """Return whether the offset lies in one of the ranges."""
    index = bisect_right(ranges, offset, key=itemgetter(0)) - 1  # the last range that starts at or before it
    return index >= 0 and offset < ranges[index][1]


class WriterKind(IntEnum):
    """Who wrote a dead letter. The progress of one kind counts dead letters of the other as done."""

    OWN_GROUP = 0
    OTHER = 1


class RedriveProgress(NamedTuple):
    """The redriven offsets of one partition, by `WriterKind`."""

    own_group: Ranges
    other: Ranges

    def add(self, kind: WriterKind, ranges: Ranges) -> "RedriveProgress":
        """Return the progress with these offsets added."""
        done = [*self]
        done[kind] = merge([*done[kind], *ranges])
        return RedriveProgress(*done)


def encode(progress: RedriveProgress) -> tuple[int, str]:
    """Return the offset to commit and its metadata. Raise WorkerError when that is longer than Kafka allows."""
    own_group, other = merge(progress.own_group), merge(progress.other)
    position, beyond = (own_group[0][1], own_group[1:]) if own_group and own_group[0][0] == 0 else (0, own_group)
    text = _pack(position, beyond) + _SEPARATOR + _pack(0, other)
    if len(text) > MOST_BYTES:
        raise WorkerError(
            "too many dead letters are left out between those redriven to note which; "
            "redrive the older ones first: fewer filters, or an earlier --until"
        )
    return position, text


def decode(position: int, text: str) -> RedriveProgress:
    """Return the progress that `encode` wrote. Raise WorkerError for any other text.

    A text without a comma is from version 0.1.0, which redrove dead letters of any writer.
    """
    own_group, separator, other = text.partition(_SEPARATOR)
    try:
        done = merge([(0, position), *_unpack(position, own_group)])
        return RedriveProgress(done, _unpack(0, other) if separator else done)
    except (ValueError, zlib.error) as error:
        raise WorkerError("the progress noted by an earlier redrive cannot be read: delete its group") from error


def _pack(start: int, ranges: Ranges) -> str:
    """Return the ranges as text, as steps from `start` on; "" for none."""
    steps = (after - before for before, after in pairwise(chain([start], *ranges)))
    return base64.b85encode(zlib.compress(b"".join(map(varint, steps)), 9)).decode() if ranges else ""


def _unpack(start: int, text: str) -> Ranges:
    if not text:
        return []
    steps = _numbers(zlib.decompress(base64.b85decode(text)))
    edges = list(accumulate(steps, initial=start))
    return list(zip(edges[1::2], edges[2::2], strict=True))


def _numbers(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number, shift = 0, 0
    return numbers
