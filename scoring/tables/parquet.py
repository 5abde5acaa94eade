"""Read Parquet in batches of rows (the extra `frames`)."""

from collections.abc import Iterable, Iterator
from datetime import date, time
from decimal import Decimal
from functools import partial
from math import isfinite, isnan
from pathlib import Path
from typing import Any, Final

import msgspec

from scoring.contract import IDENTITIES
from scoring.errors import MissingExtra
from scoring.tables.columns import NO_RENAMES, Renames
from scoring.tables.objects import nested_path
from scoring.tables.source import CHUNK_ROWS, Chunk, FileError, Rows, Source, require_distinct, valid_rows

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError:
    raise MissingExtra("Parquet", "frames") from None

_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)
_NULL: Final = msgspec.Raw(b"null")


def open_source(path: Path, renames: Renames = NO_RENAMES) -> Source:
    """Open a Parquet file. Raises FileError."""
    try:
        schema = parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    names = require_distinct(path, list(schema.names))
    nested = nested_path(_members(schema))
    return Source(partial(_chunks, path, renames), names.copy, schema.remove_metadata(), renames, nested=nested)


def _members(fields: Iterable[pa.Field]) -> dict[str, Any]:
    """Return the names of columns with, for structs, the names inside."""
    return {field.name: _inside(field.type) for field in fields}


def _inside(kind: pa.DataType) -> dict[str, Any] | None:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _inside(kind.value_type)
    return _members(kind.fields) if pa.types.is_struct(kind) else None


def _chunks(path: Path, renames: Renames) -> Iterator[Chunk]:
    try:
        with parquet.ParquetFile(path) as file:
            total, read = file.metadata.num_rows or 1, 0
            for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                read += batch.num_rows
                yield Chunk(partial(_rows, batch, renames), read / total)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> FileError:
    return FileError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}")


def _rows(batch: pa.RecordBatch, renames: Renames) -> Rows:
    columns = [
        [_plain(renames.get(name, name), value) for value in batch.column(name).to_pylist()]
        for name in batch.schema.names
    ]
    names = batch.schema.names
    rows = [_ENCODER.encode(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]
    return Rows(partial(valid_rows, rows), table=batch, renames=renames)


def _plain(field: str, value: Any) -> Any:
    """Return a value for JSON: times by their own wall clock, numbers as numbers."""
    if isinstance(value, float):
        if isnan(value):
            return _NULL
        if not isfinite(value):
            return msgspec.Raw(b"Infinity")  # no JSON, so no event; msgspec would write a gap
        # a column of integers with gaps comes from pandas as floats
        return int(value) if field in IDENTITIES and value.is_integer() else value
    if isinstance(value, date | time):
        return value.isoformat()
    return msgspec.Raw(f"{value:f}") if isinstance(value, Decimal) else value
