"""Scored rows as Parquet or Arrow (the extra `files`): the columns of the input, then those of the verdict."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

import msgspec
import pyarrow as pa
from pyarrow import parquet

from scoring import Decoded, Scored
from scoring.contract import NUMERIC
from scoring.tables import Rows, Source
from scoring.tables.verdict_columns import VERDICT, verdict_columns

_GROUP_BYTES: Final = 16 * 1024 * 1024
_text: Final = msgspec.json.Decoder(str).decode
_NULL: Final = msgspec.Raw(b"null")


class TableWriter:
    """A file of record batches. Columns without types become numbers for numeric fields, else text."""

    def __init__(self, file: IO[bytes], kind: str, source: Source, columns: Sequence[str]) -> None:
        own = source.schema or pa.schema([(name, _type(source.field_of(name))) for name in columns])
        self._own = [entry for entry in own if entry.name not in VERDICT.names]
        self._schema = pa.schema([*self._own, *VERDICT])
        open_file = parquet.ParquetWriter if kind == "parquet" else pa.ipc.new_file
        with _writing():
            self._file = open_file(file, self._schema)
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0

    def format(self, rows: Rows, decoded: Decoded, scored: Scored) -> pa.RecordBatch:
        """Return the valid rows and their verdicts."""
        return pa.RecordBatch.from_arrays(
            [*self._columns(rows, decoded), *verdict_columns(scored)], schema=self._schema
        )

    def write(self, batch: pa.RecordBatch) -> None:
        """Write formatted rows, many batches at once: each becomes a row group of Parquet."""
        self._waiting.append(batch)
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes >= _GROUP_BYTES:
            self._write_waiting()

    def close(self) -> None:
        """Finish the file."""
        self._write_waiting()
        with _writing():
            self._file.close()

    def _write_waiting(self) -> None:
        batches, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not batches:
            return
        with _writing():
            self._file.write_table(pa.Table.from_batches(batches, self._schema))

    def _columns(self, rows: Rows, decoded: Decoded) -> list[pa.Array]:
        valid = decoded.positions
        table = rows.columns(valid)
        if table is None:
            objects = [msgspec.json.decode(row, type=dict[str, msgspec.Raw]) for row in rows.as_json(valid)]
            return [
                pa.array([_typed(entry, row.get(entry.name, _NULL)) for row in objects], entry.type)
                for entry in self._own
            ]
        return [table.column(entry.name) for entry in self._own]


@contextmanager
def _writing() -> Iterator[None]:
    """Raise OSError for what a format cannot hold, such as a type that Parquet has not."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise OSError(errno.EINVAL, f"{reason}; write another format, such as JSON Lines") from None


def _type(name: str) -> pa.DataType:
    return pa.float64() if name in NUMERIC else pa.string()


def _typed(entry: pa.Field, raw: msgspec.Raw) -> float | str | None:
    text = bytes(raw)
    if text == b"null":
        return None
    if pa.types.is_floating(entry.type):
        return float(text)
    return _text(text) if text.startswith(b'"') else text.decode()
