"""Decode the columns of an Arrow table into the columns of the contract."""

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scoring.columns import GAP, Columns, encode_categories
from scoring.contract import CATEGORIES, DATE, IDENTITIES, LIMIT, MODEL_FIELDS, NUMERIC, least
from scoring.decoding import Decoded
from scoring.errors import InvalidEvent, TableError
from scoring.kernels.compiler import Function, compiled_or_plain
from scoring.kernels.string_codes import HEAD, LENGTH
from scoring.kernels.text_cells import READ_HOURS, READ_NUMBERS
from scoring.local_time import NO_HOUR, hours_as_written
from scoring.tables import arrow_buffers
from scoring.validation import missing_kind, validated

Column: TypeAlias = "pa.Array | list[Any]"
"""n values of one field: an Arrow array, or Python's values where Arrow has no type for them."""

_FIRST_DAY: Final = int(np.datetime64("0001-01-01").astype(np.int64))
_LAST_DAY: Final = int(np.datetime64("9999-12-31").astype(np.int64))
_RUN_ENDS: Final[Mapping[Any, type[np.generic]]] = {pa.int16(): np.int16, pa.int32(): np.int32, pa.int64(): np.int64}
_OFFSET: Final = re.compile(r"([+-])([0-9]{2}):([0-9]{2})")  # of a zone without a name, which pyarrow 18 does not read
_UTC: Final = (None, "UTC", "Etc/UTC", "Z")  # which need no database of zones
_ODDLY_STORED: Final = (pa.Bool8Type, pa.UuidType)  # booleans in integers, UUIDs in bytes
JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class CellKernels(NamedTuple):
    read_numbers: Function
    read_hours: Function


@functools.cache
def compile_cells() -> CellKernels:
    """Compile the kernels that read text, once in a process: before there are threads."""
    return CellKernels(*compiled_or_plain([READ_NUMBERS, READ_HOURS]))


def decode_table(columns: Mapping[str, Column], rows: int, *, is_text: bool = False) -> Decoded:
    """Decode the rows that are valid events, without identities; collect the faults of the others.

    `columns` have n = `rows` values each, by the fields of the contract; others are ignored. Null and NaN are gaps.
    `is_text` is for columns that are all strings, as those of CSV: an empty string is a gap, and a number is one
    that JSON would take. Raises TableError for a time zone that is unknown here.
    """
    wrong = np.zeros(rows, np.uint8)
    numbers = np.full((len(NUMERIC), rows), np.nan)
    codes = np.full((len(CATEGORIES), rows), GAP, np.int32)
    strings: list[list[str]] = [[] for _ in CATEGORIES]
    hours = np.full(rows, NO_HOUR)
    known = (name for name in (*MODEL_FIELDS, *IDENTITIES) if name in columns)
    plain = {name: columns[name] if is_text else _plain(columns[name]) for name in known}
    for field, name in enumerate(NUMERIC):
        if name in plain:
            _read_numbers(plain[name], field, numbers, wrong, is_text=is_text)
    for field, name in enumerate(CATEGORIES):
        if name in plain:
            codes[field], strings[field] = _read_category(plain[name], name, wrong, is_text=is_text)
    if DATE in plain:
        hours = _read_hours(plain[DATE], wrong, is_text=is_text)
    for name in () if is_text else IDENTITIES:
        if name in plain:
            _check_identities(plain[name], name, wrong)
    identities = np.zeros((len(IDENTITIES), 2, rows), np.int64)
    decoded = Columns(numbers, codes, strings, hours, identities, np.zeros(0, np.uint8))
    if not wrong.any():
        return Decoded(decoded, range(rows), {})
    faults = {row: _find_fault(plain, row, is_text=is_text) for row in np.flatnonzero(wrong).tolist()}
    return Decoded(decoded.take(wrong == 0), np.flatnonzero(wrong == 0).tolist(), faults)


def _plain(column: Column) -> Column:
    """Return a column without dictionary or extension type, its text as strings; a list where bytes are no UTF-8."""
    if isinstance(column, list):
        return column
    if pa.types.is_union(column.type) or isinstance(column.type, _ODDLY_STORED):
        return list(map(_decoded, column.to_pylist()))
    if isinstance(column.type, pa.BaseExtensionType):
        return _plain(_storage(column))
    if pa.types.is_dictionary(column.type):
        return _take(_plain(column.dictionary), column.indices)
    if pa.types.is_run_end_encoded(column.type):
        rows = np.arange(column.offset, column.offset + len(column))
        runs = np.searchsorted(
            arrow_buffers.values(column.run_ends, _RUN_ENDS[column.run_ends.type]), rows, side="right"
        )
        return _take(_plain(column.values), arrow_buffers.from_numpy(runs, pa.int64()))
    return _strings(column) if _is_any_text(column.type) else column


def _storage(column: pa.ExtensionArray) -> Column:
    if column.type.extension_name == "pandas.period":  # its integers are no numbers
        return [scalar if scalar.is_valid else None for scalar in column]
    return column.storage


def _take(values: Column, indices: pa.Array) -> Column:
    """Return the values at `indices`, null for a null. Arrow's own decoders do not read views, as polars has them."""
    if isinstance(values, list):
        return [None if index is None else values[index] for index in indices.to_pylist()]
    try:
        return values.take(indices)
    except pa.ArrowNotImplementedError:  # types that no field takes
        return _take(values.to_pylist(), indices)


def _strings(column: pa.Array) -> Column:
    try:
        column.validate(full=True)
        return column.cast(pa.string())
    except pa.ArrowNotImplementedError:  # views, in old versions
        return pa.array(column.to_pylist(), pa.string())
    except pa.ArrowInvalid:
        return list(map(_decoded, column.cast(pa.binary()).to_pylist()))


def _is_any_text(kind: pa.DataType) -> bool:
    types = pa.types
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    is_bytes = types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    return bool(is_text or is_bytes or types.is_fixed_size_binary(kind))


def _decoded(value: Any) -> Any:
    """Return bytes as text where they are UTF-8; all else unchanged."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _read_numbers(
    column: Column, field: int, numbers: NDArray[np.float64], wrong: NDArray[np.uint8], *, is_text: bool
) -> None:
    name = NUMERIC[field]
    if isinstance(column, list):
        numbers[field] = [np.nan if value is None else value for value in _valid_values(column, name, wrong)]
        return
    kind = column.type
    if pa.types.is_decimal(kind):  # by way of text: Arrow's own conversion may miss the nearest double
        column, is_text = column.cast(pa.string()), True
    if is_text and pa.types.is_string(column.type):
        _read_text_numbers(column, field, numbers, wrong)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers[field] = _as_floats(column)
        numbers[field, arrow_buffers.nulls(column) == 1] = np.nan
        wrong |= (numbers[field] < least(name)) | (numbers[field] > LIMIT)
    else:
        wrong |= 1 - _gaps(column)


def _read_text_numbers(
    column: pa.StringArray, field: int, numbers: NDArray[np.float64], wrong: NDArray[np.uint8]
) -> None:
    text, offsets = arrow_buffers.text(column)
    odd = np.empty((1 + len(column), 4), np.int64)
    compile_cells().read_numbers(text, offsets, _text_gaps(column, offsets), field, numbers, wrong, odd)
    for row, _, start, end in odd[1 : 1 + odd[HEAD, LENGTH]].tolist():
        value = float(text[start:end].tobytes())
        numbers[field, row] = value
        wrong[row] |= not least(NUMERIC[field]) <= value <= LIMIT


def _text_gaps(column: pa.StringArray, offsets: NDArray[np.int32]) -> NDArray[np.uint8]:
    gaps: NDArray[np.uint8] = arrow_buffers.nulls(column) | (offsets[1:] == offsets[:-1])
    return gaps


def _read_category(
    column: Column, name: str, wrong: NDArray[np.uint8], *, is_text: bool
) -> tuple[NDArray[np.int32], list[str]]:
    """Return the codes, (n,), and their strings."""
    if isinstance(column, list):
        codes, (strings,) = encode_categories([_valid_values(column, name, wrong)])
        return codes[0], strings
    if not pa.types.is_string(column.type):
        wrong |= 1 - _gaps(column)
        return np.full(len(column), GAP, np.int32), []
    encoded = column.dictionary_encode()
    strings = encoded.dictionary.to_pylist()
    indices = encoded.indices
    found = np.where(arrow_buffers.nulls(indices), GAP, arrow_buffers.values(indices, np.int32)).astype(np.int32)
    if is_text and "" in strings:
        found[found == strings.index("")] = GAP
    return found, strings


def _read_hours(column: Column, wrong: NDArray[np.uint8], *, is_text: bool) -> NDArray[np.int64]:
    if isinstance(column, list):
        return hours_as_written(_valid_values(column, DATE, wrong))
    hours = np.full(len(column), NO_HOUR)
    kind = column.type
    is_null = _gaps(column)
    if pa.types.is_string(kind):
        text, offsets = arrow_buffers.text(column)
        gaps = _text_gaps(column, offsets) if is_text else is_null
        compile_cells().read_hours(text, offsets, gaps, hours, wrong)
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = _local_times(column)
        days, hours_of_day = np.divmod(times.astype("datetime64[h]").astype(np.int64), 24)
        is_null |= np.isnat(times)
        wrong |= (is_null == 0) & ((days < _FIRST_DAY) | (days > _LAST_DAY))
        hours = np.where(is_null, NO_HOUR, hours_of_day)
    else:
        wrong |= 1 - is_null
    return hours


def _gaps(column: pa.Array) -> NDArray[np.uint8]:
    """Return 1 for each null and NaN, else 0, (n,)."""
    if pa.types.is_null(column.type):
        return np.ones(len(column), np.uint8)
    gaps = arrow_buffers.nulls(column)
    if pa.types.is_floating(column.type):
        gaps = gaps | np.isnan(_as_floats(column))
    return gaps


def _as_floats(column: pa.Array) -> NDArray[np.float64]:
    """Return the numbers of an array, (n,); what stands at nulls is undefined."""
    return arrow_buffers.values(column.cast(pa.float64(), safe=False), np.float64)


def _local_times(column: pa.Array) -> NDArray[np.datetime64]:
    """Return timestamps by the wall clock of their zone, or dates, (n,); what stands at nulls is undefined."""
    kind = column.type
    if pa.types.is_date(kind):
        return arrow_buffers.values(column.cast(pa.date32(), safe=False), np.int32).astype("datetime64[D]")
    offset = _OFFSET.fullmatch("+00:00" if kind.tz in _UTC else kind.tz)
    try:
        local = column if offset else pc.local_timestamp(column)
    except pa.ArrowException:
        raise TableError(f"{DATE}: the time zone {kind.tz!r} is unknown here") from None
    times: NDArray[np.datetime64] = arrow_buffers.values(local, np.int64).view(f"datetime64[{kind.unit}]")
    if offset:
        times = times + np.timedelta64(60 * int(offset[1] + offset[2]) + int(offset[1] + offset[3]), "m")
    return times


def _check_identities(column: Column, name: str, wrong: NDArray[np.uint8]) -> None:
    if isinstance(column, list):
        _valid_values(column, name, wrong)
        return
    kind = column.type
    if pa.types.is_floating(kind):  # pandas turns a column of integers with gaps into floats
        numbers = _as_floats(column)
        wrong |= (_gaps(column) == 0) & (np.isinf(numbers) | (numbers != np.trunc(numbers)))
    elif not (pa.types.is_integer(kind) or pa.types.is_string(kind) or _is_whole(kind)):
        wrong |= 1 - _gaps(column)


def _is_whole(kind: pa.DataType) -> bool:
    """Return True for decimals without places, as which databases export integers of more than 64 bits."""
    return bool(pa.types.is_decimal(kind) and kind.scale <= 0)


def _valid_values(column: list[Any], name: str, wrong: NDArray[np.uint8]) -> list[Any]:
    """Return the values as `validated` does, None for a gap and for a wrong value, whose row is marked."""
    valid = []
    for row, value in enumerate(column):
        try:
            valid.append(_valid_value(name, value))
        except InvalidEvent:
            wrong[row] = 1
            valid.append(None)
    return valid


def _valid_value(name: str, value: Any) -> Any:
    """Return a table's value as the contract takes it; None for a gap. Raises InvalidEvent."""
    if value is None or missing_kind(value) is not None:
        return None
    whole = name in IDENTITIES and isinstance(value, float | np.floating) and float(value).is_integer()
    return validated(name, int(value) if whole else value)


def _find_fault(columns: Mapping[str, Column], row: int, *, is_text: bool) -> InvalidEvent:
    """Return the first fault of a row that has one, in the contract's order."""
    for name, column in columns.items():
        value = _value(column, name, row)
        try:
            _valid_value(name, _typed_cell(name, value) if is_text else value)
        except InvalidEvent as fault:
            return fault
    raise AssertionError(f"row {row} is valid")


def _value(column: Column, name: str, row: int) -> Any:
    """Return one value as `validated` takes it; a scalar of Arrow, which no field takes, where Python has none."""
    if isinstance(column, list):
        return column[row]
    scalar = column[row]
    is_time = pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)
    if name == DATE and is_time and scalar.is_valid:
        return _local_times(column.slice(row, 1))[0]
    try:
        value = scalar.as_py()
        return int(value) if scalar.is_valid and _is_whole(column.type) else value
    except (ValueError, OverflowError):  # a year or a number of nanoseconds that datetime has not
        return scalar


def _typed_cell(name: str, cell: str | None) -> str | float | None:
    """Return the value of a cell of text: a number for a numeric field where it is one, None for a gap."""
    if not cell:
        return None
    return float(cell) if name in NUMERIC and JSON_NUMBER.fullmatch(cell) else cell


def struct_members(fields: Iterable[pa.Field]) -> dict[str, Any]:
    """Return the names of columns with, for structs, the names inside."""
    return {field.name: _inside(field.type) for field in fields}


def _inside(kind: pa.DataType) -> dict[str, Any] | None:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _inside(kind.value_type)
    return struct_members(kind.fields) if pa.types.is_struct(kind) else None
