"""Cells of session rows as arrays of one type of Arrow: which of them a type holds, and the arrays."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tests.support.oracle.reading import DATE, NUMBERS
from tests.support.session_rows import Cell


def holds(kind: pa.DataType, cell: Cell) -> bool:
    """Return True when a column of this type has exactly this value, or is a gap."""
    if cell.gap is not None:
        return True
    try:
        (value,) = column_of(kind, [cell]).to_pylist()
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return False
    if is_moment(kind):
        return str(value)[:10] == str(cell.value)[:10]
    value = value.decode() if isinstance(value, bytes) else value
    return bool(value is not None and (float(value) if cell.field in NUMBERS else value) == cell.value)


def column_of(kind: pa.DataType, pool: list[Cell], picks: NDArray[np.int64] | None = None) -> pa.Array:
    """Return the picked cells as an array of this type, a gap as null; of floats every other gap as NaN.

    Raises what pyarrow raises for a cell that the type cannot hold.
    """
    if pa.types.is_dictionary(kind):
        return column_of(kind.value_type, pool, picks).dictionary_encode().cast(kind)
    if pa.types.is_run_end_encoded(kind):
        return pc.run_end_encode(column_of(kind.value_type, pool, picks), run_end_type=kind.run_end_type)
    if kind == pa.string_view():  # of which pyarrow takes no rows
        return column_of(pa.string(), pool, picks).cast(kind)
    if picks is None:
        return _array(kind, pool)
    used, indices = np.unique(picks, return_inverse=True)
    return _array(kind, [pool[i] for i in used.tolist()]).take(pa.array(indices))


def _array(kind: pa.DataType, cells: list[Cell]) -> pa.Array:
    values = [None if cell.gap is not None else _native(kind, cell) for cell in cells]
    if is_moment(kind):
        unit = "D" if pa.types.is_date(kind) else kind.unit
        times = pa.array(np.array(["NaT" if value is None else value for value in values], f"datetime64[{unit}]"))
        return times if times.type == kind else pc.assume_timezone(times, kind.tz)
    if pa.types.is_floating(kind):
        with np.errstate(over="ignore"):
            numbers = np.array([np.nan if value is None else value for value in values], kind.to_pandas_dtype())
        return pa.array(numbers, mask=np.array([cell.gap is not None and cell.gap % 2 == 0 for cell in cells]))
    return pa.array(values, kind)


def is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _native(kind: pa.DataType, cell: Cell) -> Any:
    """Return the value as pyarrow takes it for this type. Raises TypeError for another kind of value."""
    is_number = type(cell.value) in (int, float)
    if is_moment(kind):
        if cell.field != DATE or not cell.is_valid or (pa.types.is_date(kind) and len(cell.value) > len("YYYY-MM-DD")):
            raise TypeError
        return as_moment(cell.value)
    if is_number != bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise TypeError
    if pa.types.is_decimal(kind):
        return Decimal(repr(cell.value))
    if pa.types.is_integer(kind) and np.isfinite(cell.value):
        return int(cell.value)
    return cell.value


def as_moment(text: str) -> str:
    """Return a valid date without its offset, as numpy reads it."""
    day, time = text[:10], text[11:].removesuffix("Z").split("+")[0].split("-")[0]
    return f"{day}T{time}" if time else day
