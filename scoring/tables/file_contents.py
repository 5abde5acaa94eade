"""What a file holds, compared with what its name says."""

from pathlib import Path
from typing import Final

from scoring.tables.file_format import CSV, EMPTY, GZIP, HEAD_BYTES, JSON_LINES, PARQUET, TEXT, UNKNOWN, recognise
from scoring.tables.source import FileError, is_zipped, kind_to_read, opened

_FITTING: Final = {
    CSV: {CSV, TEXT, UNKNOWN, EMPTY},
    JSON_LINES: {JSON_LINES, TEXT, UNKNOWN, EMPTY},
    PARQUET: {PARQUET},
}
"""What may be in a file whose name promises this: a broken line is its reader's business, and so is an empty file."""


def checked_kind(path: Path) -> str:
    """Return csv, jsonl or parquet, by the name of a file to be read.

    Raises FileError for a file that cannot be opened, or whose name does not say what it is, with what it holds.
    """
    try:
        kind = kind_to_read(path)
    except FileError as error:
        if path.is_dir():
            raise FileError(f"{path}: is a directory: give one file") from None
        found = recognise(_head(path))
        if found.kind in {EMPTY, TEXT, UNKNOWN}:
            raise
        raise FileError(f"{error}; it is {found}") from None
    if path.exists() and not path.is_file() and not path.is_dir():
        raise FileError(f"{path}: is a pipe or a device, and a file is read more than once: write a file first")
    try:
        path.open("rb").close()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    return kind


def check_contents(path: Path, kind: str) -> None:
    """Raise FileError when the file certainly holds something else than its name says."""
    with opened(path) as file:
        found = recognise(file.bytes.read(HEAD_BYTES))
    if found.kind in _FITTING[kind]:
        return
    what = "cannot be read as Parquet: it is" if kind == PARQUET else "is"
    if found.kind == GZIP and kind != PARQUET and not is_zipped(path):
        raise FileError(f"{path}: is compressed by gzip: name it {path.name}.gz")
    raise FileError(f"{path}: {what} {found}")


def _head(path: Path) -> bytes:
    """Return the first bytes of a file; nothing of one that cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""
