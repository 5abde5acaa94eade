"""Files of events as chunks of rows, and how their bytes are opened."""

import bz2
import codecs
import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scoring.decoding import Decoded
from scoring.errors import InvalidEvent, needs_extra
from scoring.tables.columns import Renames
from scoring.validation import has_utf8

if TYPE_CHECKING:
    import pyarrow as pa  # an extra

BLOCK_BYTES: Final = 2 * 1024 * 1024
"""Size of a chunk of text; its last line is read to the end. A row of 411 bytes takes 1.45 µs, 0.16 of it outside the
compiled loops; with 384 KiB 1.53 and 0.30, with 4 MiB 1.59 and 0.15."""
LINE_BYTES: Final = 16 * 1024 * 1024
"""Limit of that line."""
CHUNK_ROWS: Final = 10_000  # of a table that are scored at once: bounds memory
_KINDS: Final = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
KINDS: Final = tuple(dict.fromkeys(_KINDS.values()))
ENDINGS: Final = ".csv, .jsonl, .ndjson, .parquet or .arrow"
_TEXT_KINDS: Final = ("csv", "jsonl")
_COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd"}

_NAMES: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}
_QUOTES_AND_ENDS: Final = '"\r\n'

Row = tuple[bytes, InvalidEvent | None]
"""A row as JSON, and its fault when it is no row at all."""


class FileError(ValueError):
    """A file that cannot be read or written. The message is one line: which file, where in it, what to do."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The form of a CSV file. By default UTF-8 with commas, where only the empty cell is a gap."""

    delimiter: str = ","
    decimal: str = "."
    gaps: tuple[str, ...] = ()  # cells that are gaps, besides the empty one
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        object.__setattr__(self, "delimiter", _NAMES.get(self.delimiter, self.delimiter))
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in _QUOTES_AND_ENDS:
            raise ValueError("delimiter: expected one ASCII character, such as ';' or tab")
        if self.decimal not in {".", ","}:
            raise ValueError("decimal: expected '.' or ','")
        if self.decimal == self.delimiter:
            raise ValueError("decimal: is the delimiter as well; name another delimiter")
        if any(not has_utf8(gap) for gap in self.gaps):
            raise ValueError("na: is not UTF-8")
        try:
            "".encode(self.encoding)
        except (LookupError, UnicodeError):
            raise ValueError("encoding: is unknown; such as utf-8, utf-16 or latin-1") from None

    @property
    def is_utf8(self) -> bool:
        """Return True when the bytes of the file are UTF-8."""
        return codecs.lookup(self.encoding).name in {"utf-8", "utf-8-sig", "ascii"}

    @property
    def is_plain(self) -> bool:
        """Return True when cells are read as they are."""
        return self.decimal == "." and not self.gaps


PLAIN: Final = Dialect()


class Lines(NamedTuple):
    """The lines, or records of several lines, of rows as in the file."""

    text: bytes | bytearray
    starts: NDArray[np.int64]  # (n,)
    ends: NDArray[np.int64]  # (n,), without the line ends


class Rows(Protocol):
    """n rows in order."""

    @property
    def lines(self) -> Lines | None:
        """The rows as in the file, where it is text."""

    @property
    def events(self) -> list[Row]:
        """All rows as JSON with the contract's names, and the faults of those that are none."""

    def __len__(self) -> int: ...

    def decode(self) -> Decoded:
        """Decode the rows that are valid events; collect the faults of the others."""

    def as_json(self, rows: Sequence[int]) -> list[bytes]:
        """Return these rows as JSON with the file's names, valid or not."""

    def columns(self, rows: Sequence[int]) -> "pa.RecordBatch | None":
        """Return these valid rows as columns; None for JSON Lines."""


class Chunk(NamedTuple):
    """A piece of a file. `read` runs later, in any thread."""

    read: Callable[[], Rows]
    done: float  # share of the file up to its end, 0 to 1


@dataclass(frozen=True)
class Source:
    """A file to read: its chunks, the names of its columns, and their types if it has any."""

    kind: str
    chunks: Callable[[], Iterator[Chunk]]
    columns: Callable[[], list[str]]
    schema: "pa.Schema | None" = None
    renames: Renames = field(default_factory=dict)
    header_fault: str | None = None  # why the first line of CSV does not name the columns
    nested: str | None = None  # where in a column of Parquet the fields are
    dialect: Dialect = PLAIN  # of CSV

    @property
    def is_table(self) -> bool:
        """Return True when the columns are known before the rows: not those of JSON Lines."""
        return self.kind != "jsonl"

    def field_of(self, column: str) -> str:
        """Return the contract's name of a column where it is renamed, else its own."""
        return self.renames.get(column, column)


def file_kind(path: Path) -> str:
    """Return csv, jsonl, parquet or arrow, by the suffix of the name. Raises FileError."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise FileError(f"{path}: expected a name that ends in {ENDINGS}")
    return kind


def input_kind(path: Path) -> str:
    """Return the kind of a file to read, whose text may be compressed: .csv.gz. Raises FileError."""
    if compression(path) is None:
        return file_kind(path)
    kind = _KINDS.get(Path(path.stem).suffix.lower())
    if kind not in _TEXT_KINDS:
        raise FileError(f"{path}: expected a name that ends in .csv{path.suffix}, .jsonl{path.suffix} or .parquet")
    return kind


def compression(path: Path) -> str | None:
    """Return how a file is compressed, by the suffix of its name: gzip, bzip2 or zstd."""
    return _COMPRESSIONS.get(path.suffix.lower())


class OpenFile(NamedTuple):
    """The uncompressed bytes of a file."""

    bytes: BufferedIOBase
    done: Callable[[], float]  # share of the file that is read, 0 to 1


@contextmanager
def open_bytes(path: Path) -> Iterator[OpenFile]:
    """Open a file for reading. Raises FileError for errors of opening and of reading inside the block."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size or 1

            def done() -> float:
                return file.tell() / size

            with _uncompressed(file, compression(path)) as uncompressed:
                yield OpenFile(uncompressed, done)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(f"{path}: cannot be read: {reason}") from None


def _uncompressed(file: BufferedReader, how: str | None) -> AbstractContextManager[BufferedIOBase]:
    if how == "gzip":
        return gzip.open(file)
    if how == "bzip2":
        return bz2.open(file)
    if how == "zstd":
        with needs_extra("files", "zstd"):
            import pyarrow as pa  # noqa: PLC0415 - an extra
        return BufferedReader(pa.CompressedInputStream(file, "zstd"))
    return nullcontext(file)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's uncompressed bytes, in hex. Raises FileError."""
    with open_bytes(path) as file:
        sha256 = hashlib.sha256()
        while block := file.bytes.read(BLOCK_BYTES):
            sha256.update(block)
        return sha256.hexdigest()


def require_distinct(path: Path, columns: list[str]) -> list[str]:
    """Return the names of the columns. Raises FileError for a repeated name."""
    twice = next((name for name, times in Counter(columns).items() if times > 1), None)
    if twice is not None:
        raise FileError(f"{path}: the column {twice!r} is there more than once")
    return columns
