"""Decompress a file of a set, recognised by its first bytes, with the standard library, up to a limit of size."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from scoring.errors import UnreadableFileError

MOST_RATIO: Final = 32  # forests shrink 3- to 10-fold, by xz -9 at the most; stumps 20-fold
_FREE: Final = 4 << 20  # bytes that any stream may inflate to
_MOST_LZMA: Final = 128 << 20  # memory of the decoder; xz -9 takes 65 MiB
BY_OLD_JOBLIB: Final = "load it with that joblib and write the set again with joblib 0.10 or newer"
_ZFILE: Final = "joblib's Z-file"
_AGAIN: Final = "write the set again with joblib.dump(…, compress=3), or uncompressed"


@dataclass(frozen=True, slots=True)
class Content:
    """The uncompressed bytes of a file, and how many bytes it has on disk."""

    data: bytes
    stored: int


def decompress(data: bytes) -> Content:
    """Return the bytes, decompressed if needed. Raises UnreadableFileError for a broken or too large stream."""
    for magic, reason, remedy in _NO_PICKLES:
        if data.startswith(magic):
            raise UnreadableFileError(reason, remedy)
    name = _compression(data)
    if name is None:
        return Content(data, len(data))
    if name == _ZFILE:
        raise UnreadableFileError("it was compressed by joblib before 0.10", BY_OLD_JOBLIB)
    if name not in _DECOMPRESSORS:
        raise UnreadableFileError(
            f"it is compressed by {name}, which Python's standard library does not read here", _AGAIN
        )
    inflated = _inflated(name, data)
    if _compression(inflated) is not None:
        raise UnreadableFileError("it is compressed twice", _AGAIN)
    return Content(inflated, len(data))


def _compression(data: bytes) -> str | None:
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def _inflated(name: str, data: bytes) -> bytes:
    most = max(_FREE, MOST_RATIO * len(data))
    try:
        decompressor = _DECOMPRESSORS[name]()
        inflated: bytes = decompressor.decompress(data, most + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError):
        raise UnreadableFileError(f"its {name} stream is broken") from None
    if len(inflated) > most:
        raise UnreadableFileError(
            f"it inflates to more than {MOST_RATIO} times its size", "write the set again uncompressed"
        )
    if not decompressor.eof:
        raise UnreadableFileError(f"its {name} stream is cut short")
    if decompressor.unused_data:
        raise UnreadableFileError(f"more bytes follow its {name} stream", _AGAIN)
    return inflated


_DECOMPRESSORS: Final[dict[str, Callable[[], Any]]] = {
    "zlib": zlib.decompressobj,
    "gzip": partial(zlib.decompressobj, wbits=31),
    "bz2": bz2.BZ2Decompressor,
    "xz": partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, memlimit=_MOST_LZMA),
    "lzma": partial(lzma.LZMADecompressor, lzma.FORMAT_ALONE, memlimit=_MOST_LZMA),
}
_MAGIC: Final = (
    *((b"\x78" + level, "zlib") for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x5d\x00\x00", "lzma"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x9d", "compress"),
    (b"ZF0x", _ZFILE),
)
"""No pickle begins with any of these."""
_REPLACE: Final = "replace it by the file itself"
_NO_PICKLES: Final = (
    (b"version https://git-lfs", "it is a pointer of Git LFS, not the file", f"run git lfs pull, or {_REPLACE}"),
    (b"<!DOCTYPE", "it is a web page, not the file", _REPLACE),
    (b"<html", "it is a web page, not the file", _REPLACE),
    (b"\x93NUMPY", "it is a .npy file, an array alone", "restore the file, or write the set again"),
    (b"\x89HDF", "it is an HDF5 file", "restore the file, or write the set again"),
)
"""Files that people put where a pickle belongs."""
