"""Small pickles that ask for much: memory, time or depth. Written by hand, since no pickler would."""

import pickle
import struct
from typing import Any

from scoring.contract import CATEGORIES
from tests.support.artifacts.sets import FiveFiles

START, END, NONE, MARK, BUILD, REDUCE, NEWOBJ, TUPLE2 = b"\x80\x04", b".", b"N", b"(", b"b", b"R", b"\x81", b"\x86"
MANY = 20_000
MILLIONS = 2_000_000


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


def columns_of(fields: int) -> bytes:
    """The state of a type of an array whose entries have so many fields."""
    number = name("numpy", "dtype") + MARK + text("f8") + b"\x89\x88t" + REDUCE
    names = MARK + b"".join(text(f"f{i}") for i in range(fields)) + b"t"
    offsets = b"}" + MARK
    for i in range(fields):
        offsets += text(f"f{i}") + number + number_of(8 * i) + TUPLE2
    state = MARK + b"K\x03" + text("|") + NONE + names + offsets + b"u"
    state += number_of(8 * fields) + b"K\x01K\x10t"
    return state


def columns(state: bytes) -> bytes:
    """A type of an array whose state is pushed."""
    return name("numpy", "dtype") + MARK + text("V8") + b"\x89\x88t" + REDUCE + state + BUILD


def array_of(kind: bytes, content: bytes) -> bytes:
    """An array of one entry, of the type pushed."""
    data = b"B" + struct.pack("<I", len(content)) + content
    state = MARK + b"K\x01K\x01\x85" + kind + b"\x89" + data + b"t"
    made = name("numpy._core.multiarray", "_reconstruct") + MARK + name("numpy", "ndarray") + b"K\x00\x85C\x01bt"
    return made + REDUCE + state + BUILD


def number_of(value: int) -> bytes:
    return b"M" + struct.pack("<H", value)


def tree_of(items: bytes) -> bytes:
    """A tree with the state of the keys and values pushed."""
    return name("sklearn.tree._tree", "Tree") + b")" + NEWOBJ + b"}" + MARK + items + b"u" + BUILD


def class_list(value: str, times: int) -> bytes:
    """Encoders whose classes are the same text so many times."""
    encoder = name("sklearn.preprocessing._label", "LabelEncoder") + b")" + NEWOBJ
    listed = b"]" + MARK + text(value) + put(1) + get(1) * times + b"e"
    encoder += b"}" + MARK + text("classes_") + listed + b"u" + BUILD + put(2)
    first, *others = CATEGORIES
    return START + b"}" + MARK + text(first) + encoder + b"".join(text(field) + get(2) for field in others) + b"u" + END


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
    dictionary = b"}" + MARK + b"".join(text(str(i)) + NONE for i in range(MANY)) + b"u"
    tree, arguments = name("sklearn.tree._tree", "Tree"), MARK + NONE * MANY + b"t"
    same = b"".join(b"J" + struct.pack("<I", i) + get(0) for i in range(20 * MANY))
    return {
        "one array in an object four hundred thousand times": (
            "scaler.pkl",
            START + MARK + array_of(columns(columns_of(32)), bytes(256)) + put(0) + tree_of(same) + b"t" + END,
        ),
        "types of 32 fields by the thousand": (
            "rf_model.pkl",
            START
            + MARK
            + columns_of(32)
            + put(0)
            + tree_of(b"".join(number_of(i) + array_of(columns(get(0)), bytes(256)) for i in range(MANY)))
            + b"t"
            + END,
        ),
        "one large state for many objects": (
            "rf_model.pkl",
            START
            + tree
            + put(0)
            + dictionary
            + put(1)
            + MARK
            + (get(0) + b")" + NEWOBJ + get(1) + BUILD) * MANY
            + b"t"
            + END,
        ),
        "many arguments for many objects": (
            "rf_model.pkl",
            START + tree + put(0) + arguments + put(1) + MARK + (get(0) + get(1) + NEWOBJ) * MANY + b"t" + END,
        ),
        "a class of half a megabyte many times": ("label_encoders.pkl", class_list("x" * 500_000, 100_000)),
        "a column of a hundred kilobytes many times": (
            "feature_cols.pkl",
            START + b"]" + MARK + text("x" * 100_000) + put(0) + get(0) * MANY + b"e" + END,
        ),
        "an imputed number of 2 ** 8,000,000": (
            "imputation_values.pkl",
            pickle.dumps({**files.imputation_values, "click_events": 1 << 8_000_000}),
        ),
        "ten million places in the memo": ("rf_model.pkl", START + NONE + b"\x94" * 10_000_000 + END),
        "ten million marks": ("rf_model.pkl", START + MARK * 10_000_000 + END),
        "ten million dicts": ("label_encoders.pkl", START + b"}" * 10_000_000 + END),
        "ten million tuples of one": ("feature_cols.pkl", START + NONE + b"\x85" * 10_000_000 + END),
        "two million places that are put": (
            "imputation_values.pkl",
            START + NONE + b"".join(map(put, range(MILLIONS))) + END,
        ),
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
