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

from scoring import InvalidEvent
from scoring.tables import HEADER_LINES, LEAST_FIELDS, header_fault, known_fields, source
from scoring.tables.column_map import NO_RENAMES, Renames
from scoring.tables.csv_cells import Cells, bare
from scoring.tables.file_contents import check_contents, checked_kind
from scoring.tables.source import Chunk, FileError, Row, Rows, Source, check_columns, opened
from scoring.validation import has_utf8

_row_as_dict: Final = msgspec.json.Decoder(dict[str, object]).decode
_BOM: Final = b"\xef\xbb\xbf"
_LONGEST_HEADER: Final = 10_000  # characters of a line that are searched for column names


def open_source(path: Path, renames: Renames = NO_RENAMES) -> Source:
    """What the file holds, its columns renamed for whoever decodes them.

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
    return Source(lambda: _json_lines(path, renames), lambda: _keys(path), renames=renames, is_table=False)


def first_row(path: Path) -> dict[str, object]:
    """Return the first row that is an object, by its keys; nothing where the first chunk has none. Raises FileError."""
    for row, fault in next((chunk.read().values for chunk in open_source(path).chunks()), []):
        try:
            if fault is None:
                return _row_as_dict(row)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return {}


def _json_lines(path: Path, renames: Renames) -> Iterator[Chunk]:
    with opened(path) as file:
        for block in _blocks(file.bytes, path):
            yield Chunk(partial(_rows_of_lines, block, renames), file.done())


def _rows_of_lines(block: bytes, renames: Renames) -> Rows:
    return Rows(lambda: [(line, None) for line in _lines(block)], renames=renames)


def _lines(block: bytes) -> list[bytes]:
    """The lines that are not blank."""
    return [line for line in map(bytes.strip, block.split(b"\n")) if line]


def _blocks(file: io.BufferedReader | gzip.GzipFile, path: Path) -> Iterator[bytes]:
    """The file in pieces of whole lines. A byte order mark before the first is the editor's, not the event's."""
    bom = _BOM
    while block := file.read(source.BLOCK_BYTES):
        rest = b"" if block.endswith(b"\n") else file.readline(source.LINE_BYTES)
        if len(rest) == source.LINE_BYTES:
            raise FileError(f"{path}: a line of 16 MiB or more: is this JSON Lines, one object a line?")
        yield (block + rest).removeprefix(bom)
        bom = b""


def _keys(path: Path) -> list[str]:
    """The keys of all objects in the file, in the order in which they first come."""
    keys: dict[str, None] = {}
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    with opened(path) as file:
        for line in chain.from_iterable(map(_lines, _blocks(file.bytes, path))):
            try:
                keys.update(dict.fromkeys(decoder.decode(line)))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue  # rejected, with the reason, when it is scored
    return list(keys)


class _Names(NamedTuple):
    """What the columns of a CSV file are called: by the file, and by the contract where some are renamed."""

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
    names = _Names(check_columns(path, columns), fields if renames else None, renames)

    def chunks() -> Iterator[Chunk]:
        with opened(path) as file, _text(file.bytes) as text:
            _, line = _header(text, path)
            while lines := _whole_records(text):
                yield Chunk(partial(_rows_of_csv, path, names, "".join(lines), line), file.done())
                line += len(lines)

    return Source(chunks, lambda: columns, renames=renames, header_fault=fault)


def _column_names(path: Path) -> list[str]:
    with opened(path) as file, _text(file.bytes) as text:
        try:
            return _header(text, path)[0]
        except FileError:  # quotes of another kind of table, perhaps
            if (fault := _header_fault(path, ())) is None:
                raise
            raise FileError(f"{path}: {fault}") from None


def _header_fault(path: Path, fields: Sequence[str]) -> str | None:
    """What is wrong with the first line, where it has too few of the fields."""
    if len(known_fields(fields)) >= LEAST_FIELDS:
        return None
    with opened(path) as file, _text(file.bytes) as text:
        return header_fault([line[:_LONGEST_HEADER] for line in islice(text, HEADER_LINES)])


def _text(file: io.BufferedReader | gzip.GzipFile) -> io.TextIOWrapper:
    # what is no UTF-8 becomes lone surrogates, which condemn their own row and no other
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _header(text: io.TextIOWrapper, path: Path) -> tuple[list[str], int]:
    """The first record, and how many lines it takes."""
    read: list[str] = []
    for record in _records(_noting(text, read), path):
        return record, len(read)
    raise FileError(f"{path}: is empty: expected a line of column names")


def _whole_records(text: io.TextIOWrapper) -> list[str]:
    """The next lines, and as many more as the last record needs: a quoted cell may hold ends of lines."""
    lines = text.readlines(source.BLOCK_BYTES)
    if not any('"' in line for line in lines):
        return lines
    read: list[str] = []
    try:
        for _ in csv.reader(_noting(chain(lines, text), read), strict=True):
            if len(read) >= len(lines):
                break
    except csv.Error:
        pass  # whoever reads the records comes upon it again, and says where
    return read + lines[len(read) :]


def _noting(lines: Iterable[str], read: list[str]) -> Iterator[str]:
    for line in lines:
        read.append(line)
        yield line


def _records(lines: Iterable[str], path: Path, before: int = 0) -> Iterator[list[str]]:
    """The records that are not blank; `before` is how many lines of the file come before these."""
    reader = csv.reader(lines, strict=True)
    try:
        yield from (record for record in reader if record)
    except csv.Error as error:
        raise FileError(f"{path}: line {before + reader.line_num} is no CSV: {error}") from None


def _rows_of_csv(path: Path, columns: _Names, block: str, before: int) -> Rows:
    names, fields, renames = columns
    cells = bare(names, block, fields)
    if cells is None:
        records = list(_records(io.StringIO(block, newline=""), path, before))
        if not has_utf8(block) or any(len(record) != len(names) for record in records):
            return Rows(lambda: [_row(columns, record) for record in records], renames=renames)
        cells = Cells(names, list(zip(*records, strict=True)) or [()] * len(names), None, fields)
    return Rows(lambda: [(row, None) for row in cells.as_json()], cells, renames=renames)


def _row(columns: _Names, record: list[str]) -> Row:
    names, fields, _ = columns
    if len(record) != len(names):
        fault = InvalidEvent("not_an_object", None, f"expected {len(names)} cells, got {len(record)}")
    elif not has_utf8("".join(record)):
        fault = InvalidEvent("not_json", None, "not UTF-8")
    else:
        return Cells(names, [[cell] for cell in record], None, fields).as_json()[0], None
    return msgspec.json.encode([cell.encode(errors="replace").decode() for cell in record]), fault
