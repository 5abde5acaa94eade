"""Number the strings of a category by their bytes in the text, in the order in which they first appear.

    strings      HEAD; then START, SIZE, HASH by code                   (6, 1 + n, 3)
    slots        1 + a code, or FREE: open addressing by hash           (6, a power of 2 that is at least 2 n)

Row HEAD holds the LENGTH of the list. At most MOST_SLOTS_TRIED slots are compared: a bound for strings with crafted
hashes.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.kernels.json_text import BACKSLASH
from scoring.kernels.memory import Bytes, load_byte, load_word

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

HEAD: Final = 0
LENGTH: Final = 0
START: Final = 0
SIZE: Final = 1
HASH: Final = 2
FREE: Final = 0
MOST_SLOTS_TRIED: Final = 32
MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)


def code_of(text: Bytes, start: int, size: int, field: int, strings: Ints, slots: Codes) -> int:
    """Return the code of a category's string, a new one if it is new; -1 when the slots near its hash are in use."""
    state = hash_bytes(text, start, size)
    last = slots.shape[1] - 1
    for tried in range(MOST_SLOTS_TRIED):
        slot = (state + tried) & last
        entry = int(np.int64(slots[field, slot]))
        if entry == FREE:
            entry = 1 + int(strings[field, HEAD, LENGTH])
            strings[field, HEAD, LENGTH] = entry
            slots[field, slot] = entry
            strings[field, entry, START] = start
            strings[field, entry, SIZE] = size
            strings[field, entry, HASH] = state
            return entry - 1
        same = strings[field, entry, HASH] == state and strings[field, entry, SIZE] == size
        if same and same_bytes(text, strings[field, entry, START], start, size):
            return entry - 1
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


def has_backslash(text: Bytes, i: int, end: int) -> bool:
    while i < end:
        if load_byte(text, i) == BACKSLASH:
            return True
        i += 1
    return False
