"""Find the lines of a text, and join lines with the verdicts on them.

    text         | line | \\n | blank line | \\n | … | line | PADDING bytes |
    starts, ends where each line stands that is not blank, without the
                 blanks around it                                       (n,)
    member_ends  the end of each object's last member                   (n,)

    numbers      one for each line                                      (n,)
    codes        the index of each among the distinct ones              (n,)
    distinct     those, in the order of their first appearance          (n,)
    slots        1 + a code, or FREE: open addressing by hash           (a power of 2 that is at least 2 n,)

    out          | line | before | score | after | line | …
    before,      which of the pieces stands before the score of each
    after        line, and which after it                               (n,)
    scores       | [ | score | , | score | … | ] |
    pieces       | piece | piece | …
    bounds       piece i is from bounds[i] up to bounds[i + 1]          (pieces + 1,)

A line of JSON Lines and its verdict become one object: the line is copied up to its member_end.
"""

import functools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.kernels.compiler import Function, Kernel, compiled_or_plain
from scoring.kernels.json_text import CARRIAGE_RETURN, COMMA, HIGH_BITS, ONES, OPEN_ARRAY, POINT, SPACE, TAB, TO_CLOSER
from scoring.kernels.memory import Bytes, copy_bytes, count_trailing_zeros, load_byte, load_word, store_byte
from scoring.kernels.string_codes import FREE, MULTIPLIER

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

CLOSE_ARRAY: Final = OPEN_ARRAY + TO_CLOSER
LINE_FEEDS: Final = np.uint64(0x0A0A0A0A0A0A0A0A)


def find_lines(text: Bytes, start: int, end: int, starts: Ints, ends: Ints) -> int:
    """Find the lines of text[start:end] that are not blank, and return their number.

    Lines that do not fit into `starts` and `ends` are counted only. Blanks are those of `bytes.strip`.
    """
    count = 0
    while start < end:
        line_feed = line_end(text, start, end)
        first = start
        while first < line_feed and is_blank(load_byte(text, first)):
            first += 1
        if first < line_feed:
            last = line_feed - 1
            while is_blank(load_byte(text, last)):
                last -= 1
            if count < starts.shape[0]:
                starts[count] = first
                ends[count] = last + 1
            count += 1
        start = line_feed + 1
    return count


def line_end(text: Bytes, i: int, end: int) -> int:
    """Return the index of the first line feed from i on; `end` if there is none."""
    while i < end:
        word = load_word(text, i) ^ LINE_FEEDS
        found = (word - ONES) & ~word & HIGH_BITS  # the lowest bit is right; those above may be wrong, by carrying
        if found != np.uint64(0):
            return min(i + (count_trailing_zeros(found) >> 3), end)
        i += 8
    return end


def is_blank(byte: int) -> bool:
    return byte == SPACE or TAB <= byte <= CARRIAGE_RETURN


def number_distinct(numbers: Ints, codes: Ints, distinct: Ints, slots: Codes) -> int:
    """Number the distinct numbers, and return how many there are. `slots` are all FREE before.

    One pass, 3 ns a number, where sorting them (`np.unique`) takes 24 to 130.
    """
    count = 0
    last = slots.shape[0] - 1
    for row in range(numbers.shape[0]):
        state = np.uint64(numbers[row]) * MULTIPLIER
        slot = int(np.int64(state >> np.uint64(32))) & last
        while slots[slot] != FREE and distinct[slots[slot] - 1] != numbers[row]:
            slot = (slot + 1) & last
        if slots[slot] == FREE:
            distinct[count] = numbers[row]
            count += 1
            slots[slot] = count
        codes[row] = slots[slot] - 1
    return count


def find_member_ends(text: Bytes, starts: Ints, ends: Ints, member_ends: Ints) -> None:
    """Find the ends of objects without their closing brace and the blanks before it."""
    for row in range(starts.shape[0]):
        end = ends[row] - 1
        while end > starts[row] and is_blank(load_byte(text, end - 1)):
            end -= 1
        member_ends[row] = end


def joined_size(starts: Ints, ends: Ints, before: Ints, after: Ints, bounds: Ints) -> int:
    """Return the number of bytes of the lines and the pieces around their scores."""
    size = 0
    for row in range(starts.shape[0]):
        size += ends[row] - starts[row]
        size += bounds[before[row] + 1] - bounds[before[row]]
        size += bounds[after[row] + 1] - bounds[after[row]]
    return size


def join_lines(
    out: Bytes,
    text: Bytes,
    starts: Ints,
    ends: Ints,
    before: Ints,
    after: Ints,
    scores: Bytes,
    pieces: Bytes,
    bounds: Ints,
    decimal: int,
) -> int:
    """Write each line and its verdict into `out`, which has room for all. Return the number of bytes.

    `decimal` replaces the point of a score.
    """
    at = 0
    score = 1  # its start in `scores`
    for row in range(starts.shape[0]):
        size = ends[row] - starts[row]
        copy_bytes(out, at, text, starts[row], size)
        at += size
        piece = before[row]
        size = bounds[piece + 1] - bounds[piece]
        copy_bytes(out, at, pieces, bounds[piece], size)
        at += size
        size = number_size(scores, score)
        for k in range(size):
            byte = load_byte(scores, score + k)
            store_byte(out, at + k, decimal if byte == POINT else byte)
        at += size
        score += size + 1
        piece = after[row]
        size = bounds[piece + 1] - bounds[piece]
        copy_bytes(out, at, pieces, bounds[piece], size)
        at += size
    return at


def number_size(scores: Bytes, i: int) -> int:
    """Return the size of the number at i, behind which a comma or the closing bracket stands."""
    size = 0
    byte = load_byte(scores, i)
    while byte != COMMA and byte != CLOSE_ARRAY:
        size += 1
        byte = load_byte(scores, i + size)
    return size


_TEXT: Final = "Array(uint8, 1, 'C', readonly=True)"
FIND_LINES: Final = Kernel(f"int64({_TEXT}, int64, int64, int64[::1], int64[::1])", find_lines)
NUMBER_DISTINCT: Final = Kernel("int64(int64[::1], int64[::1], int64[::1], int32[::1])", number_distinct)
FIND_MEMBER_ENDS: Final = Kernel(f"void({_TEXT}, int64[::1], int64[::1], int64[::1])", find_member_ends)
JOINED_SIZE: Final = Kernel("int64(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])", joined_size)
JOIN_LINES: Final = Kernel(
    f"int64(uint8[::1], {_TEXT}, int64[::1], int64[::1], int64[::1], int64[::1], {_TEXT}, {_TEXT}, int64[::1], int64)",
    join_lines,
)


class LineKernels(NamedTuple):
    """Functions: compiled, or plain where numba cannot."""

    find_lines: Function
    number_distinct: Function
    find_member_ends: Function
    joined_size: Function
    join_lines: Function


@functools.cache
def compiled_lines() -> LineKernels:
    """Compile the kernels, once in a process; before threads start, or each compiles them."""
    return LineKernels(*compiled_or_plain([FIND_LINES, NUMBER_DISTINCT, FIND_MEMBER_ENDS, JOINED_SIZE, JOIN_LINES]))
