"""Parquet in and out (the extra `frames`), a batch of rows at a time."""

from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from math import isfinite, isnan
from pathlib import Path
from typing import Any, Final

import msgspec

from consumer.files.reading import CHUNK_ROWS, Chunk, FileError, Row, Source, check_columns
from scoring import MissingExtra, Verdict
from scoring.contract import IDENTITIES, NUMERIC

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError:
    raise MissingExtra("Parquet", "frames") from None

VERDICT: Final = pa.schema(
    [
        ("predicted_label", pa.int64()),
        ("anomaly_score", pa.float64()),
        ("risk_level", pa.string()),
        ("risk_reason", pa.string()),
        ("reason_codes", pa.list_(pa.string())),
        ("imputed_fields", pa.list_(pa.string())),
    ]
)
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)
_NULL: Final = msgspec.Raw(b"null")


def source(path: Path) -> Source:
    """A Parquet file. Raises FileError."""
    try:
        schema = parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    names = check_columns(path, list(schema.names))
    return Source(lambda: _chunks(path), lambda: names, schema.remove_metadata())


def _chunks(path: Path) -> Iterator[Chunk]:
    try:
        with parquet.ParquetFile(path) as file:
            total, read = file.metadata.num_rows or 1, 0
            for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                read += batch.num_rows
                yield Chunk(_rows(batch), read / total, batch)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> FileError:
    return FileError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}")


def _rows(batch: pa.RecordBatch) -> list[Row]:
    columns = [[_plain(name, value) for value in batch.column(name).to_pylist()] for name in batch.schema.names]
    names = batch.schema.names
    return [(_ENCODER.encode(dict(zip(names, values, strict=True))), None) for values in zip(*columns, strict=True)]


def _plain(name: str, value: Any) -> Any:
    """A value as JSON has it: times with their own wall clock, numbers as numbers."""
    if isinstance(value, float):
        if isnan(value):
            return _NULL
        if not isfinite(value):
            return msgspec.Raw(b"Infinity")  # no JSON, so no event; msgspec would make a gap of it
        # a column of integers with gaps comes from pandas as floats
        return int(value) if name in IDENTITIES and value.is_integer() else value
    if isinstance(value, date | time):
        return value.isoformat()
    return msgspec.Raw(f"{value:f}") if isinstance(value, Decimal) else value


class ParquetWriter:
    """Writes rows and their verdicts. What has no types of its own gets them: numeric fields numbers, all else text."""

    def __init__(self, path: Path, columns: list[str], schema: pa.Schema | None) -> None:
        numeric = frozenset(NUMERIC)
        own = schema or pa.schema([(name, pa.float64() if name in numeric else pa.string()) for name in columns])
        self._own = [entry for entry in own if entry.name not in VERDICT.names]
        self._schema = pa.schema([*self._own, *VERDICT])
        self._file = parquet.ParquetWriter(path, self._schema)

    def write(self, chunk: Chunk, kept: list[int], verdicts: list[Verdict]) -> None:
        """Write the rows of the chunk at `kept`, and what was said of each."""
        said = [pa.array([getattr(verdict, entry.name) for verdict in verdicts], entry.type) for entry in VERDICT]
        self._file.write_table(pa.Table.from_arrays([*self._columns(chunk, kept), *said], schema=self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def _columns(self, chunk: Chunk, kept: list[int]) -> list[pa.Array]:
        if chunk.table is not None:
            return [chunk.table.column(entry.name).take(pa.array(kept, pa.int64())) for entry in self._own]
        rows = [msgspec.json.decode(chunk.rows[i][0], type=dict[str, msgspec.Raw]) for i in kept]
        return [
            pa.array([_typed(entry, row.get(entry.name, _NULL)) for row in rows], entry.type) for entry in self._own
        ]


def _typed(entry: pa.Field, raw: msgspec.Raw) -> float | str | None:
    value = msgspec.json.decode(raw)
    if value is None:
        return None
    if pa.types.is_floating(entry.type):
        return float(value)
    return value if isinstance(value, str) else bytes(raw).decode()
