"""Read the keys of events, whose order is mostly the same.

    keys         HEAD; then START, SIZE, FIELD, NEXT of keys: a list in
                 the order in which they follow one another             (MOST_KEYS, 4)

Row HEAD holds the LENGTH of the list, the CURRENT key, how often the list was EMPTIED, and the first. A key reaches
from its quote to its value, so that one comparison finds the colon and the blanks as well.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, DATE, IDENTITIES, NUMERIC
from scoring.kernels.json_text import ESCAPED_KEY, QUOTE, UNUSUAL, blank_end, byte_at, colon_end, string_end
from scoring.kernels.memory import Bytes, load_word
from scoring.kernels.string_codes import HEAD, LENGTH, SIZE, START, has_backslash, same_bytes

Ints = NDArray[np.int64]

FIELDS: Final = (*NUMERIC, *CATEGORIES, DATE, *IDENTITIES)
IGNORED: Final = len(FIELDS)
NAME_WORDS: Final = np.array([np.frombuffer(name.encode().ljust(24, b"\0"), "<u8") for name in FIELDS], np.uint64)
NAME_SIZES: Final = np.array(list(map(len, FIELDS)), np.int64)
SHORTEST_NAME: Final = min(map(len, FIELDS))
LONGEST_NAME: Final = max(map(len, FIELDS))

FIELD: Final = 2
NEXT: Final = 3
CURRENT: Final = 1
EMPTIED: Final = 2
MOST_KEYS: Final = 64
MOST_KEYS_TRIED: Final = 4


def read_key(text: Bytes, i: int, end: int, keys: Ints) -> int:
    """Return the start of the value of the key at i, and make the key the current one; or minus a reason."""
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
    """Return which of the next keys behind `before` is at i, with its colon and its blanks; HEAD for none."""
    key: int = keys[before, NEXT]
    for _ in range(MOST_KEYS_TRIED):
        if key == HEAD or (keys[key, SIZE] <= end - i and same_bytes(text, keys[key, START], i, keys[key, SIZE])):
            return key
        key = keys[key, NEXT]
    return HEAD


def learn_key(keys: Ints, before: int, start: int, size: int, field: int) -> None:
    """Insert a key behind `before`, and make it the current one. A full list is emptied."""
    if keys[HEAD, LENGTH] == keys.shape[0] - 1:
        keys[HEAD, LENGTH] = 0
        keys[HEAD, NEXT] = HEAD
        keys[HEAD, EMPTIED] += 1
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
    """Return the field with this name, or IGNORED."""
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
