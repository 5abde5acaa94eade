"""The JSON of Avro records, written into one buffer by a compiled loop that follows a list of instructions.

    ops       one instruction a row, (k, 3): its kind and two arguments
    pieces    texts that records share: piece i is pieces[bounds[i]:bounds[i + 1]]

    PIECE     i      write piece i: names, brackets, `null`
    BOOLEAN   i      read a byte, write piece i + that: `false` or `true`
    ENUM      i, n   read one of n indices, write piece i + that
    INTEGER          read a zigzag varint, write its digits
    FLOAT, DOUBLE    read 4 or 8 bytes; their text is inserted later (`insert_numbers`)
    STRING           read a length and UTF-8, write it in quotes, escaped
    DAY       i      read days since the epoch, write piece i and the digits of the date in it
    DECIMAL   s      read a length and a number of so many bytes, write it with s digits behind the point
    MOMENT    u, i   read a time since the epoch, u in a millisecond; write piece i, or i + 1 if it is no whole ms
    BRANCH    n      read one of n indices; go to the JUMP that stands that many further on
    JUMP      k      go on with instruction k

A record with bytes that do not follow the instructions, or with a value that the loop does not write, is left to the
caller: its text is empty.
"""

import functools
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scoring.kernels import (
    Bytes,
    Function,
    Kernel,
    character_end,
    compiled_or_plain,
    copy_bytes,
    count_digits,
    load_byte,
    load_word,
    number_size,
    plain_end,
    put_day,
    put_digits,
    put_moment,
    store_byte,
)

Integers: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]

PIECE: Final = 0
BOOLEAN: Final = 1
ENUM: Final = 2
INTEGER: Final = 3
FLOAT: Final = 4
DOUBLE: Final = 5
STRING: Final = 6
DAY: Final = 7
MOMENT: Final = 8
DECIMAL: Final = 9
BRANCH: Final = 10
JUMP: Final = 11

LEFT: Final = -1  # the record is left to the caller
MOST_DIGITS: Final = 24  # of an integer or a decimal, with sign and point
MOST_SCALE: Final = 18
ESCAPE_BYTES: Final = 6  # of a character such as \u001f
_LONGEST_VARINT: Final = 10
_LARGEST: Final = 2**63 - 1
_LAST_DAY: Final = 2_932_896  # of the year 9999
_MS_OF_DAY: Final = 86_400_000

_QUOTE, _BACKSLASH, _MINUS, _POINT, _ZERO, _LETTER_A, _LETTER_U = b'"\\-.0au'
_FINITE: Final = np.uint64(0x7FF0000000000000)  # the bits of the exponent; all are set in NaN and infinity
_FLOAT: Final = np.uint64(0xFFFFFFFF)
_FLOAT_SIGN: Final = np.uint64(0x80000000)
_FLOAT_SMALL: Final = np.uint64(0x00800000)  # less is 0 or subnormal
_FLOAT_FINITE: Final = np.uint64(0x7F800000)
_TO_DOUBLE: Final = np.uint64((1023 - 127) << 52)  # the difference of the exponents' zeros
_SIGN_SHIFT: Final = np.uint64(32)
_DIGITS_SHIFT: Final = np.uint64(29)


def write_records(
    out: Bytes,  # has room for the longest text
    out_ends: Integers,  # (n,), written: the end of each record's text, which is empty if the record is left
    numbers: Words,  # written: the bits of the floating-point numbers
    places: Integers,  # written: where in `out` the text of each belongs
    text: Bytes,  # the records, with PADDING bytes behind them
    starts: Integers,  # (n,)
    ends: Integers,  # (n,)
    ops: Integers,
    pieces: Bytes,
    bounds: Integers,
) -> int:
    """Write the texts, one behind the other, without their floating-point numbers. Return how many those are."""
    at = 0
    count = 0
    for row in range(starts.shape[0]):
        i, end = starts[row], ends[row]
        row_start, row_count = at, count
        k = 0
        while 0 <= k < ops.shape[0] and at >= 0:
            kind, first, second = ops[k, 0], ops[k, 1], ops[k, 2]
            k += 1
            if kind == PIECE:
                at = put_piece(out, at, pieces, bounds, first)
            elif kind == JUMP:
                k = first
            elif kind == DOUBLE or kind == FLOAT:
                size = 8 if kind == DOUBLE else 4
                word = load_word(text, i) if i + size <= end else _FINITE
                numbers[count] = word if kind == DOUBLE else to_double(word)
                places[count] = at
                at = at if is_finite(numbers[count]) else LEFT
                count += 1
                i += size
            elif kind == BOOLEAN:
                byte = load_byte(text, i) if i < end else LEFT
                at = put_piece(out, at, pieces, bounds, first + byte) if 0 <= byte <= 1 else LEFT
                i += 1
            else:
                after = varint_end(text, i, end)
                if after < 0:
                    at = LEFT
                    break
                number = varint_magnitude(text, i, after)
                is_negative = load_byte(text, i) & 1
                i = after
                if kind == INTEGER:
                    at = put_integer(out, at, number, is_negative)
                elif is_negative:  # a length, an index, a moment
                    at = LEFT
                elif kind == STRING:
                    at = put_string(out, at, text, i, i + number) if number <= end - i else LEFT
                    i += number
                elif kind == BRANCH:
                    k = k + number if number < first else LEFT
                elif kind == ENUM:
                    at = put_piece(out, at, pieces, bounds, first + number) if number < second else LEFT
                elif kind == DECIMAL:
                    at = put_decimal(out, at, text, i, i + number, first) if number <= min(end - i, 8) else LEFT
                    i += number
                elif kind == DAY:
                    at = put_date(out, at, pieces, bounds, first, number)
                else:
                    at = put_time(out, at, pieces, bounds, second, number, first)
        if at < 0 or k < 0 or i != end:
            at, count = row_start, row_count
        out_ends[row] = at
    return count


def is_finite(word: np.uint64) -> bool:
    return bool(word & _FINITE != _FINITE)


def to_double(word: np.uint64) -> np.uint64:
    """Return the bits of a double for those of a float, in the low half of the word; infinity if it is subnormal."""
    word &= _FLOAT
    rest = word & ~_FLOAT_SIGN
    sign = (word & _FLOAT_SIGN) << _SIGN_SHIFT
    if rest == np.uint64(0):
        return sign
    if rest < _FLOAT_SMALL or rest >= _FLOAT_FINITE:
        return _FINITE
    return sign | ((rest << _DIGITS_SHIFT) + _TO_DOUBLE)


def put_piece(out: Bytes, at: int, pieces: Bytes, bounds: Integers, piece: int) -> int:
    """Write a piece; return the index behind it."""
    start, end = bounds[piece], bounds[piece + 1]
    copy_bytes(out, at, pieces, start, end - start)
    return int(at + end - start)


def varint_end(text: Bytes, i: int, end: int) -> int:
    """Return the index behind the varint at i; LEFT for one that is cut off or has more than 64 bits."""
    for k in range(i, min(i + _LONGEST_VARINT, end)):
        byte = load_byte(text, k)
        if byte < 0x80:
            return k + 1 if k < i + _LONGEST_VARINT - 1 or byte <= 1 else LEFT
    return LEFT


def varint_magnitude(text: Bytes, i: int, end: int) -> int:
    """Return the varint without its lowest bit, which is the sign: m stands for m, or for -m - 1."""
    magnitude = (load_byte(text, i) & 0x7F) >> 1
    shift = 6
    for k in range(i + 1, end):
        magnitude |= (load_byte(text, k) & 0x7F) << shift
        shift += 7
    return magnitude


def put_integer(out: Bytes, at: int, magnitude: int, is_negative: int) -> int:
    """Write an integer; return the index behind it, LEFT for the smallest, which has no positive counterpart."""
    if is_negative:
        if magnitude == _LARGEST:
            return LEFT
        store_byte(out, at, _MINUS)
        at += 1
        magnitude += 1
    return put_digits(out, at, magnitude, count_digits(magnitude))


def put_decimal(out: Bytes, at: int, text: Bytes, i: int, end: int, scale: int) -> int:
    """Write the number of up to 8 bytes text[i:end], highest first, with `scale` digits behind the point.

    Return the index behind it; LEFT for the smallest number of 8 bytes.
    """
    number = -1 if i < end and load_byte(text, i) >= 0x80 else 0
    for k in range(i, end):
        number = number * 256 + load_byte(text, k)
    if number < -_LARGEST:
        return LEFT
    if number < 0:
        store_byte(out, at, _MINUS)
        at += 1
    number = abs(number)
    digits = max(count_digits(number), scale + 1)
    if scale == 0:
        return put_digits(out, at, number, digits)
    unit = 10**scale
    at = put_digits(out, at, number // unit, digits - scale)
    store_byte(out, at, _POINT)
    return put_digits(out, at + 1, number % unit, scale)


def put_string(out: Bytes, at: int, text: Bytes, i: int, end: int) -> int:
    """Write text[i:end] as a JSON string; return the index behind it, LEFT if it is not UTF-8."""
    store_byte(out, at, _QUOTE)
    at += 1
    while i < end:
        after = min(plain_end(text, i, end), end)
        if after == i and load_byte(text, i) < 0x80:
            at = put_escape(out, at, load_byte(text, i))
            i += 1
            continue
        if after == i:
            after = character_end(text, i, end)
            if after < 0:
                return LEFT
        copy_bytes(out, at, text, i, after - i)
        at += after - i
        i = after
    store_byte(out, at, _QUOTE)
    return at + 1


def put_escape(out: Bytes, at: int, byte: int) -> int:
    """Write a quote, a backslash or a control character as \\u00 and two digits; return the index behind it."""
    store_byte(out, at, _BACKSLASH)
    store_byte(out, at + 1, _LETTER_U)
    at = put_digits(out, at + 2, byte >> 4, 3)
    low = byte & 15
    store_byte(out, at, _ZERO + low if low < 10 else _LETTER_A + low - 10)
    return at + 1


def put_date(out: Bytes, at: int, pieces: Bytes, bounds: Integers, piece: int, days: int) -> int:
    """Write a date, whose digits are 0 in the piece; return the index behind it, LEFT after the year 9999."""
    if days > _LAST_DAY:
        return LEFT
    after = put_piece(out, at, pieces, bounds, piece)
    put_day(out, at + 1, days)
    return after


def put_time(out: Bytes, at: int, pieces: Bytes, bounds: Integers, piece: int, time: int, units: int) -> int:
    """Write a date and time, counted in units, of which a millisecond has so many; return the index behind it.

    The piece has ms; the next one, for a time that is no whole ms, has µs or ns. LEFT after the year 9999.
    """
    milliseconds = time // units
    rest = time % units
    if milliseconds // _MS_OF_DAY > _LAST_DAY:
        return LEFT
    after = put_piece(out, at, pieces, bounds, piece + (1 if rest > 0 else 0))
    at = put_moment(out, at + 1, milliseconds)
    if rest > 0:
        put_digits(out, at, rest, 3 if units == 1000 else 6)
    return after


def insert_numbers(out: Bytes, text: Bytes, ends: Integers, places: Integers, numbers: Bytes) -> int:
    """Copy the text that ends at the last of `ends` to `out`, and insert each number at its place.

    `numbers` is a JSON array of them, and `out` has room for both. `ends` become those in `out`. Return the size.
    """
    at = 0
    i = 0
    number = 1  # behind the bracket
    count = 0
    for row in range(ends.shape[0]):
        while count < places.shape[0] and places[count] < ends[row]:
            copy_bytes(out, at, text, i, places[count] - i)
            at += places[count] - i
            i = places[count]
            size = number_size(numbers, number)
            copy_bytes(out, at, numbers, number, size)
            at += size
            number += size + 1
            count += 1
        copy_bytes(out, at, text, i, ends[row] - i)
        at += ends[row] - i
        i = ends[row]
        ends[row] = at
    return at


_TEXT: Final = "Array(uint8, 1, 'C', readonly=True)"
_WRITE: Final = Kernel(
    f"int64(uint8[::1], int64[::1], uint64[::1], int64[::1], {_TEXT}, int64[::1], int64[::1], int64[:, ::1], {_TEXT}, "
    "int64[::1])",
    write_records,
)
_INSERT: Final = Kernel(f"int64(uint8[::1], {_TEXT}, int64[::1], int64[::1], {_TEXT})", insert_numbers)


class AvroKernels(NamedTuple):
    """Functions: compiled, or plain where numba cannot."""

    write_records: Function
    insert_numbers: Function


@functools.cache
def compiled_avro() -> AvroKernels:
    """Compile the kernels, once in a process."""
    return AvroKernels(*compiled_or_plain([_WRITE, _INSERT]))
