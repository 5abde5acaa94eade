"""Scored rows as Parquet (the extra `frames`), a batch of them at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from scoring import MissingExtra, Scored
from scoring.contract import NUMERIC
from scoring.tables import Rows, Source
from scoring.verdicts import WIRE_FIELDS

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError:
    raise MissingExtra("Parquet", "frames") from None

_ARROW_TYPES: Final = {int: pa.int64(), float: pa.float64(), str: pa.string(), list: pa.list_(pa.string())}
VERDICT: Final = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in WIRE_FIELDS.items()])
_NULL: Final = msgspec.Raw(b"null")


class ParquetWriter:
    """Rows and their verdicts. What has no types of its own gets them: numeric fields numbers, all else text."""

    def __init__(self, path: Path, source: Source) -> None:
        own = source.schema or pa.schema([(name, _type(source.field(name))) for name in source.columns()])
        self.form = ParquetForm([entry for entry in own if entry.name not in VERDICT.names])
        self._file = parquet.ParquetWriter(path, self.form.schema)

    def append(self, rows: pa.Table) -> int:
        """Writes what `form` made of some rows, which has no text."""
        self._file.write_table(rows)
        return 0

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class ParquetForm:
    """`own` are the columns of the rows."""

    own: list[pa.Field]

    @property
    def schema(self) -> pa.Schema:
        """Those, and the verdict's."""
        return pa.schema([*self.own, *VERDICT])

    def __call__(self, rows: Rows, kept: Sequence[int], scored: Scored) -> tuple[pa.Table, bytes]:
        """The rows at `kept`, and the verdict on each."""
        columns = scored.fields()
        verdicts = [pa.array(columns[entry.name], entry.type) for entry in VERDICT]
        return pa.Table.from_arrays([*self._columns(rows, kept), *verdicts], schema=self.schema), b""

    def _columns(self, rows: Rows, kept: Sequence[int]) -> list[pa.Array]:
        if rows.table is not None:
            return [rows.table.column(entry.name).take(pa.array(kept, pa.int64())) for entry in self.own]
        own = [msgspec.json.decode(rows.values[i][0], type=dict[str, msgspec.Raw]) for i in kept]
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
