"""Scored rows as CSV or JSON Lines: the columns of the input, then those of the verdict."""

import csv
from pathlib import Path
from typing import Final, Protocol

import msgspec

from files.source import Chunk, Source
from scoring import Verdict

COLUMNS: Final = ("predicted_label", "anomaly_score", "risk_level", "risk_reason", "reason_codes", "imputed_fields")
"""What a verdict adds to a row. A column of such a name in the input gives way to it."""

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode


class Writer(Protocol):
    """An output file of one kind."""

    def write(self, chunk: Chunk, kept: list[int], verdicts: list[Verdict]) -> None:
        """Write the rows of the chunk at `kept`, and what was said of each."""

    def close(self) -> None:
        """Finish the file."""


def open_writer(path: Path, kind: str, source: Source) -> Writer:
    """A new file of that kind at `path`, for rows of `source`. Raises OSError; MissingExtra for Parquet."""
    if kind == "parquet":
        from consumer.files import parquet  # noqa: PLC0415 - pyarrow is an extra

        return parquet.ParquetWriter(path, source.columns(), source.schema)
    return CsvWriter(path, source.columns()) if kind == "csv" else JsonLinesWriter(path)


class JsonLinesWriter:
    """The fields of each row byte for byte, then the verdict's."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, chunk: Chunk, kept: list[int], verdicts: list[Verdict]) -> None:
        """Write the rows of the chunk at `kept`, and what was said of each."""
        lines = [{**_own_fields(chunk, i), **verdict.as_dict()} for i, verdict in zip(kept, verdicts, strict=True)]
        self._file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class CsvWriter:
    """Text as it is, gaps as empty cells, lists joined by ';', whatever else as its JSON."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self._columns = [name for name in columns if name not in COLUMNS]
        self._file = path.open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._csv.writerow([*self._columns, *COLUMNS])

    def write(self, chunk: Chunk, kept: list[int], verdicts: list[Verdict]) -> None:
        """Write the rows of the chunk at `kept`, and what was said of each."""
        for i, verdict in zip(kept, verdicts, strict=True):
            row = _own_fields(chunk, i)
            said = verdict.as_dict().values()
            cells = [";".join(value) if isinstance(value, list) else value for value in said]
            self._csv.writerow([*(_cell(row.get(name)) for name in self._columns), *cells])

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _own_fields(chunk: Chunk, i: int) -> dict[str, msgspec.Raw]:
    fields = _fields(chunk.rows[i][0])
    return {name: value for name, value in fields.items() if name not in COLUMNS}


def _cell(raw: msgspec.Raw | None) -> str:
    text = b"null" if raw is None else bytes(raw)
    if text.startswith(b'"'):
        return _text(text)
    return "" if text == b"null" else text.decode()
