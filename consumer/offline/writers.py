"""Scored rows as CSV or JSON Lines: the columns of the input, then those of the verdict."""

import csv
import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring import Scored
from scoring.tables import Rows, Source
from scoring.verdicts import WIRE_FIELDS, unpack_verdict

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
_encoder: Final = msgspec.json.Encoder()
_ENDING: Final = re.compile("_(?:{})".format("|".join(name.rpartition("_")[2] for name in WIRE_FIELDS)).encode())
"""Ends of the output fields' names. An input column with such a name is replaced by the verdict's."""


Format = Callable[[Rows, Sequence[int], Scored], tuple[Any, bytes]]
"""Formats the rows at these indices, and their verdicts: returns what `Writer.append` takes, and the text to write at
the offset that it returns, empty for a format that is no text. It is pickled for other processes."""


class Writer(Protocol):
    """An output file of one kind."""

    @property
    def format(self) -> Format: ...

    def append(self, rows: Any) -> int:
        """Return the offset for the text of the next rows; write those that are no text."""

    def close(self) -> None:
        """Finish the file."""


def open_writer(path: Path, kind: str, source: Source) -> Writer:
    """Create a file of this kind for rows of `source`. Raises OSError, and MissingExtra for Parquet."""
    if kind == "parquet":
        from consumer.offline import parquet_writer  # noqa: PLC0415 - pyarrow is an extra

        return parquet_writer.ParquetWriter(path, source)
    if kind == "jsonl":
        return TextWriter(path, json_lines)
    rows = CsvFormat(source.columns())
    return TextWriter(path, rows, b"%b\n" % _csv([rows.header])[0].encode())


class TextWriter:
    """A file of lines. Each process writes its own: sending text to another takes longer than writing it."""

    def __init__(self, path: Path, rows: Format, header: bytes = b"") -> None:
        self.format = rows
        self._end = path.write_bytes(header)

    def append(self, size: int) -> int:
        """Return the offset for the next `size` bytes."""
        offset, self._end = self._end, self._end + size
        return offset

    def close(self) -> None:
        """Do nothing: nothing is buffered."""


def json_lines(rows: Rows, indices: Sequence[int], scored: Scored) -> tuple[int, bytes]:
    """Format the fields of each row byte for byte, then the verdict's."""
    own = [rows.values[i][0] for i in indices]
    if _may_have_output_fields(b"".join(own)):
        own = list(map(_without_output_fields, own))
    starts = [row[:-1].rstrip() for row in own]
    starts = [row if row == b"{" else row + b"," for row in starts]
    scores = _json_numbers(scored.scores).split(b"\n")
    parts = zip(starts, map(_json_around_score, scored.meanings().tolist()), scores, strict=False)
    text = b"".join([piece for row, (before, after), score in parts for piece in (row, before, score, after)])
    return len(text), text


@functools.lru_cache(maxsize=4096)
def _json_around_score(packed: int) -> tuple[bytes, bytes]:
    """Return the text before and after the score of a verdict."""
    fields = unpack_verdict(packed)._asdict()
    label = fields.pop("predicted_label")
    return b'"predicted_label":%d,"anomaly_score":' % label, b",%b\n" % _encoder.encode(fields)[1:]


def _json_numbers(scores: NDArray[np.float64]) -> bytes:
    return _encoder.encode_lines(scores.tolist())


def _may_have_output_fields(rows: bytes) -> bool:
    """Return True when a key may be one of WIRE_FIELDS: its ending is there, or a letter as an escaped number.

    0.3 µs a row, where searching for the names and two characters takes 1.0.
    """
    return _ENDING.search(rows) is not None or (b"\\" in rows and b"\\u" in rows)


def _without_output_fields(row: bytes) -> bytes:
    """Return the row without fields named like an output field."""
    fields = _fields(row)
    own = {name: value for name, value in fields.items() if name not in WIRE_FIELDS}
    return row if len(own) == len(fields) else _encoder.encode(own)


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """Rows as CSV: text as it is, missing values as empty cells, lists joined by ';', other values as JSON."""

    columns: list[str]  # of the input

    @property
    def header(self) -> list[str]:
        return [*self._names, *WIRE_FIELDS]

    def __call__(self, rows: Rows, indices: Sequence[int], scored: Scored) -> tuple[int, bytes]:
        """Format the rows at these indices and their verdicts."""
        scores = _json_numbers(scored.scores).decode().split("\n")
        parts = zip(self._own(rows, indices), map(_csv_around_score, scored.meanings().tolist()), scores, strict=False)
        text = "".join([f"{own}{before}{score}{after}" for own, (before, after), score in parts]).encode()
        return len(text), text

    def _own(self, rows: Rows, indices: Sequence[int]) -> list[str]:
        """Return the line of each row, without verdict and line end."""
        names, cells = self._names, rows.cells
        if cells is None:
            objects = [_fields(rows.values[i][0]) for i in indices]
            return _csv([_cell(fields.get(name)) for name in names] for fields in objects)
        if cells.lines is not None and names == cells.names:
            return [cells.lines[i] for i in indices]
        columns = [column for name, column in zip(cells.names, cells.columns, strict=True) if name in names]
        records = list(zip(*columns, strict=True))
        return _csv(records[i] for i in indices)

    @property
    def _names(self) -> list[str]:
        return [name for name in self.columns if name not in WIRE_FIELDS]


@functools.lru_cache(maxsize=4096)
def _csv_around_score(packed: int) -> tuple[str, str]:
    """Return the text before and after the score of a verdict. None of it needs quotes."""
    label, *fields = unpack_verdict(packed)
    cells = [";".join(value) if isinstance(value, list) else str(value) for value in fields]
    return f",{label},", f",{','.join(cells)}\n"


def _csv(records: Iterable[Sequence[str]]) -> list[str]:
    """Return a line for each record, without its end. A last empty cell keeps a lone empty one from being quoted."""
    lines: list[str] = []
    # a cell with a character of the line end is quoted
    csv.writer(_LineList(lines), lineterminator="\r\n").writerows([*record, ""] for record in records)
    return [line.removesuffix(",\r\n") for line in lines]


class _LineList:
    """A file for csv.writer, which writes one record at a time."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


def _cell(raw: msgspec.Raw | None) -> str:
    text = b"null" if raw is None else bytes(raw)
    if text.startswith(b'"'):
        return _text(text)
    return "" if text == b"null" else text.decode()
