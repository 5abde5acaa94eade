"""Parquet and Arrow files: batches of rows. Null, NaN and NaT are gaps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from functools import cached_property, partial
from math import isfinite, isnan
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
from pyarrow import parquet

from scoring.contract import IDENTITIES, NUMERIC
from scoring.decoding import Decoded
from scoring.errors import TableError
from scoring.tables import arrow_buffers
from scoring.tables.arrow import compile_cells, decode_table, struct_members
from scoring.tables.columns import Renames, rename_keys
from scoring.tables.objects import nested_path
from scoring.tables.source import CHUNK_ROWS, Chunk, FileError, Row, Source, require_distinct

_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)
_NULL: Final = msgspec.Raw(b"null")
_NAMES: Final = {"parquet": "Parquet", "arrow": "Arrow"}


def open_arrow(path: Path, kind: str, renames: Renames) -> Source:
    """Open a file of this kind, parquet or arrow. Raises FileError, now or while it is read."""
    compile_cells()
    with _reading(path, kind):
        schema = parquet.read_schema(path) if kind == "parquet" else _arrow_schema(path)
    names = require_distinct(path, list(schema.names))
    nested = nested_path(struct_members(schema))
    chunks = _parquet_chunks if kind == "parquet" else _arrow_chunks
    return Source(
        kind, partial(chunks, path, renames), names.copy, schema.remove_metadata(), renames=renames, nested=nested
    )


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise FileError(f"{path}: cannot be read as {_NAMES[kind]}: {str(error).splitlines()[0]}") from None


def _parquet_chunks(path: Path, renames: Renames) -> Iterator[Chunk]:
    with _reading(path, "parquet"), parquet.ParquetFile(path) as file:
        total, read = file.metadata.num_rows or 1, 0
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            read += batch.num_rows
            yield Chunk(partial(ArrowRows, path, batch, renames), read / total)


def _arrow_schema(path: Path) -> pa.Schema:
    with pa.memory_map(str(path)) as file:
        return _open_arrow(file).schema


def _open_arrow(file: pa.NativeFile) -> "pa.RecordBatchFileReader | pa.RecordBatchStreamReader":
    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    return pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)


def _arrow_chunks(path: Path, renames: Renames) -> Iterator[Chunk]:
    with _reading(path, "arrow"), pa.memory_map(str(path)) as file:
        reader = _open_arrow(file)
        is_file = isinstance(reader, pa.RecordBatchFileReader)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches)) if is_file else iter(reader)
        for number, batch in enumerate(batches, 1):
            done = number / reader.num_record_batches if is_file else file.tell() / (file.size() or 1)
            for start in range(0, batch.num_rows, CHUNK_ROWS):
                yield Chunk(partial(ArrowRows, path, batch.slice(start, CHUNK_ROWS), renames), done)


@dataclass(frozen=True)
class ArrowRows:
    """Rows of an Arrow table."""

    path: Path
    table: pa.RecordBatch
    renames: Renames
    lines: None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def decode(self) -> Decoded:
        """Decode the rows that are valid events; collect the faults of the others. Raises FileError."""
        names = [self.renames.get(name, name) for name in self.table.schema.names]
        try:
            return decode_table(dict(zip(names, self.table.columns, strict=True)), len(self))
        except (TableError, pa.ArrowException) as error:  # a zone that is unknown; what a damaged file may hold
            raise FileError(f"{self.path}: {str(error).splitlines()[0]}") from None

    def columns(self, rows: Sequence[int]) -> pa.RecordBatch:
        """Return the columns of these rows as they are."""
        return arrow_buffers.take(self.table, rows)

    def as_json(self, rows: Sequence[int]) -> list[bytes]:
        """Return these rows as JSON objects."""
        table = arrow_buffers.take(self.table, rows)
        names = table.schema.names
        columns = [
            [_plain(self.renames.get(name, name), value) for value in _values(column)]
            for name, column in zip(names, table.columns, strict=True)
        ]
        return [_ENCODER.encode(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]

    @cached_property
    def events(self) -> list[Row]:
        """All rows as JSON with the contract's names."""
        rows = self.as_json(range(len(self)))
        return [(rename_keys(row, self.renames) if self.renames else row, None) for row in rows]


def _values(column: pa.Array) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):  # text that is no UTF-8, times that Python does not have
        return [_value(value) for value in column]


def _value(scalar: pa.Scalar) -> Any:
    """Return a value that Python has; else its number, for times, its bytes, for text, or the name of its type."""
    for read in (scalar.as_py, partial(_as_number, scalar), partial(_as_bytes, scalar)):
        try:
            return read()
        except (ValueError, OverflowError, pa.ArrowException):
            continue
    return str(scalar.type)


def _as_number(scalar: pa.Scalar) -> Any:
    return scalar.cast(pa.int32() if pa.types.is_date32(scalar.type) else pa.int64()).as_py()


def _as_bytes(scalar: pa.Scalar) -> Any:
    return scalar.cast(pa.binary()).as_py()


def _plain(field: str, value: Any) -> Any:
    """Return a value for JSON: times by their own wall clock, numbers as numbers, bytes as text.

    JSON has no infinity. As the value of a number that the model reads it becomes a text, which is no number either;
    elsewhere it is null, as in structs.
    """
    if isinstance(value, float):
        if isnan(value):
            return _NULL
        if not isfinite(value):
            return str(value) if field in NUMERIC else _NULL
        # a column of integers with gaps comes from pandas as floats
        return int(value) if field in IDENTITIES and value.is_integer() else value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return _text(value)
    return msgspec.Raw(f"{value:f}") if isinstance(value, Decimal) else value


def _text(value: bytes) -> str | bytes:
    """Return bytes as text where they are UTF-8; msgspec writes others in base64."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
