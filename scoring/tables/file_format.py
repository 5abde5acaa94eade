"""Recognise the format of a file by its first bytes, and compare it with the name.

Only certain formats are recognised: text that may be JSON Lines with a broken first line is left to its reader.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scoring.tables.source import FileError, compression, input_kind, open_bytes

HEAD_BYTES: Final = 64 * 1024
"""How much of a file is read to recognise it."""

EMPTY: Final = "empty"
GZIP: Final = "gzip"
PARQUET: Final = "parquet"
ARROW: Final = "arrow"
CSV: Final = "csv"
JSON_LINES: Final = "jsonl"
JSON: Final = "json"
TEXT: Final = "text"
UNKNOWN: Final = "unknown"

BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_MOST_CONTROL: Final = 0.05  # of the first line, in text; a tenth of random bytes are control characters
_MARKUP: Final = re.compile(rb"<(?:!doctype|\?xml|html|table\b|!--)", re.IGNORECASE)
_ARRAY_OF_OBJECTS: Final = re.compile(rb"\[\s*(?:\{|$)")
_CONTINUED: Final = re.compile(rb'\{[^\n]*[\[:][ \t\r]*\n|\{(?:[^\n]*[{,])?[ \t\r]*\n\s*["}]')
"""An object that continues in the next line; after a broken line another object begins."""
_STRINGS: Final = b'"{\\"'
_PYTHON_OBJECT: Final = re.compile(rb"\{\s*'")
_CR_ENDS: Final = re.compile(rb"[^\n]*?\}\r[ \t\r]*\{")
_OBJECT_LINE: Final = re.compile(rb"^[ \t]*\{", re.MULTILINE)
_SEPARATOR: Final = re.compile(rb"[,;\t|]")

_PLAIN: Final = "uncompress it first"
EXPORT: Final = "export it as CSV, JSON Lines or Parquet"
"""What to do with a file of any other kind."""
_ONE_A_LINE: Final = "write one object a line (JSON Lines)"


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format: `kind` for programs; for people a description, and what to do when it cannot be read."""

    kind: str
    description: str
    remedy: str = EXPORT

    def __str__(self) -> str:
        return f"{self.description}: {self.remedy}"


_EMPTY: Final = FileFormat(EMPTY, "empty", "give a file that has events")
_ARRAY: Final = FileFormat(JSON, "a JSON array", f"{_ONE_A_LINE}, or score it with `session-scorer predict`")
_PRETTY: Final = FileFormat(JSON, "JSON laid out over several lines", _ONE_A_LINE)
_LINES: Final = FileFormat(JSON_LINES, "JSON Lines", "name it .jsonl")
_CR_LINES: Final = FileFormat("cr", "JSON Lines that end with CR alone", "end each line with a line feed")
_TABLE: Final = FileFormat(CSV, "CSV or another table of text", "name it .csv")
_TEXT: Final = FileFormat(TEXT, "text that is no JSON")
_BINARY: Final = FileFormat("binary", "a binary file")
_UNKNOWN: Final = FileFormat(UNKNOWN, "unknown")

_MAGIC: Final = (
    (b"\x1f\x8b", FileFormat(GZIP, "compressed by gzip", f"{_PLAIN} (gunzip)")),
    (b"\x28\xb5\x2f\xfd", FileFormat("zstd", "compressed by zstd", f"{_PLAIN} (unzstd)")),
    (b"\xfd7zXZ\0", FileFormat("xz", "compressed by xz", f"{_PLAIN} (unxz)")),
    (b"\x04\x22\x4d\x18", FileFormat("lz4", "compressed by lz4", f"{_PLAIN} (unlz4)")),
    (b"\xff\x06\0\0sNaPpY", FileFormat("snappy", "compressed by snappy", _PLAIN)),
    (b"7z\xbc\xaf\x27\x1c", FileFormat("7z", "a 7-Zip archive", "unpack it first")),
    (b"Rar!", FileFormat("rar", "a RAR archive", "unpack it first")),
    (b"PAR1", FileFormat(PARQUET, "Parquet", "name it .parquet")),
    (b"PARE", FileFormat("encrypted", "encrypted Parquet", "decrypt it first")),
    (b"ARROW1", FileFormat(ARROW, "an Arrow file", "name it .arrow")),
    (b"ORC", FileFormat("orc", "an ORC file", "write it as Parquet")),
    (b"Obj\x01", FileFormat("avro", "an Avro file", "write it as JSON Lines or Parquet")),
    (b"SQLite format 3\0", FileFormat("sqlite", "an SQLite database")),
    (b"\x89HDF", FileFormat("hdf5", "an HDF5 file")),
    (b"\xd0\xcf\x11\xe0", FileFormat("office", "an old Excel or Office file", "save it as CSV UTF-8")),
    (b"%PDF-", FileFormat("pdf", "a PDF")),
    (b"\x1e{", FileFormat("json-seq", "a JSON text sequence", _ONE_A_LINE)),
)
_UTF_16: Final = FileFormat(
    "utf-16", "text in UTF-16", "save it as UTF-8 (iconv -f UTF-16 -t UTF-8), or read CSV with --encoding utf-16"
)
_UTF_32: Final = FileFormat("utf-32", "text in UTF-32", "save it as UTF-8 (iconv -f UTF-32 -t UTF-8)")


def recognise(head: bytes) -> FileFormat:
    """Return the format of a file by `head`: all of it or the first HEAD_BYTES."""
    if not head:
        return _EMPTY
    if (known := _by_magic(head) or _by_encoding(head)) is not None:
        return known
    text = head.removeprefix(BOM).lstrip(_BLANK)
    return _BINARY if _is_binary(text) else _of_text(text)


def _is_binary(text: bytes) -> bool:
    first = text.partition(b"\n")[0][:1024]
    if len(_CONTROL.findall(first)) > len(first) * _MOST_CONTROL:
        return True
    return b"\0" in text[:64] and not text.startswith(b"{")


def _by_magic(head: bytes) -> FileFormat | None:
    if head[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:
        return _of_zip(head)
    if head[257:262] == b"ustar":
        return FileFormat("tar", "a tar archive", "unpack it first")
    if head[:1] == b"\x80" and head[1:2] in {b"\2", b"\3", b"\4", b"\5"}:
        return FileFormat("pickle", "a Python pickle")
    if head[:3] == b"BZh" and head[4:10] == b"1AY&SY":
        return FileFormat("bzip2", "compressed by bzip2", f"{_PLAIN} (bunzip2)")
    for magic, format_ in _MAGIC:
        if head.startswith(magic):
            return None if magic.isascii() and not _CONTROL.search(head) else format_  # a column may be called ORC
    return None


def _of_zip(head: bytes) -> FileFormat:
    if b"[Content_Types].xml" in head or b"xl/" in head:
        return FileFormat("office", "an Excel workbook or another Office file", "save it as CSV UTF-8")
    return FileFormat("zip", "a zip archive", "unpack it first (unzip)")


def _by_encoding(head: bytes) -> FileFormat | None:
    """Recognise UTF-16 and UTF-32, also without a byte order mark: every second byte of plain text is then NUL."""
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return _UTF_32
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _UTF_16
    start = head[:8]
    if len(start) < 4:
        return None
    zeros = [i for i, byte in enumerate(start) if not byte]
    if zeros in ([i for i in range(len(start)) if i % 2 == odd] for odd in (0, 1)):
        return _UTF_16
    four = ([i for i in range(len(start)) if i % 4 != nonzero] for nonzero in (0, 3))
    return _UTF_32 if zeros in four else None


def _of_text(text: bytes) -> FileFormat:
    """Recognise text whose byte order mark and leading blanks are removed."""
    if not text:
        return FileFormat(EMPTY, "only blanks", _EMPTY.remedy)
    if _MARKUP.match(text):
        return FileFormat("markup", "HTML or XML", f"{EXPORT} (a login page may have been downloaded instead)")
    if text.startswith(b"["):
        return _ARRAY if _ARRAY_OF_OBJECTS.match(text) else _UNKNOWN
    if text.startswith((b"{", _STRINGS)):
        return _of_objects(text)
    if _OBJECT_LINE.search(text):
        return _UNKNOWN  # JSON Lines that begin with a broken line, perhaps
    return _TABLE if _SEPARATOR.search(text.partition(b"\n")[0]) else _TEXT


def _of_objects(text: bytes) -> FileFormat:
    if text.startswith(_STRINGS):
        return FileFormat("json-in-strings", "JSON inside strings", "write the objects themselves, one a line")
    if _PYTHON_OBJECT.match(text):
        return FileFormat("python", "Python's way to print dicts", "write JSON, by json.dumps")
    if _CR_ENDS.match(text):
        return _CR_LINES
    return _PRETTY if _CONTINUED.match(text) else _LINES


_SUFFIXES: Final = {GZIP: ".gz", "bzip2": ".bz2", "zstd": ".zst"}
_FITTING: Final = {
    CSV: {CSV, TEXT, UNKNOWN, EMPTY},
    JSON_LINES: {JSON_LINES, TEXT, UNKNOWN, EMPTY},
    PARQUET: {PARQUET},
    ARROW: {ARROW, "binary"},  # a stream of batches has no magic bytes
}
"""Formats that a file of this kind may have: broken lines and empty files are left to the reader."""


def checked_kind(path: Path) -> str:
    """Return csv, jsonl, parquet or arrow, by the name of a file to be read.

    Raises FileError for a file that cannot be opened, or whose name does not tell its kind.
    """
    try:
        kind = input_kind(path)
    except FileError as error:
        if path.is_dir():
            raise FileError(f"{path}: is a directory: give one file") from None
        content = recognise(_head(path))
        if content.kind in {EMPTY, TEXT, UNKNOWN}:
            raise
        raise FileError(f"{error}; it is {content}") from None
    if path.exists() and not path.is_file() and not path.is_dir():
        raise FileError(f"{path}: is a pipe or a device, and a file is read more than once: write a file first")
    try:
        path.open("rb").close()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    return kind


def check_contents(path: Path, kind: str) -> None:
    """Raise FileError when the file certainly holds something else than its name says."""
    with open_bytes(path) as file:
        content = recognise(file.bytes.read(HEAD_BYTES))
    if content.kind in _FITTING[kind]:
        return
    verb = f"cannot be read as {kind.capitalize()}: it is" if kind in {PARQUET, ARROW} else "is"
    if content.kind in _SUFFIXES and kind in {CSV, JSON_LINES} and compression(path) is None:
        raise FileError(f"{path}: is {content.description}: name it {path.name}{_SUFFIXES[content.kind]}")
    raise FileError(f"{path}: {verb} {content}")


def _head(path: Path) -> bytes:
    """Return the first bytes of a file; none of one that cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""
