"""Read the JSON of a batch of events into columns, in one loop over the values in one text.

    text         | value 0 | value 1 | … | value n-1 | PADDING bytes |
    starts, ends where each value stands; others may stand between them (n,)
    numbers      NaN for a gap                                          (9, n)
    codes        GAP for a gap                                          (6, n)
    spans        hour, or NO_HOUR; start and end of user_id's JSON,
                 start and end of session_id's: both 0 for a gap        (5, n)
    fallbacks    READ, or why an event is left to msgspec               (n,)
    odd          HEAD with its LENGTH; then row, field, start, end of
                 values that are converted alone                        (1 + MOST_ODD n, 4)
    strings, slots                                                      string_codes.py
    keys                                                                json_keys.py
    closers      room for brackets that are open                        (MOST_NESTED,)

Events that the loop cannot read for certain are left to msgspec, with a reason and a row of gaps. A category's code
stands for the bytes between the quotes: with escapes a string may have several.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.columns import GAP
from scoring.contract import CATEGORIES, LIMIT, MOST_DIGITS, NUMERIC, least
from scoring.kernels.compiler import Kernel
from scoring.kernels.json_keys import CURRENT, EMPTIED, FIELD, FIELDS, IGNORED, NEXT, read_key
from scoring.kernels.json_text import (
    CLOSE_OBJECT,
    COMMA,
    CROWDED,
    LETTER_E,
    LETTER_N,
    LOWERCASE,
    MINUS,
    NO_MATCH,
    NULL,
    OPEN_OBJECT,
    POINT,
    QUOTE,
    READ,
    REPEATED_KEY,
    UNUSUAL,
    ZERO,
    blank_end,
    byte_at,
    digits_end,
    number_end,
    plain_end,
    string_end,
    value_end,
    word_end,
)
from scoring.kernels.local_time import hour_of
from scoring.kernels.memory import Bytes, load_byte
from scoring.kernels.string_codes import HEAD, LENGTH, code_of, has_backslash
from scoring.local_time import NO_HOUR

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Floats = NDArray[np.float64]

FIRST_CATEGORY: Final = len(NUMERIC)
DATE_FIELD: Final = FIRST_CATEGORY + len(CATEGORIES)
FIRST_IDENTITY: Final = DATE_FIELD + 1
ALL_FIELDS: Final = (1 << len(FIELDS)) - 1
MOST_ODD: Final = len(NUMERIC) + len(FIELDS) - FIRST_IDENTITY
LEAST: Final = np.array(list(map(least, NUMERIC)))
POWERS_OF_TEN: Final = np.array([float(10**power) for power in range(19)])
MOST_EXACT_DIGITS: Final = 18  # an int64 holds them
EXACT: Final = 2**53  # a double holds all integers up to this, and all powers of ten up to 10**22


def read_columns(
    text: Bytes,
    starts: Ints,
    ends: Ints,
    numbers: Floats,
    codes: Codes,
    spans: Ints,
    fallbacks: Bytes,
    odd: Ints,
    strings: Ints,
    slots: Codes,
    keys: Ints,
    closers: Bytes,
) -> None:
    """Read the events of a batch."""
    odd[HEAD, LENGTH] = keys[HEAD, LENGTH] = keys[HEAD, NEXT] = keys[HEAD, EMPTIED] = 0
    for field in range(strings.shape[0]):
        strings[field, HEAD, LENGTH] = 0
    for row in range(ends.shape[0]):
        length = odd[HEAD, LENGTH]
        fallback = read_event(
            text, starts[row], ends[row], row, numbers, codes, spans, odd, strings, slots, keys, closers
        )
        fallbacks[row] = fallback
        if fallback != READ:
            odd[HEAD, LENGTH] = length
            fill_gaps(row, 0, numbers, codes, spans)


def read_event(
    text: Bytes,
    i: int,
    end: int,
    row: int,
    numbers: Floats,
    codes: Codes,
    spans: Ints,
    odd: Ints,
    strings: Ints,
    slots: Codes,
    keys: Ints,
    closers: Bytes,
) -> int:
    """Read one event into its row. Return READ, or why it is left to msgspec."""
    i = blank_end(text, i, end)
    if byte_at(text, i, end) != OPEN_OBJECT:
        return UNUSUAL
    i = blank_end(text, i + 1, end)
    byte = byte_at(text, i, end)
    keys[HEAD, CURRENT] = HEAD
    seen = 0
    present = 0
    while byte != CLOSE_OBJECT:
        i = read_key(text, i, end, keys)
        if i < 0:
            return -i
        field = keys[keys[HEAD, CURRENT], FIELD]
        byte = byte_at(text, i, end)
        if field == IGNORED:
            i = value_end(text, i, end, closers)
        else:
            if seen >> field & 1:
                return REPEATED_KEY
            seen |= 1 << field
            if byte == LETTER_N:
                i = word_end(text, i, end, NULL)
            else:
                present |= 1 << field
                if field < FIRST_CATEGORY:
                    i = read_number(text, i, end, row, field, numbers, odd)
                elif field >= FIRST_IDENTITY:
                    i = read_identity(text, i, end, row, field, spans, odd)
                else:
                    i = read_string(text, i, end, row, field, codes, spans, strings, slots)
        if i < 0:
            return -i
        i = blank_end(text, i, end)
        byte = byte_at(text, i, end)
        if byte == COMMA:
            i = blank_end(text, i + 1, end)
            byte = QUOTE  # of a key, which must follow
        elif byte != CLOSE_OBJECT:
            return UNUSUAL
    if present != ALL_FIELDS:
        fill_gaps(row, present, numbers, codes, spans)
    return READ if blank_end(text, i + 1, end) == end else UNUSUAL


def fill_gaps(row: int, present: int, numbers: Floats, codes: Codes, spans: Ints) -> None:
    """Fill the fields of a row whose bits are not set in `present`."""
    for field in range(FIRST_CATEGORY):
        if not present >> field & 1:
            numbers[field, row] = np.nan
    for field in range(FIRST_CATEGORY, DATE_FIELD):
        if not present >> field & 1:
            codes[field - FIRST_CATEGORY, row] = GAP
    if not present >> DATE_FIELD & 1:
        spans[0, row] = NO_HOUR
    for field in range(FIRST_IDENTITY, IGNORED):
        if not present >> field & 1:
            span = 1 + 2 * (field - FIRST_IDENTITY)
            spans[span, row] = 0
            spans[span + 1, row] = 0


def read_number(text: Bytes, i: int, end: int, row: int, field: int, numbers: Floats, odd: Ints) -> int:
    """Return the end of the number at i, or minus a reason.

    A quotient of two integers that doubles hold exactly is rounded once, so it is the right one. Other numbers, with
    more digits or an exponent, are noted as odd.
    """
    start = i
    negative = byte_at(text, i, end) == MINUS
    if negative:
        i += 1
    first = i
    mantissa = 0
    point = NO_MATCH
    while i < end:
        byte = load_byte(text, i)
        digit = byte - ZERO
        if 0 <= digit <= 9:
            mantissa = 10 * mantissa + digit
        elif byte == POINT and point < 0:
            point = i
        else:
            break
        i += 1
    integer = i - first if point < 0 else point - first
    fraction = 0 if point < 0 else i - point - 1
    exponent = byte_at(text, i, end) | LOWERCASE == LETTER_E
    if exponent or integer + fraction > MOST_EXACT_DIGITS or mantissa > EXACT:
        i = number_end(text, start, end)
        if i >= 0:
            note_odd(odd, row, field, start, i)
        return i
    if integer == 0 or (integer > 1 and load_byte(text, first) == ZERO) or (point >= 0 and fraction == 0):
        return -UNUSUAL
    value = mantissa / POWERS_OF_TEN[fraction]
    if negative and (mantissa > 0 or point >= 0):  # msgspec reads -0 as 0.0, and -0.0 as -0.0
        value = -value
    if value < LEAST[field] or value > LIMIT:
        return -UNUSUAL
    numbers[field, row] = value
    return i


def note_odd(odd: Ints, row: int, field: int, start: int, end: int) -> None:
    entry = odd[HEAD, LENGTH] + 1
    odd[HEAD, LENGTH] = entry
    odd[entry, 0] = row
    odd[entry, 1] = field
    odd[entry, 2] = start
    odd[entry, 3] = end


def read_identity(text: Bytes, i: int, end: int, row: int, field: int, spans: Ints, odd: Ints) -> int:
    """Return the end of the string or integer at i, or minus a reason.

    An identity that an encoder would write differently, with an escape or as -0, is noted as odd.
    """
    start = i
    byte = byte_at(text, i, end)
    if byte == QUOTE:
        plain = plain_end(text, i + 1, end)
        quote = string_end(text, plain, end)
        if quote < 0:
            return -UNUSUAL
        i = quote + 1
        rewritten = has_backslash(text, plain, quote)
    else:
        first = start + 1 if byte == MINUS else start
        i = number_end(text, start, end)
        if i < 0 or i - start > MOST_DIGITS or digits_end(text, first, i) != i:
            return -UNUSUAL
        rewritten = byte == MINUS and load_byte(text, first) == ZERO
    if rewritten:
        note_odd(odd, row, field, start, i)
    span = 1 + 2 * (field - FIRST_IDENTITY)
    spans[span, row] = start
    spans[span + 1, row] = i
    return i


def read_string(
    text: Bytes,
    i: int,
    end: int,
    row: int,
    field: int,
    codes: Codes,
    spans: Ints,
    strings: Ints,
    slots: Codes,
) -> int:
    """Return the end of the category or date at i, or minus a reason."""
    if byte_at(text, i, end) != QUOTE:
        return -UNUSUAL
    start = i + 1
    quote = string_end(text, start, end)
    if quote < 0:
        return -UNUSUAL
    if field == DATE_FIELD:
        hour = hour_of(text, start, quote)
        if hour < 0:
            return -UNUSUAL
        spans[0, row] = hour
    else:
        code = code_of(text, start, quote - start, field - FIRST_CATEGORY, strings, slots)
        if code < 0:
            return -CROWDED
        codes[field - FIRST_CATEGORY, row] = code
    return quote + 1


KERNEL: Final = Kernel(
    "void(uint8[::1], int64[::1], int64[::1], float64[:,::1], int32[:,::1], int64[:,::1], uint8[::1], int64[:,::1], "
    "int64[:,:,::1], int32[:,::1], int64[:,::1], uint8[::1])",
    read_columns,
)
