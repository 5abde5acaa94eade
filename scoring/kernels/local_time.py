"""Read the hour of a date of the contract, in the text of an event; write dates and times."""

from typing import Final

from scoring.kernels.json_text import COLON, MINUS, NO_MATCH, PLUS, POINT, SPACE, ZERO, byte_at, digits_end, put_digits
from scoring.kernels.memory import Bytes, load_byte

LETTER_T: Final = ord("T")
LETTER_Z: Final = ord("Z")


def hour_of(text: Bytes, i: int, end: int) -> int:
    """Return the hour of a date of the contract, as written; NO_MATCH for what is no date."""
    if end - i < 10 or not is_day(text, i):
        return NO_MATCH
    i += 10
    hour = 0
    separator = byte_at(text, i, end)
    if separator == LETTER_T or separator == SPACE:
        if end - i < 6 or load_byte(text, i + 3) != COLON:
            return NO_MATCH
        hour = two_digits(text, i + 1)
        if hour > 23 or not 0 <= two_digits(text, i + 4) <= 59:
            return NO_MATCH
        i += 6
        if byte_at(text, i, end) == COLON:
            i = second_end(text, i, end)
    return hour if i >= 0 and is_offset(text, i, end) else NO_MATCH


def is_day(text: Bytes, i: int) -> bool:
    """Return True when the ten bytes at i are a day of the calendar, YYYY-MM-DD."""
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
    return 10 * tens + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else NO_MATCH


def second_end(text: Bytes, i: int, end: int) -> int:
    """Return the end of :SS, perhaps with one to nine digits behind a point."""
    if end - i < 3 or not 0 <= two_digits(text, i + 1) <= 59:
        return NO_MATCH
    i += 3
    if byte_at(text, i, end) != POINT:
        return i
    start = i + 1
    i = digits_end(text, start, end)
    return i if 1 <= i - start <= 9 else NO_MATCH


def is_offset(text: Bytes, i: int, end: int) -> bool:
    """Return True when the rest, from i to the end, is empty, Z, +HH:MM or +HHMM."""
    if i == end:
        return True
    sign = load_byte(text, i)
    if sign == LETTER_Z:
        return i + 1 == end
    if sign != PLUS and sign != MINUS:
        return False
    minutes = i + 4 if byte_at(text, i + 3, end) == COLON else i + 3
    return minutes + 2 == end and 0 <= two_digits(text, i + 1) <= 23 and 0 <= two_digits(text, minutes) <= 59


def put_moment(out: Bytes, at: int, milliseconds: int) -> int:
    """Write the digits of YYYY-MM-DDTHH:MM:SS.123, for ms since the epoch in the years 1970 to 9999. Return the index
    behind them."""
    seconds = milliseconds // 1000
    at = put_day(out, at, seconds // 86_400) + 1
    at = put_digits(out, at, seconds // 3600 % 24, 2) + 1
    at = put_digits(out, at, seconds // 60 % 60, 2) + 1
    at = put_digits(out, at, seconds % 60, 2) + 1
    return put_digits(out, at, milliseconds % 1000, 3)


def put_day(out: Bytes, at: int, days: int) -> int:
    """Write the digits of YYYY-MM-DD, for days since the epoch in the years 1970 to 9999. Return the index behind."""
    # days of a year that begins in March, so that a leap year's own is the last (Hinnant, "chrono-compatible
    # low-level date algorithms")
    days += 719_468
    era = days // 146_097
    day = days % 146_097
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    year += era * 400 + month // 10
    month = (month + 2) % 12
    at = put_digits(out, at, year, 4) + 1
    at = put_digits(out, at, month + 1, 2) + 1
    return put_digits(out, at, day + 1, 2)
