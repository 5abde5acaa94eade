"""Small pickles that ask for much: memory, time or depth. Written by hand, since no pickler would."""

import pickle
import struct
from typing import Any

from tests.sets import FiveFiles

START, END, NONE, MARK, BUILD, REDUCE, NEWOBJ, TUPLE2 = b"\x80\x04", b".", b"N", b"(", b"b", b"R", b"\x81", b"\x86"
MANY = 20_000


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def put(place: int) -> bytes:
    return b"r" + struct.pack("<I", place)


def get(place: int) -> bytes:
    return b"j" + struct.pack("<I", place)


def doubling(levels: int) -> bytes:
    """A pair of the same pair of the same pair…: of 2 ** levels leaves when it is walked."""
    return NONE + b"".join(put(level) + get(level) + TUPLE2 for level in range(levels))


def scaler(mean: bytes) -> bytes:
    """A StandardScaler whose mean_ is what `mean` pushes."""
    made = name("sklearn.preprocessing._data", "StandardScaler") + b")" + NEWOBJ
    return START + made + b"}" + MARK + text("mean_") + mean + b"u" + BUILD + END


def array(shape: bytes, kind: str = "f8", content: bytes = b"C\x00") -> bytes:
    """An array of the shape and content pushed."""
    dtype = name("numpy", "dtype") + MARK + text(kind) + b"\x89\x88t" + REDUCE
    state = MARK + b"K\x01" + shape + dtype + b"\x89" + content + b"t"
    made = (
        name("numpy._core.multiarray", "_reconstruct") + MARK + name("numpy", "ndarray") + b"K\x00\x85C\x01bt" + REDUCE
    )
    return made + state + BUILD


def long(value: int) -> bytes:
    data = pickle.encode_long(value)
    return b"\x8b" + struct.pack("<i", len(data)) + data


def forest(files: FiveFiles, **attributes: Any) -> bytes:
    """The set's forest with other attributes."""
    again = pickle.loads(pickle.dumps(files.rf_model))
    vars(again).update(attributes)
    return pickle.dumps(again)


def bombs(files: FiveFiles) -> dict[str, tuple[str, bytes]]:
    """Each with the file in whose place it is to be put."""
    size = struct.pack("<Q", 1 << 40)
    again = name("_codecs", "encode") + put(2) + text("x" * MANY) + put(0) + text("latin1") + put(1)
    coded = get(2) + get(0) + get(1) + TUPLE2 + REDUCE
    number = name("numpy._core.multiarray", "scalar") + put(3) + name("numpy", "dtype") + MARK
    number += text(f"U{MANY}") + b"\x89\x88t" + REDUCE + put(4) + b"B" + struct.pack("<I", 4 * MANY) + b"x\0\0\0" * MANY
    record = name("sklearn.tree._tree", "Tree") + b")" + NEWOBJ + put(0)
    state = b"}" + MARK + b"".join(text(str(i)) + NONE for i in range(MANY)) + b"u" + put(1)
    return {
        "a memo of 2 ** 32 places": ("scaler.pkl", START + NONE + put(0xFFFFFFFF) + END),
        "a tebibyte of bytes": ("scaler.pkl", START + b"\x8e" + size + b"x" + END),
        "a tebibyte to write into": ("scaler.pkl", b"\x80\x05\x96" + size + b"x" + END),
        "a tebibyte of text": ("scaler.pkl", START + b"\x8d" + size + b"x" + END),
        "a frame of a tebibyte": ("scaler.pkl", START + b"\x95" + size + NONE + END),
        "a key that takes 2 ** 60 steps to hash": ("scaler.pkl", START + b"}" + doubling(60) + NONE + b"s" + END),
        "a list in a list, half a million deep": ("scaler.pkl", START + b"]" * 500_000 + b"a" * 499_999 + END),
        "a tuple in a tuple, half a million deep": ("scaler.pkl", START + NONE + b"\x85" * 500_000 + END),
        "a mean of 2 ** 40 parts": ("scaler.pkl", scaler(doubling(40))),
        "a mean of 10 ** 12 rows of nothing": ("scaler.pkl", scaler(array(long(10**12) + b"K\x00\x86"))),
        "a mean of more dimensions than there are": ("scaler.pkl", scaler(array(MARK + b"K\x01" * 500 + b"t"))),
        "a shape of giant numbers": (
            "scaler.pkl",
            scaler(array(MARK + long(1 << 80_000) + put(9) + get(9) * 2 + b"t")),
        ),
        "text a gigabyte wide": ("scaler.pkl", scaler(array(b"K\x01\x85", kind="U99999999"))),
        "the same bytes again and again": ("scaler.pkl", START + again + MARK + coded * MANY + b"t" + END),
        "the same number again and again": (
            "scaler.pkl",
            START
            + number
            + b"0" * 0
            + put(5)
            + MARK
            + (get(3) + get(4) + get(5) + TUPLE2 + REDUCE) * MANY
            + b"t"
            + END,
        ),
        "a state set again and again": ("rf_model.pkl", START + record + state + BUILD + (get(1) + BUILD) * MANY + END),
        "a tree a hundred thousand times": (
            "rf_model.pkl",
            forest(files, estimators_=list(files.rf_model.estimators_[:1]) * 100_000),
        ),
        "columns whose number is 2 ** 8,000,000": ("rf_model.pkl", forest(files, n_features_in_=1 << 8_000_000)),
        "columns whose number is a list of 2 ** 60 parts": ("rf_model.pkl", forest(files, n_features_in_=_nested(60))),
        "classes of 2 ** 60 parts": ("rf_model.pkl", forest(files, classes_=_nested(60))),
        "outputs of 2 ** 60 parts": ("rf_model.pkl", forest(files, n_outputs_=_nested(60))),
        "millions of instructions": ("scaler.pkl", START + b"}" * 5_000_000 + END),
    }


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value, value]
    return value
