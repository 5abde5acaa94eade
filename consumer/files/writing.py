"""Scored rows as CSV or JSON Lines: the columns of the input, then those of the verdict."""

import csv
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from files.source import Chunk, Source
from scoring import LEVELS, Scored, explain, imputed_fields


class Said(NamedTuple):
    """What verdicts add to rows, as columns."""

    predicted_label: list[int]
    anomaly_score: list[float]
    risk_level: list[str]
    risk_reason: list[str]
    reason_codes: list[list[str]]
    imputed_fields: list[list[str]]

    @classmethod
    def of(cls, scored: Scored) -> "Said":
        """The columns of these verdicts."""
        levels = scored.levels.tolist()
        reasons = list(map(explain, scored.rules.tolist(), levels))
        return cls(
            scored.labels.tolist(),
            scored.scores.tolist(),
            [LEVELS[level] for level in levels],
            [each.phrase for each in reasons],
            [each.codes for each in reasons],
            list(map(imputed_fields, scored.gap_bits.tolist())),
        )


COLUMNS: Final = Said._fields
"""A column of such a name in the input gives way to the verdict's."""

_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
_encoder: Final = msgspec.json.Encoder()
# what a key that is one of COLUMNS must hold: its name, or a letter of it as a number
_MAY_GIVE_WAY: Final = (b"\\u", *(name.encode() for name in COLUMNS))


class Writer(Protocol):
    """An output file of one kind."""

    def write(self, chunk: Chunk, kept: list[int], said: Said) -> None:
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

    def write(self, chunk: Chunk, kept: list[int], said: Said) -> None:
        """Write the rows of the chunk at `kept`, and what was said of each."""
        own = [chunk.rows[i][0] for i in kept]
        joined = b"".join(own)
        if any(name in joined for name in _MAY_GIVE_WAY):
            own = [_encoder.encode(_own_fields(row)) for row in own]
        verdicts = _encoder.encode_lines([dict(zip(COLUMNS, row, strict=True)) for row in zip(*said, strict=True)])
        self._file.write(b"".join(map(_together, own, verdicts.splitlines())))

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

    def write(self, chunk: Chunk, kept: list[int], said: Said) -> None:
        """Write the rows of the chunk at `kept`, and what was said of each."""
        for i, row in zip(kept, zip(*said, strict=True), strict=True):
            own = _own_fields(chunk.rows[i][0])
            cells = [";".join(value) if isinstance(value, list) else value for value in row]
            self._csv.writerow([*(_cell(own.get(name)) for name in self._columns), *cells])

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _own_fields(row: bytes) -> dict[str, msgspec.Raw]:
    return {name: value for name, value in _fields(row).items() if name not in COLUMNS}


def _together(row: bytes, verdict: bytes) -> bytes:
    """One line of two objects, of which the first may be empty."""
    own = row[:-1].rstrip()
    return b"%b%b%b\n" % (own, b"" if own == b"{" else b",", verdict[1:])


def _cell(raw: msgspec.Raw | None) -> str:
    text = b"null" if raw is None else bytes(raw)
    if text.startswith(b'"'):
        return _text(text)
    return "" if text == b"null" else text.decode()
