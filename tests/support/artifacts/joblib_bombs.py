"""Small files in joblib's forms that ask for much: framed arrays that claim it, and streams that grow to it."""

import bz2
import gzip
import lzma
import pickle
import struct
import zlib
from collections.abc import Callable
from typing import Final

from scoring.contract import CATEGORIES
from tests.support.artifacts.bombs import (
    BUILD,
    END,
    MARK,
    NEWOBJ,
    NONE,
    REDUCE,
    START,
    get,
    long,
    name,
    number_of,
    put,
    scaler,
    text,
)

MANY: Final = 20_000
ZEROS: Final = 8 << 20
COMPRESSED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


def framed(shape: bytes, *, kind: str = "f8", alignment: bytes = NONE, order: str = "C") -> bytes:
    """joblib's description of an array; what comes after it is the array."""
    dtype = name("numpy", "dtype") + MARK + text(kind) + b"\x89\x88t" + REDUCE
    state = text("subclass") + name("numpy", "ndarray") + text("shape") + shape + text("order") + text(order)
    state += text("dtype") + dtype + text("numpy_array_alignment_bytes") + alignment
    made = name("joblib.numpy_pickle", "NumpyArrayWrapper") + b")" + NEWOBJ
    return made + b"}" + MARK + state + b"u" + BUILD


def of_objects(inner: bytes) -> bytes:
    """A framed array of one object; `inner` is the pickle that follows."""
    return scaler(framed(b"K\x01\x85", kind="O8") + inner)


def framed_bombs() -> dict[str, tuple[str, bytes]]:
    """Each with the file in whose place it is to be put."""
    tall = long(1 << 40)
    listed = START + b"]" + MARK + get(9) * MANY + b"e" + END
    arrays = {
        "a framed array of a tebibyte": framed(tall + b"\x85") + bytes(64),
        "a framed array whose size overflows 64 bits": framed(tall + tall + b"\x86") + bytes(64),
        "a framed array of nothing, a tebibyte long": framed(tall + b"K\x00\x86") + bytes(64),
        "a framed array of less than nothing": framed(b"J\xff\xff\xff\xff\x85") + bytes(64),
        "a framed array with a giant number for a size": framed(long(1 << 80_000) + b"\x85") + bytes(64),
        "a framed array of text for a size": framed(text("8") + b"\x85") + bytes(64),
        "a framed array of 500 dimensions": framed(MARK + b"K\x01" * 500 + b"t") + bytes(64),
        "a framed array of text a gigabyte wide": framed(b"K\x01\x85", kind="U99999999") + bytes(64),
        "a framed array of an unknown kind": framed(b"K\x01\x85", kind="V9999999") + bytes(64),
        "a framed array padded beyond the end": framed(b"K\x01\x85", alignment=b"K\x10") + b"\xff",
        "a framed array without a shape": framed(NONE) + bytes(64),
        "a framed array described twice": framed(b"K\x01\x85") + bytes(8) + b"}" + BUILD,
        "a thousand framed arrays of two rows in one": MARK + (framed(b"K\x02\x85") + bytes(16)) * 999 + b"t",
    }
    nested = {
        "objects in objects in objects": of_objects((START + b"]" + MARK) * 5_000 + b"e" * 5_000 + END),
        "objects of a tebibyte": of_objects(START + b"\x8e" + struct.pack("<Q", 1 << 40) + b"x" + END),
        "a memo of 2 ** 32 places among objects": of_objects(START + NONE + put(0xFFFFFFFF) + END),
        "a framed array within objects": of_objects(START + framed(b"K\x01\x85") + bytes(8) + END),
        "objects framed in objects without end": of_objects((START + framed(b"K\x01\x85", kind="O8")) * MANY),
        "objects that get what is outside them": of_objects(listed),
        "a million instructions among objects": of_objects(START + b"}" * 1_000_000 + END),
        "objects by the thousand that are nothing": START
        + MARK
        + (framed(b"K\x00\x85", kind="O8") + b"\x80\x04].") * MANY
        + b"t"
        + END,
    }
    made = {kind: scaler(array) for kind, array in arrays.items()} | nested
    return {kind: ("scaler.pkl", data) for kind, data in made.items()}


def compressed_bombs() -> dict[str, tuple[str, bytes]]:
    """The same, for streams."""
    zeros = bytes(ZEROS)
    dicts = START + b"}" * 4_000_000 + END  # below what any stream may inflate to
    made = {f"zeros by {kind}": ("rf_model.pkl", compress(zeros)) for kind, compress in COMPRESSED.items()}
    made |= {f"dicts by {kind}": ("label_encoders.pkl", compress(dicts)) for kind, compress in COMPRESSED.items()}
    small = pickle.dumps([0])
    pictures = name("sklearn.preprocessing._label", "LabelEncoder") + b")" + NEWOBJ + b"}" + MARK + text("classes_")
    pictures += framed(long(1_000_000) + b"\x85", kind="U1")
    pictures += "😀".encode("utf-32-le") * 1_000_000 + b"u" + BUILD + put(2)
    encoders = START + b"}" + MARK + text("device_type") + pictures
    encoders += b"".join(text(field) + get(2) for field in CATEGORIES[1:]) + b"u" + END
    return made | {
        "the same class a million times by xz": ("label_encoders.pkl", lzma.compress(encoders)),
        "dicts by xz in the place of the forest": ("rf_model.pkl", lzma.compress(dicts)),
        "a stream in a stream in a stream": ("scaler.pkl", gzip.compress(zlib.compress(lzma.compress(small)))),
        "streams one behind the other": ("scaler.pkl", gzip.compress(small) * MANY),
        "a stream cut short": ("scaler.pkl", zlib.compress(zeros[:MANY])[:-5]),
        "a window of a gibibyte": ("scaler.pkl", b"\x5d\x00\x00\x00\x40" + b"\xff" * 8 + bytes(64)),
        "a window of four gibibytes": ("scaler.pkl", b"\x5d\x00\x00\xff\xff" + b"\xff" * 8 + bytes(64)),
        "a head and nothing else": ("scaler.pkl", b"\xfd7zXZ\x00"),
        "numbers behind one another": ("scaler.pkl", gzip.compress(scaler(number_of(7)) * MANY)),
    }
