"""Read column names as pandas pickles them: an `Index` over an array of numpy, pandas or pyarrow."""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from scoring.artifacts.pickle_types import Global, Record, plain, recorded
from scoring.model import MOST_FEATURES

_OFFSETS: Final = {"string": "<i4", "utf8": "<i4", "large_string": "<i8", "large_utf8": "<i8"}  # Arrow's, by its type
_MOST_BYTES: Final = 800  # of a name, on average: 200 characters of four bytes


def names_of(value: Any) -> Any:
    """Return the content of an Index or an array of text, as a list or an array; return anything else unchanged."""
    if not isinstance(value, Record) or value.class_name != "Index":
        return _texts(value)
    _, parts = value.args
    return _texts(plain(parts["data"]))


def _texts(value: Any) -> Any:
    if not isinstance(value, Record):
        return value
    if value.class_name == "StringArray":  # its dtype, then its array
        return next(part for part in map(plain, value.state) if isinstance(part, list | np.ndarray))
    if value.class_name == "ArrowStringArray":
        return _arrow_texts(value.state.get("_pa_array", value.state.get("_data")))
    return None


def _arrow_texts(array: Record) -> list[str]:
    """Return the text of an array of pyarrow, chunked or not: at most one more than a forest may have."""
    chunks = array.args[0] if array.class_name == "chunked_array" else [array]
    return list(itertools.islice(itertools.chain.from_iterable(map(_chunk_texts, chunks)), MOST_FEATURES + 1))


def _chunk_texts(chunk: Record) -> list[str]:
    (parts,) = chunk.args if chunk.class_name == "array" else ()
    kind, length, nulls, first, buffers, *_ = parts
    validity, ends, text = buffers
    if nulls or validity is not None or not 0 <= length <= MOST_FEATURES:
        raise ValueError("a name is missing, or there are too many")
    limits: Sequence[int] = np.frombuffer(ends, _OFFSETS[kind.args[0]])[first : first + length + 1].tolist()
    if len(limits) != length + 1 or sorted(limits) != limits or limits[0] < 0 or limits[-1] > len(text):
        raise ValueError("offsets and text disagree")
    if limits[-1] - limits[0] > _MOST_BYTES * length:
        raise ValueError("names are too long")
    return [bytes(text[start:end]).decode() for start, end in itertools.pairwise(limits)]


def _bytes(content: Any) -> bytes:
    """Stand in for `bytearray`, and for pyarrow's buffer over one."""
    if not isinstance(content, bytes | bytearray):
        raise TypeError("no bytes")
    return bytes(content)


def _string_array(_class: Any, _checksum: Any, state: Any) -> Record:
    return Record("StringArray", (), state)


GLOBALS: Final[dict[tuple[str, str], Global]] = {
    ("pandas.core.indexes.base", "_new_Index"): recorded("Index"),
    ("pandas.core.indexes.base", "Index"): recorded("class Index"),
    ("pandas", "Index"): recorded("class Index"),
    ("pandas", "NA"): recorded("NA"),
    ("pandas._libs.missing", "NA"): recorded("NA"),
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): Global(_string_array),
    ("builtins", "bytearray"): Global(_bytes),
    ("pyarrow.lib", "_restore_array"): recorded("array"),
    ("pyarrow.lib", "chunked_array"): recorded("chunked_array"),
    ("pyarrow.lib", "type_for_alias"): recorded("type"),
    ("pyarrow.lib", "py_buffer"): Global(_bytes),
} | {
    (module, name): recorded(name)
    for name in ("StringArray", "ArrowStringArray", "StringDtype")
    for module in ("pandas", "pandas.arrays", "pandas.core.arrays.string_", "pandas.core.arrays.string_arrow")
}
"""The names that a pickle of an Index of text uses, by pandas 0.25 to 3."""
