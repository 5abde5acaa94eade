"""Read the JSON of a batch of events into columns, in one loop over the joined values.

    text         | value 0 | value 1 | … | value n-1 | PADDING bytes |
    ends         where each value ends                                  (n,)
    numbers      NaN for a gap                                          (9, n)
    codes        GAP for a gap                                          (6, n)
    places       hour, or NO_HOUR; start and end of user_id's JSON,
                 start and end of session_id's: both 0 for a gap        (5, n)
    reasons      READ, or why an event is left                          (n,)
    odd          HEAD; then ROW, FIELD, START, END of values that are
                 converted alone                                        (1 + MOST_ODD n, 4)
    strings      HEAD; then START, SIZE, HASH of each code              (6, 1 + n, 3)
    slots        1 + a code, or FREE: open addressing by hash           (6, a power of 2 that is at least 2 n)
    keys         HEAD; then START, SIZE, FIELD, NEXT of keys: a list in
                 the order in which they follow each other              (MOST_KEYS, 4)
    closers      room for brackets that are open                        (MOST_NESTED,)

Row HEAD of a list holds its LENGTH; that of `keys` the CURRENT key and the first, too.

What the loop cannot read for certain it leaves, with a reason and a row of gaps. A category's code stands for the
bytes between the quotes: with escapes a string may have several.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.columns import GAP
from scoring.contract import CATEGORIES, DATE, IDENTITIES, LIMIT, MOST_DIGITS, NUMERIC, least
from scoring.kernels import json_text
from scoring.kernels.compiler import Kernel
from scoring.kernels.json_text import (
    BACKSLASH,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    LETTER_E,
    LETTER_N,
    LOWERCASE,
    MINUS,
    NOT_JSON,
    NULL,
    OPEN_OBJECT,
    PLUS,
    POINT,
    QUOTE,
    SPACE,
    TOO_DEEP,
    ZERO,
    blank_end,
    byte_at,
    colon_end,
    digits_end,
    number_end,
    plain_end,
    string_end,
    value_end,
    word_end,
)
from scoring.kernels.memory import Bytes, load_byte, load_word
from scoring.localtime import NO_HOUR

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Floats = NDArray[np.float64]

READ: Final = 0
UNUSUAL: Final = -NOT_JSON
DEEP: Final = -TOO_DEEP
ESCAPED_KEY: Final = 3
REPEATED_KEY: Final = 4
CROWDED: Final = 5
REASONS: Final = ("", "unusual_form", "too_deep", "escaped_key", "repeated_key", "crowded_strings")
"""Why an event is left, by number. CROWDED: the slots near that of a category's string are taken."""

FIELDS: Final = (*NUMERIC, *CATEGORIES, DATE, *IDENTITIES)
FIRST_CATEGORY: Final = len(NUMERIC)
DATE_FIELD: Final = FIRST_CATEGORY + len(CATEGORIES)
FIRST_IDENTITY: Final = DATE_FIELD + 1
IGNORED: Final = len(FIELDS)
ALL_FIELDS: Final = (1 << len(FIELDS)) - 1
MOST_ODD: Final = len(NUMERIC) + len(IDENTITIES)

START: Final = 0  # columns of `keys` and `strings`
SIZE: Final = 1
HASH: Final = 2
FIELD: Final = 2
NEXT: Final = 3
HEAD: Final = 0
LENGTH: Final = 0
CURRENT: Final = 1
FREE: Final = 0

NAME_WORDS: Final = np.array([np.frombuffer(name.encode().ljust(24, b"\0"), "<u8") for name in FIELDS], np.uint64)
NAME_SIZES: Final = np.array(list(map(len, FIELDS)), np.int64)
SHORTEST_NAME: Final = min(map(len, FIELDS))
LONGEST_NAME: Final = max(map(len, FIELDS))
LEAST: Final = np.array(list(map(least, NUMERIC)))
POWERS_OF_TEN: Final = np.array([float(10**power) for power in range(19)])
MOST_EXACT_DIGITS: Final = 18  # an int64 holds them
EXACT: Final = 2**53  # a double holds all integers up to this, and all powers of ten up to 10**22
MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
MOST_KEYS: Final = 64
MOST_KEYS_TRIED: Final = 4
MOST_SLOTS_TRIED: Final = 32
LETTER_T: Final = ord("T")
LETTER_Z: Final = ord("Z")


def read_columns(
    text: Bytes,
    ends: Ints,
    numbers: Floats,
    codes: Codes,
    places: Ints,
    reasons: Bytes,
    odd: Ints,
    strings: Ints,
    slots: Codes,
    keys: Ints,
    closers: Bytes,
) -> None:
    """Read each event of a batch."""
    odd[HEAD, LENGTH] = keys[HEAD, LENGTH] = keys[HEAD, NEXT] = 0
    for field in range(strings.shape[0]):
        strings[field, HEAD, LENGTH] = 0
    start = int(np.int64(0))  # not 0: numba would compile once more for a literal
    for row in range(ends.shape[0]):
        end = ends[row]
        length = odd[HEAD, LENGTH]
        reason = read_event(text, start, end, row, numbers, codes, places, odd, strings, slots, keys, closers)
        reasons[row] = reason
        if reason != READ:
            odd[HEAD, LENGTH] = length
            fill_gaps(row, 0, numbers, codes, places)
        start = end


def read_event(
    text: Bytes,
    i: int,
    end: int,
    row: int,
    numbers: Floats,
    codes: Codes,
    places: Ints,
    odd: Ints,
    strings: Ints,
    slots: Codes,
    keys: Ints,
    closers: Bytes,
) -> int:
    """Read one event into its row. Return READ, or why it is left."""
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
                    i = read_identity(text, i, end, row, field, places, odd)
                else:
                    i = read_string(text, i, end, row, field, codes, places, strings, slots)
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
        fill_gaps(row, present, numbers, codes, places)
    return READ if blank_end(text, i + 1, end) == end else UNUSUAL


def fill_gaps(row: int, present: int, numbers: Floats, codes: Codes, places: Ints) -> None:
    """Fill the fields of a row whose bit is not set in `present`."""
    for field in range(FIRST_CATEGORY):
        if not present >> field & 1:
            numbers[field, row] = np.nan
    for field in range(FIRST_CATEGORY, DATE_FIELD):
        if not present >> field & 1:
            codes[field - FIRST_CATEGORY, row] = GAP
    if not present >> DATE_FIELD & 1:
        places[0, row] = NO_HOUR
    for field in range(FIRST_IDENTITY, IGNORED):
        if not present >> field & 1:
            place = 1 + 2 * (field - FIRST_IDENTITY)
            places[place, row] = 0
            places[place + 1, row] = 0


def read_key(text: Bytes, i: int, end: int, keys: Ints) -> int:
    """Return where the value of the key at i begins, and make the key the current one; or minus a reason."""
    before = keys[HEAD, CURRENT]
    key = expected_key(text, i, end, keys, before)
    if key != HEAD:
        keys[HEAD, CURRENT] = key
        return blank_end(text, i + keys[key, SIZE], end)
    if byte_at(text, i, end) != QUOTE:
        return -UNUSUAL
    quote = string_end(text, i + 1, end)
    if quote < 0:
        return -UNUSUAL
    if has_backslash(text, i + 1, quote):
        return -ESCAPED_KEY
    value = colon_end(text, quote + 1, end)
    if value < 0:
        return -UNUSUAL
    learn_key(keys, before, i, value - i, field_of(text, i + 1, quote - i - 1))
    return value


def expected_key(text: Bytes, i: int, end: int, keys: Ints, before: int) -> int:
    """Return which of the next keys behind `before` stands at i, with its colon and its blanks; HEAD for none."""
    key: int = keys[before, NEXT]
    for _ in range(MOST_KEYS_TRIED):
        if key == HEAD or (keys[key, SIZE] <= end - i and same_bytes(text, keys[key, START], i, keys[key, SIZE])):
            return key
        key = keys[key, NEXT]
    return HEAD


def learn_key(keys: Ints, before: int, start: int, size: int, field: int) -> None:
    """Insert a key behind `before`, and make it the current one. A list that is full begins anew."""
    if keys[HEAD, LENGTH] == keys.shape[0] - 1:
        keys[HEAD, LENGTH] = 0
        keys[HEAD, NEXT] = HEAD
        before = HEAD
    key = keys[HEAD, LENGTH] + 1
    keys[HEAD, LENGTH] = key
    keys[HEAD, CURRENT] = key
    keys[key, START] = start
    keys[key, SIZE] = size
    keys[key, FIELD] = field
    keys[key, NEXT] = keys[before, NEXT]
    keys[before, NEXT] = key


def field_of(text: Bytes, start: int, size: int) -> int:
    """Return the field whose name this is, or IGNORED."""
    if SHORTEST_NAME <= size <= LONGEST_NAME:
        for field in range(IGNORED):
            if NAME_SIZES[field] == size and is_name(text, start, size, field):
                return field
    return IGNORED


def is_name(text: Bytes, i: int, size: int, field: int) -> bool:
    word = 0
    while size > 8:
        if load_word(text, i) != NAME_WORDS[field, word]:
            return False
        word += 1
        i += 8
        size -= 8
    return bool((load_word(text, i) ^ NAME_WORDS[field, word]) << np.uint64(64 - 8 * size) == np.uint64(0))


def has_backslash(text: Bytes, i: int, end: int) -> bool:
    while i < end:
        if load_byte(text, i) == BACKSLASH:
            return True
        i += 1
    return False


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
    point = NOT_JSON
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
    whole = i - first if point < 0 else point - first
    fraction = 0 if point < 0 else i - point - 1
    exponent = byte_at(text, i, end) | LOWERCASE == LETTER_E
    if exponent or whole + fraction > MOST_EXACT_DIGITS or mantissa > EXACT:
        i = number_end(text, start, end)
        if i >= 0:
            note_odd(odd, row, field, start, i)
        return i
    if whole == 0 or (whole > 1 and load_byte(text, first) == ZERO) or (point >= 0 and fraction == 0):
        return -UNUSUAL
    value = mantissa / POWERS_OF_TEN[fraction]
    if negative and (mantissa > 0 or point >= 0):  # of -0 the contract's decoder makes 0.0, of -0.0 it makes -0.0
        value = -value
    if value < LEAST[field] or value > LIMIT:
        return -UNUSUAL
    numbers[field, row] = value
    return i


def note_odd(odd: Ints, row: int, field: int, start: int, end: int) -> None:
    place = odd[HEAD, LENGTH] + 1
    odd[HEAD, LENGTH] = place
    odd[place, 0] = row
    odd[place, 1] = field
    odd[place, 2] = start
    odd[place, 3] = end


def read_identity(text: Bytes, i: int, end: int, row: int, field: int, places: Ints, odd: Ints) -> int:
    """Return the end of the string or integer at i, or minus a reason.

    What an encoder would write in another way, with an escape or as -0, is noted as odd.
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
    place = 1 + 2 * (field - FIRST_IDENTITY)
    places[place, row] = start
    places[place + 1, row] = i
    return i


def read_string(
    text: Bytes,
    i: int,
    end: int,
    row: int,
    field: int,
    codes: Codes,
    places: Ints,
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
        places[0, row] = hour
    else:
        code = code_of(text, start, quote - start, field - FIRST_CATEGORY, strings, slots)
        if code < 0:
            return -CROWDED
        codes[field - FIRST_CATEGORY, row] = code
    return quote + 1


def code_of(text: Bytes, start: int, size: int, field: int, strings: Ints, slots: Codes) -> int:
    """Return the code of a category's string, a new one if it is new; -1 when the slots near its hash are taken."""
    state = hash_bytes(text, start, size)
    last = slots.shape[1] - 1
    for tried in range(MOST_SLOTS_TRIED):
        slot = (state + tried) & last
        place = int(np.int64(slots[field, slot]))
        if place == FREE:
            place = 1 + int(strings[field, HEAD, LENGTH])
            strings[field, HEAD, LENGTH] = place
            slots[field, slot] = place
            strings[field, place, START] = start
            strings[field, place, SIZE] = size
            strings[field, place, HASH] = state
            return place - 1
        same = strings[field, place, HASH] == state and strings[field, place, SIZE] == size
        if same and same_bytes(text, strings[field, place, START], start, size):
            return place - 1
    return -1


def hash_bytes(text: Bytes, i: int, size: int) -> int:
    """Return a hash of 62 bits."""
    state = np.uint64(size) * MULTIPLIER
    while size > 8:
        state = (state ^ load_word(text, i)) * MULTIPLIER
        state ^= state >> np.uint64(32)
        i += 8
        size -= 8
    if size > 0:
        state = (state ^ load_word(text, i) << np.uint64(64 - 8 * size)) * MULTIPLIER
    state = (state ^ state >> np.uint64(32)) * MULTIPLIER
    state ^= state >> np.uint64(32)
    return int(np.int64(state >> np.uint64(2)))


def same_bytes(text: Bytes, a: int, b: int, size: int) -> bool:
    while size > 8:
        if load_word(text, a) != load_word(text, b):
            return False
        a += 8
        b += 8
        size -= 8
    return size == 0 or bool((load_word(text, a) ^ load_word(text, b)) << np.uint64(64 - 8 * size) == np.uint64(0))


def hour_of(text: Bytes, i: int, end: int) -> int:
    """Return the hour of a date of the contract, as written; less than 0 for what is no date."""
    if end - i < 10 or not is_day(text, i):
        return NOT_JSON
    i += 10
    hour = 0
    separator = byte_at(text, i, end)
    if separator == LETTER_T or separator == SPACE:
        if end - i < 6 or load_byte(text, i + 3) != COLON:
            return NOT_JSON
        hour = two_digits(text, i + 1)
        if hour > 23 or not 0 <= two_digits(text, i + 4) <= 59:
            return NOT_JSON
        i += 6
        if byte_at(text, i, end) == COLON:
            i = second_end(text, i, end)
    return hour if i >= 0 and is_offset(text, i, end) else NOT_JSON


def is_day(text: Bytes, i: int) -> bool:
    """Return whether the ten bytes at i are a day of the calendar, YYYY-MM-DD."""
    century = two_digits(text, i)
    year = two_digits(text, i + 2)
    month = two_digits(text, i + 5)
    if load_byte(text, i + 4) != MINUS or load_byte(text, i + 7) != MINUS or century < 0 or year < 0:
        return False
    if century + year == 0 or month < 1 or month > 12:
        return False
    days = 31
    if month == 4 or month == 6 or month == 9 or month == 11:
        days = 30
    if month == 2:
        leap = year % 4 == 0 if year > 0 else century % 4 == 0
        days = 29 if leap else 28
    return 1 <= two_digits(text, i + 8) <= days


def two_digits(text: Bytes, i: int) -> int:
    tens = load_byte(text, i) - ZERO
    ones = load_byte(text, i + 1) - ZERO
    return 10 * tens + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else NOT_JSON


def second_end(text: Bytes, i: int, end: int) -> int:
    """Return the end of :SS, perhaps with one to nine digits behind a point."""
    if end - i < 3 or not 0 <= two_digits(text, i + 1) <= 59:
        return NOT_JSON
    i += 3
    if byte_at(text, i, end) != POINT:
        return i
    start = i + 1
    i = digits_end(text, start, end)
    return i if 1 <= i - start <= 9 else NOT_JSON


def is_offset(text: Bytes, i: int, end: int) -> bool:
    """Return whether nothing else, Z, +HH:MM or +HHMM stands between i and the end."""
    if i == end:
        return True
    sign = load_byte(text, i)
    if sign == LETTER_Z:
        return i + 1 == end
    if sign != PLUS and sign != MINUS:
        return False
    minutes = i + 4 if byte_at(text, i + 3, end) == COLON else i + 3
    return minutes + 2 == end and 0 <= two_digits(text, i + 1) <= 23 and 0 <= two_digits(text, minutes) <= 59


KERNEL: Final = Kernel(
    "void(uint8[::1], int64[::1], float64[:,::1], int32[:,::1], int64[:,::1], uint8[::1], int64[:,::1], "
    "int64[:,:,::1], int32[:,::1], int64[:,::1], uint8[::1])",
    read_columns,
    (
        *json_text.FUNCTIONS,
        read_event,
        fill_gaps,
        read_key,
        expected_key,
        learn_key,
        field_of,
        is_name,
        has_backslash,
        read_number,
        note_odd,
        read_identity,
        read_string,
        code_of,
        hash_bytes,
        same_bytes,
        hour_of,
        is_day,
        two_digits,
        second_end,
        is_offset,
    ),
)
