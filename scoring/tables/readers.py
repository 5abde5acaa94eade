"""Files of sessions, read in chunks. Each row becomes JSON, so that one contract judges rows, lines and messages.

CSV: only the empty cell is a gap; a cell of a numeric field that is written the way JSON writes numbers is that number,
every other cell is text. JSON Lines: each line as it is. Parquet: null, NaN and NaT are gaps.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from scoring.errors import InvalidEvent
from scoring.tables import source
from scoring.tables.columns import LEAST_FIELDS, NO_RENAMES, Renames, known_fields
from scoring.tables.csv_cells import Cells, split_lines
from scoring.tables.file_format import check_contents, checked_kind
from scoring.tables.header import HEADER_LINES, header_fault
from scoring.tables.source import Chunk, FileError, Row, Rows, Source, open_bytes, require_distinct, valid_rows
from scoring.validation import has_utf8

_row_as_dict: Final = msgspec.json.Decoder(dict[str, object]).decode
_BOM: Final = b"\xef\xbb\xbf"
_LONGEST_HEADER: Final = 10_000  # characters of a line that are searched for column names


def open_source(path: Path, renames: Renames = NO_RENAMES) -> Source:
    """Open a file as a source whose rows decode with renamed columns.

    Raises FileError, now or while it is read; MissingExtra for Parquet without its package.
    """
    kind = checked_kind(path)
    if kind == "parquet":
        from scoring.tables import parquet  # noqa: PLC0415 - pyarrow is an extra

        check_contents(path, kind)
        return parquet.open_source(path, renames)
    check_contents(path, kind)
    if kind == "csv":
        return _csv(path, renames)
    return Source(partial(_json_lines, path, renames), partial(_keys, path), renames=renames, is_table=False)


def first_row(path: Path) -> dict[str, object]:
    """Return the first row that is an object; an empty dict where the first chunk has none. Raises FileError."""
    for row, fault in next((chunk.read().values for chunk in open_source(path).chunks()), []):
        try:
            if fault is None:
                return _row_as_dict(row)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return {}


def _json_lines(path: Path, renames: Renames) -> Iterator[Chunk]:
    with open_bytes(path) as file:
        for block in _blocks(file.bytes, path):
            yield Chunk(partial(_rows_of_lines, block, renames), file.done())


def _rows_of_lines(block: bytes, renames: Renames) -> Rows:
    return Rows(partial(_json_rows, block), renames=renames)


def _json_rows(block: bytes) -> list[Row]:
    return valid_rows(_lines(block))


def _lines(block: bytes) -> list[bytes]:
    """Return the lines that are not blank."""
    return [line for line in map(bytes.strip, block.split(b"\n")) if line]


def _blocks(file: io.BufferedReader | gzip.GzipFile, path: Path) -> Iterator[bytes]:
    """Yield the file in pieces of complete lines, without a byte order mark, which editors write."""
    bom = _BOM
    while block := file.read(source.BLOCK_BYTES):
        rest = b"" if block.endswith(b"\n") else file.readline(source.LINE_BYTES)
        if len(rest) == source.LINE_BYTES:
            raise FileError(f"{path}: a line of 16 MiB or more: is this JSON Lines, one object a line?")
        yield (block + rest).removeprefix(bom)
        bom = b""


def _keys(path: Path) -> list[str]:
    """Return the keys of all objects in the file, in the order of their first appearance."""
    keys: dict[str, None] = {}
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    with open_bytes(path) as file:
        for line in chain.from_iterable(map(_lines, _blocks(file.bytes, path))):
            try:
                keys.update(dict.fromkeys(decoder.decode(line)))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue  # rejected, with the reason, when it is scored
    return list(keys)


class _Names(NamedTuple):
    """The names of the columns of a CSV file, and their fields where some are renamed."""

    names: list[str]
    fields: list[str] | None
    renames: Renames


def _csv(path: Path, renames: Renames) -> Source:
    columns = _column_names(path)
    if not has_utf8("".join(columns)):
        raise FileError(f"{path}: the name of a column is not UTF-8: save the file as UTF-8")
    fields = [renames.get(name, name) for name in columns]
    fault = _header_fault(path, fields)
    if fault is not None and len(set(columns)) < len(columns):  # values, most likely
        raise FileError(f"{path}: {fault}")
    names = _Names(require_distinct(path, columns), fields if renames else None, renames)

    def chunks() -> Iterator[Chunk]:
        with open_bytes(path) as file, _text(file.bytes) as text:
            _, line = _header(text, path)
            while lines := _complete_records(text):
                yield Chunk(partial(_rows_of_csv, path, names, "".join(lines), line), file.done())
                line += len(lines)

    return Source(chunks, columns.copy, renames=renames, header_fault=fault)


def _column_names(path: Path) -> list[str]:
    with open_bytes(path) as file, _text(file.bytes) as text:
        try:
            return _header(text, path)[0]
        except FileError:  # quotes of another kind of table, perhaps
            if (fault := _header_fault(path, ())) is None:
                raise
            raise FileError(f"{path}: {fault}") from None


def _header_fault(path: Path, fields: Sequence[str]) -> str | None:
    """Return what is wrong with the first line, where it has too few of the fields."""
    if len(known_fields(fields)) >= LEAST_FIELDS:
        return None
    with open_bytes(path) as file, _text(file.bytes) as text:
        return header_fault([line[:_LONGEST_HEADER] for line in islice(text, HEADER_LINES)])


def _text(file: io.BufferedReader | gzip.GzipFile) -> io.TextIOWrapper:
    # invalid UTF-8 becomes lone surrogates, which make only their own row invalid
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _header(text: io.TextIOWrapper, path: Path) -> tuple[list[str], int]:
    """Return the first record, and how many lines it takes."""
    read: list[str] = []
    for record in _records(_recording(text, read), path):
        return record, len(read)
    raise FileError(f"{path}: is empty: expected a line of column names")


def _complete_records(text: io.TextIOWrapper) -> list[str]:
    """Return the next lines, up to the end of a record: a quoted cell may hold line ends."""
    lines = text.readlines(source.BLOCK_BYTES)
    if not any('"' in line for line in lines):
        return lines
    read: list[str] = []
    try:
        for _ in csv.reader(_recording(chain(lines, text), read), strict=True):
            if len(read) >= len(lines):
                break
    except csv.Error:
        pass  # raised again, with the line, when the records are read
    return read + lines[len(read) :]


def _recording(lines: Iterable[str], read: list[str]) -> Iterator[str]:
    for line in lines:
        read.append(line)
        yield line


def _records(lines: Iterable[str], path: Path, before: int = 0) -> Iterator[list[str]]:
    """Yield the records that are not blank; `before` is how many lines of the file precede these."""
    reader = csv.reader(lines, strict=True)
    try:
        yield from (record for record in reader if record)
    except csv.Error as error:
        raise FileError(f"{path}: line {before + reader.line_num} is no CSV: {error}") from None


def _rows_of_csv(path: Path, columns: _Names, block: str, before: int) -> Rows:
    names, fields, renames = columns
    cells = split_lines(names, block, fields)
    if cells is None:
        records = list(_records(io.StringIO(block, newline=""), path, before))
        if not has_utf8(block) or any(len(record) != len(names) for record in records):
            return Rows(partial(_rows_of_records, columns, records), renames=renames)
        cells = Cells(names, list(zip(*records, strict=True)) or [()] * len(names), None, fields)
    return Rows(partial(_rows_of_cells, cells), cells, renames=renames)


def _rows_of_cells(cells: Cells) -> list[Row]:
    return valid_rows(cells.as_json())


def _rows_of_records(columns: _Names, records: list[list[str]]) -> list[Row]:
    return [_row(columns, record) for record in records]


def _row(columns: _Names, record: list[str]) -> Row:
    names, fields, _ = columns
    if len(record) != len(names):
        fault = InvalidEvent("not_an_object", None, f"expected {len(names)} cells, got {len(record)}")
    elif not has_utf8("".join(record)):
        fault = InvalidEvent("not_json", None, "not UTF-8")
    else:
        return Cells(names, [[cell] for cell in record], None, fields).as_json()[0], None
    return msgspec.json.encode([cell.encode(errors="replace").decode() for cell in record]), fault
