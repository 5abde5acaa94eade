"""Files of sessions, read in chunks. Each row becomes JSON, so that one contract judges rows, lines and messages.

CSV: only the empty cell is a gap; a cell of a numeric field that is written the way JSON writes numbers is that number,
every other cell is text. JSON Lines: each line as it is. Parquet: null, NaN and NaT are gaps.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from scoring import InvalidEvent
from scoring.contract import IDENTITIES, MODEL_FIELDS, NUMERIC

if TYPE_CHECKING:
    import pyarrow as pa  # an extra

CHUNK_ROWS: Final = 5_000
CHUNK_BYTES: Final = 16 * 1024 * 1024
_NUMERIC: Final = frozenset(NUMERIC)
_KNOWN: Final = frozenset((*MODEL_FIELDS, *IDENTITIES))
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NULL: Final = msgspec.Raw(b"null")
_BOM: Final = b"\xef\xbb\xbf"

Row = tuple[bytes, InvalidEvent | None]
"""A row as JSON, and what is wrong when it is no row at all."""


class FileError(ValueError):
    """A file that cannot be scored, or not be written. The message is one line: which, where in it, what to do."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, in order."""

    rows: list[Row]
    done: float  # how much of the file is read by now, 0 to 1
    table: "pa.RecordBatch | None" = None  # the same rows with their types, where they have any


class Source(NamedTuple):
    """A file that can be read: its chunks, the names of its columns, and their types where it has any."""

    chunks: Callable[[], Iterator[Chunk]]
    columns: Callable[[], list[str]]
    schema: "pa.Schema | None" = None


def kind_of(path: Path) -> str:
    """csv, jsonl or parquet, by the ending of the name. Raises FileError."""
    kinds = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise FileError(f"{path}: expected a name that ends in .csv, .jsonl, .ndjson or .parquet")
    return kind


def open_source(path: Path) -> Source:
    """What the file holds. Raises FileError, now or while it is read; MissingExtra for Parquet without its package."""
    kind = kind_of(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    if kind == "parquet":
        from consumer.files import parquet  # noqa: PLC0415 - pyarrow is an extra

        return parquet.source(path)
    return _csv(path) if kind == "csv" else Source(lambda: _json_lines(path), lambda: _keys(path))


def check_columns(path: Path, columns: list[str]) -> list[str]:
    """The names of the columns. Raises FileError for a name twice, or none that is a session's."""
    twice = next((name for i, name in enumerate(columns) if name in columns[:i]), None)
    if twice is not None:
        raise FileError(f"{path}: the column {twice!r} is there more than once")
    if not _KNOWN.intersection(columns):
        raise FileError(f"{path}: no column is a field of a session event, such as {MODEL_FIELDS[0]}")
    return columns


def _chunked(rows: Iterable[Row], done: Callable[[], float]) -> Iterator[Chunk]:
    held: list[Row] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row[0])
        if len(held) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield Chunk(held, done())
            held, size = [], 0
    if held:
        yield Chunk(held, done())


def _json_lines(path: Path) -> Iterator[Chunk]:
    with path.open("rb") as file:
        size = path.stat().st_size or 1
        yield from _chunked(((line, None) for line in _lines(file, path)), lambda: file.tell() / size)


def _lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """The lines that are not blank. A byte order mark before the first is the editor's, not the event's."""
    while line := file.readline(CHUNK_BYTES):
        if len(line) == CHUNK_BYTES:
            raise FileError(f"{path}: a line of 16 MiB or more: is this JSON Lines, one object a line?")
        if file.tell() == len(line):
            line = line.removeprefix(_BOM)
        if line := line.strip():
            yield line


def _keys(path: Path) -> list[str]:
    """The keys of all objects in the file, in the order in which they first come."""
    keys: dict[str, None] = {}
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    with path.open("rb") as file:
        for line in _lines(file, path):
            try:
                keys.update(dict.fromkeys(decoder.decode(line)))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue  # rejected, with the reason, when it is scored
    return list(keys)


def _csv(path: Path) -> Source:
    with _text(path) as file:
        columns = next(_records(file, path), None)
    if columns is None:
        raise FileError(f"{path}: is empty: expected a line of column names")
    names = check_columns(path, columns)

    def chunks() -> Iterator[Chunk]:
        with _text(path) as file:
            size = path.stat().st_size or 1
            rows = (_csv_row(names, cells) for cells in islice(_records(file, path), 1, None))
            yield from _chunked(rows, lambda: file.buffer.tell() / size)  # type: ignore[attr-defined]

    return Source(chunks, lambda: names)


def _text(path: Path) -> IO[str]:
    # what is no UTF-8 becomes lone surrogates, which condemn their own row and no other
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _records(file: IO[str], path: Path) -> Iterator[list[str]]:
    reader = csv.reader(file, strict=True)
    try:
        yield from (record for record in reader if record)
    except csv.Error as error:
        raise FileError(f"{path}: line {reader.line_num} is no CSV: {error}") from None


def _csv_row(columns: list[str], cells: list[str]) -> Row:
    fault = None
    if len(cells) != len(columns):
        fault = InvalidEvent("not_an_object", None, f"expected {len(columns)} cells, got {len(cells)}")
    else:
        try:
            return msgspec.json.encode(dict(zip(columns, map(_cell, columns, cells), strict=True))), None
        except UnicodeEncodeError:
            fault = InvalidEvent("not_json", None, "not UTF-8")
    return msgspec.json.encode([cell.encode(errors="replace").decode() for cell in cells]), fault


def _cell(column: str, text: str) -> Any:
    if not text:
        return _NULL
    return msgspec.Raw(text) if column in _NUMERIC and _NUMBER.fullmatch(text) else text
