"""What a file of sessions is to those who read it, and how its bytes are opened."""

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
from scoring.tables.column_map import NO_RENAMES, Renames, rename_keys
from scoring.tables.csv_cells import Cells

if TYPE_CHECKING:
    import pyarrow as pa  # an extra

BLOCK_BYTES: Final = 384 * 1024
"""How much text makes a chunk; the line that is begun is read to its end."""
LINE_BYTES: Final = 16 * 1024 * 1024
"""How long that line may be."""
CHUNK_ROWS: Final = 5_000  # of Parquet
_KINDS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}

Row = tuple[bytes, InvalidEvent | None]
"""A row as JSON, and what is wrong when it is no row at all."""


class FileError(ValueError):
    """A file that cannot be read, or not be written. The message is one line: which, where in it, what to do."""


@dataclass(frozen=True)
class Rows:
    """Some rows, in order, and what they were where that says more than their JSON."""

    read: Callable[[], list[Row]]
    cells: Cells | None = None  # of CSV
    table: "pa.RecordBatch | None" = None  # of Parquet
    renames: Renames = field(default_factory=dict)

    @cached_property
    def values(self) -> list[Row]:
        """Each as JSON, made when it is first asked for."""
        return self.read()

    @cached_property
    def events(self) -> list[Row]:
        """Return the same with the contract's names for the columns that are renamed."""
        if not self.renames:
            return self.values
        return [(rename_keys(row, self.renames), fault) for row, fault in self.values]

    def decode(self) -> Decoded:
        """Columns of the rows that are valid events, and what is wrong with the others."""
        if self.cells is not None:
            return self.cells.decode()
        events = self.events
        faults = {i: fault for i, (_, fault) in enumerate(events) if fault is not None}
        if not faults:
            return decode([row for row, _ in events])
        places = [i for i in range(len(events)) if i not in faults]
        decoded = decode([events[i][0] for i in places])
        faults |= {places[i]: fault for i, fault in decoded.invalid.items()}
        return Decoded(decoded.columns, [places[i] for i in decoded.positions], faults)


class Chunk(NamedTuple):
    """A piece of a file. Its rows are read when they are asked for, in whichever process that is: fit for pickle."""

    read: Callable[[], Rows]
    done: float  # how much of the file is used up by now, 0 to 1


class Source(NamedTuple):
    """A file that can be read: its chunks, the names of its columns, and their types where it has any."""

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


def kind_of(path: Path) -> str:
    """csv, jsonl or parquet, by the ending of the name. Raises FileError."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise FileError(f"{path}: expected a name that ends in .csv, .jsonl, .ndjson or .parquet")
    return kind


def kind_to_read(path: Path) -> str:
    """The same of a file to be read, where text may be compressed: .csv.gz. Raises FileError."""
    if not is_zipped(path):
        return kind_of(path)
    kind = _KINDS.get(Path(path.stem).suffix.lower())
    if kind in (None, "parquet"):
        raise FileError(f"{path}: expected a name that ends in .csv.gz, .jsonl.gz, .ndjson.gz or .parquet")
    return str(kind)


def is_zipped(path: Path) -> bool:
    """Whether the name says that the file is compressed by gzip."""
    return path.suffix.lower() == ".gz"


class Opened(NamedTuple):
    """The bytes of a file, as they are when uncompressed."""

    bytes: BufferedReader | gzip.GzipFile
    done: Callable[[], float]  # how much of the file is read, 0 to 1


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """The file open for reading. What goes wrong inside while it is read is raised as FileError."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size or 1

            def done() -> float:
                return file.tell() / size

            if not is_zipped(path):
                yield Opened(file, done)
                return
            with gzip.open(file) as unzipped:
                yield Opened(unzipped, done)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"{path}: cannot be read: {reason}") from None


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as it is when uncompressed, in hex. Raises FileError."""
    with opened(path) as file:
        return hashlib.file_digest(file.bytes, "sha256").hexdigest()


def check_columns(path: Path, columns: list[str]) -> list[str]:
    """The names of the columns. Raises FileError for a name that is there twice."""
    twice = next((name for name, times in Counter(columns).items() if times > 1), None)
    if twice is not None:
        raise FileError(f"{path}: the column {twice!r} is there more than once")
    return columns
