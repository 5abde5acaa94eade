"""Arrow arrays from numpy arrays and back, by their buffers.

pyarrow's own `array` and `to_numpy` import pandas wherever it is installed, which takes half a second.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_NO_BYTES: Final = np.zeros(0, np.uint8)


def nulls(array: pa.Array) -> NDArray[np.uint8]:
    """Return 1 for each null of an array of any type but null, else 0, (n,)."""
    bitmap = array.buffers()[0] if array.null_count else None
    if bitmap is None:
        return np.zeros(len(array), np.uint8)
    end = array.offset + len(array)
    return 1 - np.unpackbits(np.frombuffer(bitmap, np.uint8), count=end, bitorder="little")[array.offset :]


def values(array: pa.Array, dtype: type[np.generic]) -> NDArray[Any]:
    """Return the values of an array of numbers or times, (n,); what stands at nulls is undefined."""
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype)[array.offset : array.offset + len(array)]


def text(array: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the bytes of strings, one behind the other, and their offsets, (n + 1,)."""
    _, offsets, data = array.buffers()
    if offsets is None or not len(array):
        return _NO_BYTES, np.zeros(len(array) + 1, np.int32)
    spans = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    return _NO_BYTES if data is None else np.frombuffer(data, np.uint8), spans


def from_numpy(numbers: NDArray[Any], kind: pa.DataType, is_null: NDArray[np.bool_] | None = None) -> pa.Array:
    """Return an array of this type over the memory of `numbers`, (n,)."""
    bitmap = None if is_null is None else pa.py_buffer(np.packbits(~is_null, bitorder="little"))
    return pa.Array.from_buffers(kind, len(numbers), [bitmap, pa.py_buffer(np.ascontiguousarray(numbers))])


def from_strings(strings: Sequence[str]) -> pa.StringArray:
    """Return an array of strings."""
    encoded = [string.encode() for string in strings]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def from_lists(lists: Sequence[Sequence[str]]) -> pa.ListArray:
    """Return an array of lists of strings."""
    offsets = from_numpy(np.cumsum([0, *map(len, lists)], dtype=np.int32), pa.int32())
    return pa.ListArray.from_arrays(offsets, from_strings([string for part in lists for string in part]))


def take(table: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    """Return these rows of a table, in their order; the table itself for all."""
    if len(rows) == table.num_rows:
        return table
    indices = from_numpy(np.asarray(rows, np.int64), pa.int64())
    return pa.RecordBatch.from_arrays([_take(column, indices) for column in table.columns], schema=table.schema)


def _take(column: pa.Array, indices: pa.Int64Array) -> pa.Array:
    try:
        return column.take(indices)
    except pa.ArrowNotImplementedError:  # views and unions, of which Arrow joins pieces only
        pieces = [column.slice(row, 1) for row in indices.to_pylist()]
        return pa.concat_arrays(pieces) if pieces else column.slice(0, 0)
