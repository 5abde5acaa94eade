"""Files of sessions, read in chunks. Each row becomes JSON, so that one contract judges rows, lines and messages.

CSV: only the empty cell is a gap; a cell of a numeric field that is written the way JSON writes numbers is that number,
every other cell is text. JSON Lines: each line as it is. Parquet: null, NaN and NaT are gaps.
"""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from files import source
from files.source import Chunk, FileError, Row, Source, check_columns, chunked, kind_to_read, opened
from scoring import InvalidEvent
from scoring.contract import NUMERIC

_NUMERIC: Final = frozenset(NUMERIC)
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NULL: Final = msgspec.Raw(b"null")
_BOM: Final = b"\xef\xbb\xbf"


def open_source(path: Path) -> Source:
    """What the file holds. Raises FileError, now or while it is read; MissingExtra for Parquet without its package."""
    kind = kind_to_read(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    if kind == "parquet":
        from files import parquet  # noqa: PLC0415 - pyarrow is an extra

        return parquet.open_source(path)
    return _csv(path) if kind == "csv" else Source(lambda: _json_lines(path), lambda: _keys(path))


def _json_lines(path: Path) -> Iterator[Chunk]:
    with opened(path) as file:
        yield from chunked(((line, None) for line in _lines(file.bytes, path)), file.done)


def _lines(file: io.BufferedReader | gzip.GzipFile, path: Path) -> Iterator[bytes]:
    """The lines that are not blank. A byte order mark before the first is the editor's, not the event's."""
    first = True
    while line := file.readline(source.CHUNK_BYTES):
        if len(line) == source.CHUNK_BYTES:
            raise FileError(f"{path}: a line of 16 MiB or more: is this JSON Lines, one object a line?")
        if first:
            line, first = line.removeprefix(_BOM), False
        if line := line.strip():
            yield line


def _keys(path: Path) -> list[str]:
    """The keys of all objects in the file, in the order in which they first come."""
    keys: dict[str, None] = {}
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    with opened(path) as file:
        for line in _lines(file.bytes, path):
            try:
                keys.update(dict.fromkeys(decoder.decode(line)))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue  # rejected, with the reason, when it is scored
    return list(keys)


def _csv(path: Path) -> Source:
    with opened(path) as file, _text(file.bytes) as text:
        columns = next(_records(text, path), None)
    if columns is None:
        raise FileError(f"{path}: is empty: expected a line of column names")
    names = check_columns(path, columns)

    def chunks() -> Iterator[Chunk]:
        with opened(path) as file, _text(file.bytes) as text:
            rows = (_csv_row(names, cells) for cells in islice(_records(text, path), 1, None))
            yield from chunked(rows, file.done)

    return Source(chunks, lambda: names)


def _text(file: io.BufferedReader | gzip.GzipFile) -> io.TextIOWrapper:
    # what is no UTF-8 becomes lone surrogates, which condemn their own row and no other
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _records(text: io.TextIOWrapper, path: Path) -> Iterator[list[str]]:
    reader = csv.reader(text, strict=True)
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
