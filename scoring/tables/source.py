"""Files of events as chunks of rows, and how their bytes are opened."""

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from scoring.decoding import Decoded, decode
from scoring.errors import InvalidEvent
from scoring.tables.columns import NO_RENAMES, Renames, rename_keys
from scoring.tables.csv_cells import Cells

if TYPE_CHECKING:
    import pyarrow as pa  # an extra

BLOCK_BYTES: Final = 384 * 1024
"""Size of a chunk of text; its last line is read to the end."""
LINE_BYTES: Final = 16 * 1024 * 1024
"""Limit of that line."""
CHUNK_ROWS: Final = 5_000  # of Parquet
_KINDS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}

Row = tuple[bytes, InvalidEvent | None]
"""A row as JSON, and its fault when it is no row at all."""


class FileError(ValueError):
    """A file that cannot be read or written. The message is one line: which file, where in it, what to do."""


@dataclass(frozen=True)
class Rows:
    """Rows in order, with their cells or table when the file has those."""

    read: Callable[[], list[Row]]
    cells: Cells | None = None  # of CSV
    table: "pa.RecordBatch | None" = None  # of Parquet
    renames: Renames = field(default_factory=dict)

    @cached_property
    def values(self) -> list[Row]:
        """The rows as JSON, made on first access."""
        return self.read()

    @cached_property
    def events(self) -> list[Row]:
        """The rows as JSON, with the contract's names for renamed columns."""
        if not self.renames:
            return self.values
        return [(rename_keys(row, self.renames), fault) for row, fault in self.values]

    def decode(self) -> Decoded:
        """Decode the rows that are valid events; collect the faults of the others."""
        if self.cells is not None:
            return self.cells.decode()
        events = self.events
        faults = {i: fault for i, (_, fault) in enumerate(events) if fault is not None}
        if not faults:
            return decode([row for row, _ in events])
        rows = [row for row in range(len(events)) if row not in faults]
        decoded = decode([events[row][0] for row in rows])
        faults |= {rows[i]: fault for i, fault in decoded.invalid.items()}
        return Decoded(decoded.columns, [rows[i] for i in decoded.positions], faults)


def valid_rows(rows: list[bytes]) -> list[Row]:
    """Return rows of JSON without faults."""
    return [(row, None) for row in rows]


class Chunk(NamedTuple):
    """A piece of a file. `read` runs later, in any process: it can be pickled."""

    read: Callable[[], Rows]
    done: float  # share of the file up to its end, 0 to 1


class Source(NamedTuple):
    """A file to read: its chunks, the names of its columns, and their types if it has any."""

    chunks: Callable[[], Iterator[Chunk]]
    columns: Callable[[], list[str]]
    schema: "pa.Schema | None" = None
    renames: Renames = NO_RENAMES
    header_fault: str | None = None  # why the first line of CSV does not name the columns
    nested: str | None = None  # where in a column of Parquet the fields are
    is_table: bool = True  # the columns are known before the rows: not those of JSON Lines

    def field(self, column: str) -> str:
        """Return the contract's name of a column where it is renamed, else its own."""
        return self.renames.get(column, column)


def file_kind(path: Path) -> str:
    """Return csv, jsonl or parquet, by the suffix of the name. Raises FileError."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise FileError(f"{path}: expected a name that ends in .csv, .jsonl, .ndjson or .parquet")
    return kind


def input_kind(path: Path) -> str:
    """Return the kind of a file to read, whose text may be compressed: .csv.gz. Raises FileError."""
    if not is_zipped(path):
        return file_kind(path)
    kind = _KINDS.get(Path(path.stem).suffix.lower())
    if kind in (None, "parquet"):
        raise FileError(f"{path}: expected a name that ends in .csv.gz, .jsonl.gz, .ndjson.gz or .parquet")
    return str(kind)


def is_zipped(path: Path) -> bool:
    """Return True when the name says that the file is compressed by gzip."""
    return path.suffix.lower() == ".gz"


class OpenFile(NamedTuple):
    """The uncompressed bytes of a file."""

    bytes: BufferedReader | gzip.GzipFile
    done: Callable[[], float]  # share of the file that is read, 0 to 1


@contextmanager
def open_bytes(path: Path) -> Iterator[OpenFile]:
    """Open a file for reading. Raises FileError for errors of opening and of reading inside the block."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size or 1

            def done() -> float:
                return file.tell() / size

            if not is_zipped(path):
                yield OpenFile(file, done)
                return
            with gzip.open(file) as unzipped:
                yield OpenFile(unzipped, done)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"{path}: cannot be read: {reason}") from None


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's uncompressed bytes, in hex. Raises FileError."""
    with open_bytes(path) as file:
        return hashlib.file_digest(file.bytes, "sha256").hexdigest()


def require_distinct(path: Path, columns: list[str]) -> list[str]:
    """Return the names of the columns. Raises FileError for a repeated name."""
    twice = next((name for name, times in Counter(columns).items() if times > 1), None)
    if twice is not None:
        raise FileError(f"{path}: the column {twice!r} is there more than once")
    return columns
