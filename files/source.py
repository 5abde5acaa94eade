"""What a file of sessions is to those who read it, and how its bytes are opened."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from files.cells import Cells
from scoring import Decoded, InvalidEvent
from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.decoding import decode

if TYPE_CHECKING:
    import pyarrow as pa  # an extra

BLOCK_BYTES: Final = 384 * 1024
"""How much text makes a chunk; the line that is begun is read to its end."""
LINE_BYTES: Final = 16 * 1024 * 1024
"""How long that line may be."""
CHUNK_ROWS: Final = 5_000  # of Parquet
_KNOWN: Final = frozenset((*MODEL_FIELDS, *IDENTITIES))
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

    @cached_property
    def values(self) -> list[Row]:
        """Each as JSON, made when it is first asked for."""
        return self.read()

    def decode(self) -> Decoded:
        """Columns of the rows that are valid events, and what is wrong with the others."""
        if self.cells is not None:
            return self.cells.decode()
        faults = {i: fault for i, (_, fault) in enumerate(self.values) if fault is not None}
        if not faults:
            return decode([row for row, _ in self.values])
        places = [i for i in range(len(self.values)) if i not in faults]
        decoded = decode([self.values[i][0] for i in places])
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


def check_columns(path: Path, columns: list[str]) -> list[str]:
    """The names of the columns. Raises FileError for a name twice, or none that is a session's."""
    twice = next((name for i, name in enumerate(columns) if name in columns[:i]), None)
    if twice is not None:
        raise FileError(f"{path}: the column {twice!r} is there more than once")
    if not _KNOWN.intersection(columns):
        raise FileError(f"{path}: no column is a field of a session event, such as {MODEL_FIELDS[0]}")
    return columns
