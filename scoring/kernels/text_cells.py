"""Read the cells of a column of text, which stand one behind the other as Arrow keeps them.

text         the cells, one behind the other
offsets      where each cell begins, and where the last one ends    (n + 1,)
gaps         1 for a cell that is a gap, else 0                     (n,)
numbers      NaN for a gap                                          (9, n)
hours        NO_HOUR for a gap                                      (n,)
wrong        set to 1 for a cell that is neither a gap nor valid    (n,)
odd          as in json_columns.py: numbers that are converted alone, (1 + n, 4)
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.kernels.compiler import Kernel
from scoring.kernels.json_columns import read_number
from scoring.kernels.local_time import hour_of
from scoring.kernels.memory import Bytes
from scoring.kernels.string_codes import HEAD, LENGTH
from scoring.local_time import NO_HOUR

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Offsets = NDArray[np.int32]


def read_numbers(
    text: Bytes, offsets: Offsets, gaps: Bytes, field: int, numbers: Floats, wrong: Bytes, odd: Ints
) -> None:
    """Read cells that are numbers as JSON writes them, into the row of their field."""
    odd[HEAD, LENGTH] = 0
    for row in range(gaps.shape[0]):
        numbers[field, row] = np.nan
        if gaps[row] == 0:
            start = int(np.int64(offsets[row]))
            end = int(np.int64(offsets[row + 1]))
            length = odd[HEAD, LENGTH]
            if read_number(text, start, end, row, field, numbers, odd) != end:
                odd[HEAD, LENGTH] = length
                numbers[field, row] = np.nan
                wrong[row] = 1


def read_hours(text: Bytes, offsets: Offsets, gaps: Bytes, hours: Ints, wrong: Bytes) -> None:
    """Read the hours of cells that are dates of the contract."""
    for row in range(gaps.shape[0]):
        hours[row] = NO_HOUR
        if gaps[row] == 0:
            hour = hour_of(text, int(np.int64(offsets[row])), int(np.int64(offsets[row + 1])))
            if hour < 0:
                wrong[row] = 1
            else:
                hours[row] = hour


_BYTES: Final = "Array(uint8, 1, 'C', readonly=True)"
_CELLS: Final = f"{_BYTES}, Array(int32, 1, 'C', readonly=True), {_BYTES}"
READ_NUMBERS: Final = Kernel(f"void({_CELLS}, int64, float64[:,::1], uint8[::1], int64[:,::1])", read_numbers)
READ_HOURS: Final = Kernel(f"void({_CELLS}, int64[::1], uint8[::1])", read_hours)
