"""Load and store bytes and words of flat arrays.

These functions check every index, so that a kernel also runs as plain Python. Compiled, they are single unchecked
instructions (intrinsics.py); a checked build compiles the functions below.

Mind the types: a word is a `np.uint64`, everything else an int64 (an `int` in Python). numba makes a float64 of the sum
of both, so combine a word only with constants that are `np.uint64`. The arithmetic of words wraps around; in plain
Python numpy warns of that unless `np.errstate(over="ignore")` is set.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]


def load_byte(data: Bytes, i: int) -> int:
    """Return byte `i`."""
    if i < 0 or i >= len(data):
        raise IndexError("load outside the buffer")
    return int(np.int64(data[i]))  # numba's int() of a byte alone is unsigned


def load_word(data: Bytes, i: int) -> np.uint64:
    """Return bytes `i` to `i + 7` as one word, the first byte lowest. `i` need not be aligned."""
    if i < 0 or i > len(data) - 8:
        raise IndexError("load outside the buffer")
    word = np.uint64(0)
    for k in range(8):
        word |= np.uint64(data[i + k]) << np.uint64(8 * k)
    return word


def count_trailing_zeros(word: np.uint64) -> int:
    """Return the number of zero bits below the lowest set bit; 64 for 0."""
    bits = int(word)
    return (bits & -bits).bit_length() - 1 if bits else 64


def store_byte(data: Bytes, i: int, value: int) -> None:
    """Set byte `i` to the low eight bits of `value`."""
    if i < 0 or i >= len(data):
        raise IndexError("store outside the buffer")
    data[i] = value & 0xFF


def copy_bytes(target: Bytes, at: int, source: Bytes, start: int, count: int) -> None:
    """Copy `count` bytes of `source` from `start` on to `target` from `at` on. The two must not overlap."""
    if count < 0 or start < 0 or at < 0 or start > len(source) - count or at > len(target) - count:
        raise IndexError("copy outside the buffers")
    target[at : at + count] = source[start : start + count]
