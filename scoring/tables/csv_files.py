"""CSV files: blocks of complete records, whose cells Arrow splits.

Only the empty cell is a gap; a cell of a numeric field that is written as JSON writes numbers is that number, every
other cell is text. A block that holds a record with another number of cells, or bytes that are no UTF-8, is read by
Python's csv module, which names the line.
"""

import csv
import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from scoring.contract import IDENTITIES, MODEL_FIELDS, NUMERIC
from scoring.decoding import Decoded
from scoring.errors import InvalidEvent
from scoring.kernels.compiler import Function, compiled_or_plain
from scoring.kernels.csv_records import CONSUMED, COUNT, FIND_RECORDS, IRREGULAR
from scoring.tables import arrow_buffers, source
from scoring.tables.arrow import JSON_NUMBER, compile_cells, decode_table
from scoring.tables.columns import LEAST_FIELDS, Renames, known_fields, rename_keys
from scoring.tables.header import HEADER_LINES, header_fault
from scoring.tables.source import Chunk, Dialect, FileError, Lines, OpenFile, Row, Source, open_bytes, require_distinct
from scoring.validation import has_utf8

_BOM: Final = b"\xef\xbb\xbf"
_HEAD_BYTES: Final = 256 * 1024  # of the file that are searched for column names
_LONGEST_HEADER: Final = 10_000  # characters of a line that are searched for them
_KNOWN: Final = frozenset((*MODEL_FIELDS, *IDENTITIES))
_NUMERIC: Final = frozenset(NUMERIC)


class Layout(NamedTuple):
    """The columns of a CSV file, and how its cells are written."""

    names: list[str]
    needed: list[str]  # those that Arrow keeps
    renames: Renames
    dialect: Dialect

    def field(self, column: str) -> str:
        """Return the contract's name of a column where it is renamed, else its own."""
        return self.renames.get(column, column)


class CsvBlock(NamedTuple):
    """Complete records of a file."""

    text: bytes
    starts: NDArray[np.int64]  # (n,)
    ends: NDArray[np.int64]  # (n,), without the line ends
    is_regular: bool  # all have the same number of cells, and no text behind a quote
    line: int  # of the file, in which it begins


def open_csv(path: Path, dialect: Dialect, renames: Renames, *, all_columns: bool) -> Source:
    """Open a CSV file. `all_columns` keeps those that are no field as well.

    Raises FileError, now or while it is read.
    """
    compile_cells()
    columns = _column_names(path, dialect)
    if not has_utf8("".join(columns)):
        raise FileError(f"{path}: the name of a column is not UTF-8: save the file as UTF-8, or use --encoding")
    fields = [renames.get(name, name) for name in columns]
    fault = _header_fault(path, fields, dialect)
    if fault is not None and len(set(columns)) < len(columns):  # values, most likely
        raise FileError(f"{path}: {fault}")
    names = require_distinct(path, columns)
    needed = [name for name, known in zip(names, fields, strict=True) if all_columns or known in _KNOWN]
    layout = Layout(names, needed, renames, dialect)

    def chunks() -> Iterator[Chunk]:
        with open_bytes(path) as file:
            first = 1  # behind the names
            for block in _blocks(file, path, dialect, len(names)):
                records = block._replace(starts=block.starts[first:], ends=block.ends[first:])
                yield Chunk(partial(_rows, path, layout, records), file.done())
                first = 0

    return Source("csv", chunks, columns.copy, renames=renames, header_fault=fault, dialect=dialect)


def _column_names(path: Path, dialect: Dialect) -> list[str]:
    with open_bytes(path) as file:
        for text, starts, ends, *_ in _blocks(file, path, dialect, 0):
            try:
                return next(_records(text[starts[0] : ends[0]], path, dialect, 1))
            except FileError:  # quotes of another kind of table, perhaps
                if (fault := _header_fault(path, (), dialect)) is None:
                    raise
                raise FileError(f"{path}: {fault}") from None
    raise FileError(f"{path}: is empty: expected a line of column names")


def _header_fault(path: Path, fields: Sequence[str], dialect: Dialect) -> str | None:
    """Return what is wrong with the first line, where it has too few of the fields."""
    if len(known_fields(fields)) >= LEAST_FIELDS:
        return None
    with open_bytes(path) as file, _utf8(file, path, dialect) as read:
        lines = read(_HEAD_BYTES).removeprefix(_BOM).decode(errors="replace").splitlines()
    return header_fault([line[:_LONGEST_HEADER] for line in lines[:HEADER_LINES]], dialect.delimiter)


@contextmanager
def _utf8(file: OpenFile, path: Path, dialect: Dialect) -> Iterator[Callable[[int], bytes]]:
    """Open a file for reading as UTF-8, whatever its encoding."""
    if dialect.is_utf8:
        yield file.bytes.read
        return
    text = io.TextIOWrapper(file.bytes, dialect.encoding, newline="")  # type: ignore[type-var]  # typeshed knows fewer kinds of buffers
    try:
        yield lambda size: text.read(size).encode()
    except UnicodeError as error:
        raise FileError(f"{path}: is not {dialect.encoding}: {error.args[-1]}") from None
    finally:
        text.detach()


@functools.cache
def _find_records() -> Function:
    return compiled_or_plain([FIND_RECORDS])[0]


def _blocks(file: OpenFile, path: Path, dialect: Dialect, cells: int) -> Iterator[CsvBlock]:
    """Yield the file in pieces of complete records, without a byte order mark; the first begins with the names."""
    delimiter, bom, rest, is_last, line = ord(dialect.delimiter), _BOM, b"", False, 1
    with _utf8(file, path, dialect) as read:
        while not is_last:
            piece = read(source.BLOCK_BYTES)
            is_last = not piece
            text = rest + piece.removeprefix(bom)
            bom = b""
            starts, ends = np.empty((2, len(text) // 2 + 1), np.int64)
            found = np.zeros(3, np.int64)
            _find_records()(np.frombuffer(text, np.uint8), delimiter, cells, is_last, starts, ends, found)
            count = found[COUNT]
            block, rest = text[: found[CONSUMED]], text[found[CONSUMED] :]
            if count:
                yield CsvBlock(block, starts[:count].copy(), ends[:count].copy(), not found[IRREGULAR], line)
            line += block.count(b"\n") or block.count(b"\r")
            if len(rest) >= source.LINE_BYTES:
                raise FileError(f"{path}: line {line} begins a record of 16 MiB or more: is a quote not closed?")


def _records(text: bytes | bytearray, path: Path, dialect: Dialect, line: int) -> Iterator[list[str]]:
    """Yield the records that are not blank, the first of which begins in this line of the file."""
    decoded = text.decode(errors="surrogateescape")  # invalid UTF-8 makes only its own row invalid
    csv.field_size_limit(source.LINE_BYTES)  # of all cells in this process: no record is longer
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=dialect.delimiter, strict=True)
    try:
        yield from (record for record in reader if record)
    except csv.Error as error:
        raise FileError(f"{path}: line {line - 1 + reader.line_num} is no CSV: {error}") from None


def _rows(path: Path, layout: Layout, block: CsvBlock) -> "CsvRows":
    cells = _split_block(layout, block) if block.is_regular else None
    if cells is not None:
        return CsvRows(layout, Lines(block.text, block.starts, block.ends), cells)
    start = int(block.starts[0]) if len(block.starts) else len(block.text)
    line = block.line + block.text.count(b"\n", 0, start)
    records = list(_records(block.text[start:], path, layout.dialect, line))
    if len(records) != len(block.starts):
        raise FileError(f"{path}: not CSV after line {line}: a quote is in the middle of a cell")
    faults = {row: fault for row, record in enumerate(records) if (fault := _fault(layout, record)) is not None}
    whole = [[""] * len(layout.names) if row in faults else record for row, record in enumerate(records)]
    columns = dict(zip(layout.names, zip(*whole, strict=True), strict=True)) if whole else {}
    arrays = [arrow_buffers.from_strings(columns.get(name, ())) for name in layout.needed]
    cells = pa.RecordBatch.from_arrays(arrays, names=layout.needed)
    return CsvRows(layout, Lines(block.text, block.starts, block.ends), cells, records, faults)


def _fault(layout: Layout, record: list[str]) -> InvalidEvent | None:
    if len(record) != len(layout.names):
        return InvalidEvent("not_an_object", None, f"expected {len(layout.names)} cells, got {len(record)}")
    return None if has_utf8("".join(record)) else InvalidEvent("not_json", None, "not UTF-8")


def _split_block(layout: Layout, block: CsvBlock) -> pa.RecordBatch | None:
    """Split the records of a block into the cells of the needed columns; None if a byte of the block is no UTF-8."""
    if not len(block.starts) or not layout.needed:
        return None
    cells = _split(layout, pa.py_buffer(block.text).slice(int(block.starts[0])), layout.needed)
    return None if cells is None or cells.num_rows != len(block.starts) else cells


def _split(layout: Layout, text: pa.Buffer, needed: list[str]) -> pa.RecordBatch | None:
    read = arrow_csv.ReadOptions(column_names=layout.names, use_threads=False, block_size=text.size + 1)
    parse = arrow_csv.ParseOptions(delimiter=layout.dialect.delimiter, newlines_in_values=True)
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(needed, pa.string()),
        include_columns=needed,
        strings_can_be_null=False,
        check_utf8=False,  # of these columns: all bytes are checked below
    )
    try:
        pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, text.size], np.int32)), text).validate(full=True)
        table = arrow_csv.read_csv(pa.BufferReader(text), read, parse, convert)
    except pa.ArrowInvalid:
        return None
    return pa.RecordBatch.from_arrays([_joined(column) for column in table.columns], names=needed)


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


@dataclass(frozen=True)
class CsvRows:
    """Records of a CSV file."""

    layout: Layout
    lines: Lines
    cells: pa.RecordBatch  # of the needed columns
    records: Sequence[Sequence[str]] = ()  # all cells, where Python has split them
    faults: Mapping[int, InvalidEvent] = field(default_factory=dict)  # of records that are no row

    def __len__(self) -> int:
        return len(self.lines.starts)

    def decode(self) -> Decoded:
        """Decode the rows that are valid events; collect the faults of the others."""
        fields = map(self.layout.field, self.layout.needed)
        columns = {name: self._plain(name, column) for name, column in zip(fields, self.cells.columns, strict=True)}
        return decode_table(columns, len(self), is_text=True).without(self.faults)

    def columns(self, rows: Sequence[int]) -> pa.RecordBatch:
        """Return the needed columns of these valid rows: numeric fields as numbers, others as text; gaps are null."""
        cells = arrow_buffers.take(self.cells, rows)
        arrays = [self._typed(self.layout.field(name), cells.column(name)) for name in self.layout.needed]
        return pa.RecordBatch.from_arrays(arrays, names=self.layout.needed)

    def as_json(self, rows: Sequence[int]) -> list[bytes]:
        """Return these rows as JSON objects, a record that is no row as an array of its cells."""
        whole = [row for row in rows if row not in self.faults]
        objects = dict(zip(whole, self._objects(self._columns_of(whole)), strict=True))
        return [objects[row] if row in objects else _as_array(self.records[row]) for row in rows]

    @cached_property
    def events(self) -> list[Row]:
        """All rows as JSON with the contract's names, and the faults of those that are none."""
        renames = self.layout.renames
        rows = self.as_json(range(len(self)))
        return [(rename_keys(row, renames) if renames else row, self.faults.get(i)) for i, row in enumerate(rows)]

    def _columns_of(self, rows: Sequence[int]) -> list[pa.Array]:
        """Return the cells of these rows, column by column."""
        if not rows:
            return []
        if self.records:
            return list(map(arrow_buffers.from_strings, zip(*(self.records[row] for row in rows), strict=True)))
        text, starts, ends = self.lines
        lines = b"\n".join(text[starts[row] : ends[row]] for row in rows)
        cells = _split(self.layout, pa.py_buffer(lines), self.layout.names)
        if cells is None:
            raise AssertionError("a block with bytes that are no UTF-8 has its records")
        return list(cells.columns)

    def _plain(self, name: str, column: pa.Array) -> pa.Array:
        """Return a column as the default dialect writes it."""
        dialect = self.layout.dialect
        if dialect.is_plain:
            return column
        is_gap = pc.is_in(column, value_set=arrow_buffers.from_strings(dialect.gaps))
        if dialect.decimal == "," and name in _NUMERIC:
            column = pc.replace_substring(column, ".", "?")  # a point is no part of such a number
            column = pc.replace_substring(column, ",", ".")
        return pc.if_else(is_gap, arrow_buffers.from_strings([""] * len(column)), column)

    def _typed(self, name: str, column: pa.Array) -> pa.Array:
        column = self._plain(name, column)
        _, offsets = arrow_buffers.text(column)
        is_gap = arrow_buffers.from_numpy(np.arange(len(column)), pa.int64(), offsets[1:] == offsets[:-1])
        texts = column.take(is_gap)
        return texts.cast(pa.float64()) if name in _NUMERIC else texts

    def _objects(self, columns: Sequence[pa.Array]) -> list[bytes]:
        """Return one JSON object for each record of these columns of cells."""
        if not columns:
            return []
        names = self.layout.names
        texts = [
            [_cell_as_json(name, cell) for cell in self._plain(name, cells).to_pylist()]
            for name, cells in zip(map(self.layout.field, names), columns, strict=True)
        ]
        keys = (_string(name).replace("%", "%%") for name in names)
        row = "{" + ",".join(f"{key}:%s" for key in keys) + "}"
        return [(row % cells).encode() for cells in zip(*texts, strict=True)]


def _cell_as_json(name: str, cell: str) -> str:
    if not cell:
        return "null"
    return cell if name in _NUMERIC and JSON_NUMBER.fullmatch(cell) else _string(cell)


def _as_array(record: Sequence[str]) -> bytes:
    return msgspec.json.encode([cell.encode(errors="surrogateescape").decode(errors="replace") for cell in record])


def _string(text: str) -> str:
    return msgspec.json.encode(text).decode()
