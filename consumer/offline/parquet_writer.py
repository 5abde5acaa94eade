"""Scored rows as Parquet (the extra `frames`), one batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from scoring import MissingExtra, Scored
from scoring.contract import NUMERIC
from scoring.tables import Rows, Source
from scoring.verdicts import WIRE_FIELDS, output_columns

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError:
    raise MissingExtra("Parquet", "frames") from None

_ARROW_TYPES: Final = {int: pa.int64(), float: pa.float64(), str: pa.string(), list: pa.list_(pa.string())}
VERDICT: Final = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in WIRE_FIELDS.items()])
_NULL: Final = msgspec.Raw(b"null")


class ParquetWriter:
    """Rows and their verdicts. Columns without types become numbers for numeric fields, else text."""

    def __init__(self, path: Path, source: Source) -> None:
        own = source.schema or pa.schema([(name, _type(source.field(name))) for name in source.columns()])
        self.format = ParquetFormat([entry for entry in own if entry.name not in VERDICT.names])
        self._file = parquet.ParquetWriter(path, self.format.schema)

    def append(self, rows: pa.Table) -> int:
        """Write formatted rows. The offset that is returned is not used."""
        self._file.write_table(rows)
        return 0

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class ParquetFormat:
    """Rows as Arrow tables."""

    own: list[pa.Field]  # columns of the input

    @property
    def schema(self) -> pa.Schema:
        """Return the columns of the input, then those of the verdict."""
        return pa.schema([*self.own, *VERDICT])

    def __call__(self, rows: Rows, indices: Sequence[int], scored: Scored) -> tuple[pa.Table, bytes]:
        """Format the rows at these indices and their verdicts."""
        columns = output_columns(scored)
        verdicts = [pa.array(columns[entry.name], entry.type) for entry in VERDICT]
        return pa.Table.from_arrays([*self._columns(rows, indices), *verdicts], schema=self.schema), b""

    def _columns(self, rows: Rows, indices: Sequence[int]) -> list[pa.Array]:
        if rows.table is not None:
            return [rows.table.column(entry.name).take(pa.array(indices, pa.int64())) for entry in self.own]
        own = [msgspec.json.decode(rows.values[i][0], type=dict[str, msgspec.Raw]) for i in indices]
        return [pa.array([_typed(entry, row.get(entry.name, _NULL)) for row in own], entry.type) for entry in self.own]


def _type(name: str) -> pa.DataType:
    return pa.float64() if name in NUMERIC else pa.string()


def _typed(entry: pa.Field, raw: msgspec.Raw) -> float | str | None:
    value = msgspec.json.decode(raw)
    if value is None:
        return None
    if pa.types.is_floating(entry.type):
        return float(value)
    return value if isinstance(value, str) else bytes(raw).decode()
