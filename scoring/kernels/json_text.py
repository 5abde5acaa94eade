"""Find the ends of the parts of a JSON text, and write digits.

The functions take the text, the index of a part's first byte and the end of the event, behind which another event
follows. They return the index behind the part, or NO_MATCH. They load eight bytes together, so up to seven behind the
event (the text is padded), which have no effect.
"""

from typing import Final

import numpy as np

from scoring.kernels.memory import Bytes, count_trailing_zeros, load_byte, load_word, store_byte

NO_MATCH: Final = -1  # the text at this index is no such part
TOO_DEEP: Final = -2
READ: Final = 0
UNUSUAL: Final = -NO_MATCH  # so read_event takes NO_MATCH for -UNUSUAL
ESCAPED_KEY: Final = 3
REPEATED_KEY: Final = 4
CROWDED: Final = 5
FALLBACK_REASONS: Final = ("", "unusual_form", "too_deep", "escaped_key", "repeated_key", "crowded_strings")
"""Why an event is left to msgspec, by number; 2 is -TOO_DEEP. None is an ErrorCode: such an event may be valid."""
MOST_NESTED: Final = 100
PADDING: Final = 8
"""Bytes that a text needs behind its last event."""

TAB: Final = ord("\t")
LINE_FEED: Final = ord("\n")
CARRIAGE_RETURN: Final = ord("\r")
SPACE: Final = ord(" ")
QUOTE: Final = ord('"')
BACKSLASH: Final = ord("\\")
COMMA: Final = ord(",")
COLON: Final = ord(":")
MINUS: Final = ord("-")
PLUS: Final = ord("+")
POINT: Final = ord(".")
ZERO: Final = ord("0")
NINE: Final = ord("9")
LETTER_E: Final = ord("e")
LETTER_F: Final = ord("f")
LETTER_N: Final = ord("n")
LETTER_T: Final = ord("t")
LETTER_U: Final = ord("u")
OPEN_OBJECT: Final = ord("{")
CLOSE_OBJECT: Final = ord("}")
OPEN_ARRAY: Final = ord("[")
TO_CLOSER: Final = 2  # from a bracket's code to that of its closer
LOWERCASE: Final = 0x20
SLASH: Final = ord("/")
LETTER_A: Final = ord("a")
LETTER_B: Final = ord("b")
LETTER_R: Final = ord("r")

ONES: Final = np.uint64(0x0101010101010101)
HIGH_BITS: Final = np.uint64(0x8080808080808080)
QUOTES: Final = np.uint64(0x2222222222222222)
BACKSLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
BLANKS: Final = np.uint64(0x2020202020202020)
NULL: Final = np.uint64(int.from_bytes(b"null", "little"))
TRUE: Final = np.uint64(int.from_bytes(b"true", "little"))
ALSE: Final = np.uint64(int.from_bytes(b"alse", "little"))
FOUR_BYTES: Final = np.uint64(0xFFFFFFFF)


def byte_at(text: Bytes, i: int, end: int) -> int:
    """Return the byte at i; at the end 0, which JSON never has."""
    return load_byte(text, i) if i < end else 0


def blank_end(text: Bytes, i: int, end: int) -> int:
    while i < end:
        byte = load_byte(text, i)
        if byte > SPACE or not (byte == SPACE or byte == LINE_FEED or byte == CARRIAGE_RETURN or byte == TAB):
            break
        i += 1
    return i


def digits_end(text: Bytes, i: int, end: int) -> int:
    while i < end and ZERO <= load_byte(text, i) <= NINE:
        i += 1
    return i


def plain_end(text: Bytes, i: int, end: int) -> int:
    """Return the index of the first quote, backslash, control character or byte beyond ASCII; `end` or more if none."""
    while i < end:
        word = load_word(text, i)
        quotes, backslashes = word ^ QUOTES, word ^ BACKSLASHES
        ends = (quotes - ONES) & ~quotes | (backslashes - ONES) & ~backslashes | (word - BLANKS) & ~word | word
        ends &= HIGH_BITS  # the lowest bit left is right; those above may be wrong, by carrying
        if ends != np.uint64(0):
            return i + (count_trailing_zeros(ends) >> 3)
        i += 8
    return i


def string_end(text: Bytes, i: int, end: int) -> int:
    """Return the index of the quote that closes the string whose first byte is at i. Checks its UTF-8."""
    while True:
        i = plain_end(text, i, end)
        if i >= end:
            return NO_MATCH
        byte = load_byte(text, i)
        if byte == QUOTE:
            return i
        if byte == BACKSLASH:
            i = escape_end(text, i, end)
        elif byte >= 0x80:
            i = character_end(text, i, end)
        else:
            return NO_MATCH
        if i < 0:
            return NO_MATCH


def escape_end(text: Bytes, i: int, end: int) -> int:
    """Return the index behind the escape at i. Half of a surrogate pair is no escape."""
    letter = byte_at(text, i + 1, end)
    if letter != LETTER_U:
        return i + 2 if is_simple_escape(letter) else NO_MATCH
    unit = hexadecimal(text, i + 2, end)
    if unit < 0:
        return NO_MATCH
    if unit < 0xD800 or unit > 0xDFFF:
        return i + 6
    if unit > 0xDBFF or byte_at(text, i + 6, end) != BACKSLASH or byte_at(text, i + 7, end) != LETTER_U:
        return NO_MATCH
    unit = hexadecimal(text, i + 8, end)
    return i + 12 if 0xDC00 <= unit <= 0xDFFF else NO_MATCH


def is_simple_escape(letter: int) -> bool:
    if letter == QUOTE or letter == BACKSLASH or letter == SLASH:
        return True
    return letter == LETTER_B or letter == LETTER_F or letter == LETTER_N or letter == LETTER_R or letter == LETTER_T


def hexadecimal(text: Bytes, i: int, end: int) -> int:
    """Return the value of four hexadecimal digits."""
    number = 0
    for k in range(4):
        byte = byte_at(text, i + k, end)
        lower = byte | LOWERCASE
        if ZERO <= byte <= NINE:
            number = number << 4 | (byte - ZERO)
        elif LETTER_A <= lower <= LETTER_F:
            number = number << 4 | (lower - LETTER_A + 10)
        else:
            return NO_MATCH
    return number


def character_end(text: Bytes, i: int, end: int) -> int:
    """Return the index behind a character beyond ASCII: no overlong form, no surrogate, none above U+10FFFF."""
    first = load_byte(text, i)
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first < 0xC2 or first > 0xF4 or i + size > end:
        return NO_MATCH
    code = first & (0x7F >> size)
    for k in range(1, size):
        byte = load_byte(text, i + k)
        if byte & 0xC0 != 0x80:
            return NO_MATCH
        code = code << 6 | (byte & 0x3F)
    least = 0x80 if size == 2 else 0x800 if size == 3 else 0x10000
    return NO_MATCH if code < least or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else i + size


def number_end(text: Bytes, i: int, end: int) -> int:
    if byte_at(text, i, end) == MINUS:
        i += 1
    start = i
    i = digits_end(text, start, end)
    if i == start or (i > start + 1 and load_byte(text, start) == ZERO):
        return NO_MATCH
    if byte_at(text, i, end) == POINT:
        start = i + 1
        i = digits_end(text, start, end)
        if i == start:
            return NO_MATCH
    if byte_at(text, i, end) | LOWERCASE == LETTER_E:
        sign = byte_at(text, i + 1, end)
        start = i + 2 if sign == MINUS or sign == PLUS else i + 1
        i = digits_end(text, start, end)
        if i == start:
            return NO_MATCH
    return i


def word_end(text: Bytes, i: int, end: int, word: np.uint64) -> int:
    """Return the index behind a word of four letters."""
    return i + 4 if i + 4 <= end and load_word(text, i) & FOUR_BYTES == word else NO_MATCH


def scalar_end(text: Bytes, i: int, end: int) -> int:
    byte = byte_at(text, i, end)
    if byte == QUOTE:
        quote = string_end(text, i + 1, end)
        return quote if quote < 0 else quote + 1
    if byte == LETTER_N:
        return word_end(text, i, end, NULL)
    if byte == LETTER_T:
        return word_end(text, i, end, TRUE)
    if byte == LETTER_F:
        return word_end(text, i + 1, end, ALSE)
    return number_end(text, i, end)


def colon_end(text: Bytes, i: int, end: int) -> int:
    """Return the index of the value behind a key's closing quote and the colon."""
    i = blank_end(text, i, end)
    return blank_end(text, i + 1, end) if byte_at(text, i, end) == COLON else NO_MATCH


def key_end(text: Bytes, i: int, end: int) -> int:
    """Return the index of a member's value; blanks may stand before the key."""
    i = blank_end(text, i, end)
    if byte_at(text, i, end) != QUOTE:
        return NO_MATCH
    i = string_end(text, i + 1, end)
    return i if i < 0 else colon_end(text, i + 1, end)


def value_end(text: Bytes, i: int, end: int, closers: Bytes) -> int:
    """Return the end of a value of any kind; TOO_DEEP when more brackets are open than `closers` has room for."""
    depth = 0
    while True:
        byte = byte_at(text, i, end)
        if byte == OPEN_OBJECT or byte == OPEN_ARRAY:
            closer = byte + TO_CLOSER
            i = blank_end(text, i + 1, end)
            if byte_at(text, i, end) != closer:
                if depth == closers.shape[0]:
                    return TOO_DEEP
                store_byte(closers, depth, closer)
                depth += 1
                if closer == CLOSE_OBJECT:
                    i = key_end(text, i, end)
                    if i < 0:
                        return NO_MATCH
                continue
            i += 1
        else:
            i = scalar_end(text, i, end)
            if i < 0:
                return NO_MATCH
        while depth > 0:  # behind a value: close what ends here
            i = blank_end(text, i, end)
            if byte_at(text, i, end) != load_byte(closers, depth - 1):
                break
            depth -= 1
            i += 1
        if depth == 0:
            return i
        if byte_at(text, i, end) != COMMA:
            return NO_MATCH
        i = blank_end(text, i + 1, end)
        if load_byte(closers, depth - 1) == CLOSE_OBJECT:
            i = key_end(text, i, end)
            if i < 0:
                return NO_MATCH


def count_digits(number: int) -> int:
    """Return how many digits a number from 0 on has."""
    digits = 1
    while number >= 10:
        number //= 10
        digits += 1
    return digits


def put_digits(out: Bytes, at: int, number: int, digits: int) -> int:
    """Write the last `digits` digits of a number; return the index after them."""
    for i in range(at + digits - 1, at - 1, -1):
        store_byte(out, i, ZERO + number % 10)
        number //= 10
    return at + digits
