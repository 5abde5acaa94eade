"""Find the records of a block of CSV. A quoted cell may hold line ends and delimiters; a blank line is no record.

    text         the block, which begins with a record
    starts, ends of the records, without their line ends                (at least a record for every two bytes,)
    found        COUNT of complete records; CONSUMED: where the last
                 one's line end ends; IRREGULAR: 1 when a record has
                 another number of cells, or text behind a quote        (3,)

The rules are those of Python's csv module: a quote elsewhere than at the start of a cell is text.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.kernels.compiler import Kernel
from scoring.kernels.json_text import CARRIAGE_RETURN, LINE_FEED, NO_MATCH, QUOTE
from scoring.kernels.memory import Bytes, load_byte

Ints = NDArray[np.int64]

COUNT: Final = 0
CONSUMED: Final = 1
IRREGULAR: Final = 2


def find_records(text: Bytes, delimiter: int, cells: int, is_last: int, starts: Ints, ends: Ints, found: Ints) -> None:
    """Find the complete records; with `is_last` 1 the end of the text ends one. `cells` is their number, 0 for any."""
    found[COUNT] = found[CONSUMED] = found[IRREGULAR] = 0
    size = int(np.int64(len(text)))
    i = int(np.int64(0))
    while i < size:
        if line_end(text, i, size) > i:
            i = line_end(text, i, size)
            if i == size and is_last == 0 and load_byte(text, size - 1) == CARRIAGE_RETURN:
                return
            found[CONSUMED] = i
            continue
        irregular = found[IRREGULAR]  # of complete records: one that is cut off here has too few cells
        end = record_end(text, i, size, delimiter, cells, found)
        if end < 0:  # in quotes
            if is_last == 0:
                found[IRREGULAR] = irregular
                return
            found[IRREGULAR] = 1
            end = size
        behind = line_end(text, end, size) if end < size else size
        # a line feed may follow a carriage return
        if behind == size and is_last == 0 and (end == size or load_byte(text, size - 1) == CARRIAGE_RETURN):
            found[IRREGULAR] = irregular
            return
        starts[found[COUNT]] = i
        ends[found[COUNT]] = end
        found[COUNT] += 1
        found[CONSUMED] = i = behind


def record_end(text: Bytes, i: int, size: int, delimiter: int, cells: int, found: Ints) -> int:
    """Return the end of the record at i; NO_MATCH when the text ends in quotes."""
    number = 1
    while i < size:
        if load_byte(text, i) == QUOTE:
            i = quoted_end(text, i + 1, size)
            if i < 0:
                return NO_MATCH
            if i < size and not is_cell_end(load_byte(text, i), delimiter):
                found[IRREGULAR] = 1
        while i < size and not is_cell_end(load_byte(text, i), delimiter):
            i += 1
        if i == size or load_byte(text, i) != delimiter:
            break
        number += 1
        i += 1
    if cells > 0 and number != cells:
        found[IRREGULAR] = 1
    return i


def quoted_end(text: Bytes, i: int, size: int) -> int:
    """Return the index behind the closing quote of the cell whose text begins at i; NO_MATCH without one."""
    while i < size:
        if load_byte(text, i) == QUOTE:
            if i + 1 < size and load_byte(text, i + 1) == QUOTE:
                i += 1
            else:
                return i + 1
        i += 1
    return NO_MATCH


def is_cell_end(byte: int, delimiter: int) -> bool:
    return byte == delimiter or byte == LINE_FEED or byte == CARRIAGE_RETURN


def line_end(text: Bytes, i: int, size: int) -> int:
    """Return the index behind the line end at i; i when there is none."""
    if load_byte(text, i) == CARRIAGE_RETURN:
        i += 1
        if i == size:
            return i
    return i + 1 if load_byte(text, i) == LINE_FEED else i


FIND_RECORDS: Final = Kernel(
    "void(Array(uint8, 1, 'C', readonly=True), int64, int64, int64, int64[::1], int64[::1], int64[::1])",
    find_records,
)
