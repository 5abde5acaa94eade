"""Scored rows as CSV or JSON Lines: the columns of the input, then those of the verdict."""

from collections.abc import Sequence
from typing import IO, Any, Final, Protocol

import msgspec

from consumer.offline.line_formats import csv_line, format_csv_cells, format_csv_lines, format_json_lines
from scoring import Decoded, Scored
from scoring.errors import needs_extra
from scoring.tables import PLAIN, JsonRows, Rows, Source, join_rows
from scoring.verdicts import WIRE_FIELDS

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode


class Writer(Protocol):
    """An output file of one kind."""

    def format(self, rows: Rows, decoded: Decoded, scored: Scored) -> Any:
        """Return the valid rows and their verdicts as `write` takes them. Threads call this."""

    def write(self, formatted: Any) -> None: ...

    def close(self) -> None:
        """Finish the file, which stays open."""


def open_writer(file: IO[bytes], kind: str, source: Source, columns: Sequence[str]) -> Writer:
    """Begin a file of this kind for rows of `source` with these columns. Raises OSError, and MissingExtra."""
    if kind == "jsonl":
        return JsonLinesWriter(file)
    if kind == "csv":
        return CsvWriter(file, source, columns)
    with needs_extra("files", "a CSV, Parquet or Arrow file"):
        from consumer.offline.table_writers import TableWriter  # noqa: PLC0415 - pyarrow is an extra
    return TableWriter(file, kind, source, columns)


class JsonLinesWriter:
    """JSON Lines: the fields of each row byte for byte, then the verdict's."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def format(self, rows: Rows, decoded: Decoded, scored: Scored) -> Any:
        """Return the lines of the valid rows."""
        if not isinstance(rows, JsonRows):
            rows = join_rows(rows.as_json(decoded.positions))
            decoded = Decoded(decoded.columns, range(len(rows)), {})
        return format_json_lines(rows, decoded, scored)

    def write(self, lines: Any) -> None:
        """Write formatted rows."""
        self._file.write(lines)

    def close(self) -> None:
        """Do nothing: nothing is buffered here."""


class CsvWriter:
    """CSV: text as it is, missing values as empty cells, lists joined by ';', other values as JSON.

    Records of CSV are copied as they are in the input, with its delimiter and its decimal sign.
    """

    def __init__(self, file: IO[bytes], source: Source, columns: Sequence[str]) -> None:
        self._file = file
        self._own = [name for name in columns if name not in WIRE_FIELDS]
        self._is_copied = source.kind == "csv" and len(self._own) == len(columns)
        self._dialect = source.dialect if self._is_copied else PLAIN
        file.write(csv_line([*self._own, *WIRE_FIELDS], self._dialect.delimiter))

    def format(self, rows: Rows, decoded: Decoded, scored: Scored) -> Any:
        """Return the lines of the valid rows."""
        if self._is_copied and rows.lines is not None:
            return format_csv_lines(rows.lines, decoded.positions, scored, self._dialect)
        objects = map(_fields, rows.as_json(decoded.positions))
        own = ([_cell(fields.get(name)) for name in self._own] for fields in objects)
        return format_csv_cells(own, scored)

    def write(self, lines: Any) -> None:
        """Write formatted rows."""
        self._file.write(lines)

    def close(self) -> None:
        """Do nothing: nothing is buffered here."""


def _cell(raw: msgspec.Raw | None) -> str:
    text = b"null" if raw is None else bytes(raw)
    if text.startswith(b'"'):
        return _text(text)
    return "" if text == b"null" else text.decode()
