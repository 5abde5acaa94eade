"""Unpickling the five files without scikit-learn, and without running what they might name.

A pickle is a program. `find_class` is its only way to code outside the pickle machine, so that is where it is held:
the scikit-learn classes and pandas' timestamp become inert records that keep their arguments and their state, and
numpy's dtype, array and scalar are put together here, from plain parts. numpy's own functions trust what a pickle
says of memory: a crafted object dtype makes them follow any pointer.
"""

import io
import math
import pickle
from typing import Any, Final

import numpy as np

from scoring.errors import ArtifactError


class Record:
    """An object of the pickle, not built: the name of its class, the arguments and the state it was to be made from."""

    class_name = ""

    def __init__(self, *args: object) -> None:
        self.args = args
        self.state: Any = {}

    def __setstate__(self, state: Any) -> None:
        self.state = {name: plain(value) for name, value in state.items()} if isinstance(state, dict) else state


def unpickle(name: str, data: bytes) -> Any:
    """The object in the pickle `data`, with inert `Record`s in it. `name` is for the message of the ArtifactError."""
    try:
        return plain(_Reader(io.BytesIO(data)).load())
    except Exception as error:  # noqa: BLE001 - a broken pickle can raise anything at all
        reason = str(error) if isinstance(error, pickle.UnpicklingError) else type(error).__name__
        raise ArtifactError(f"{name}: refused, it is no pickle of the kind expected: {reason}") from None


def plain(value: Any) -> Any:
    """The array that a record of one describes; anything else as it is."""
    return value.array() if isinstance(value, _Array) else value


class _Dtype(Record):
    """`numpy.dtype(kind, align, copy)` and its state (version, byte order, subarray, names, fields, size, …)."""

    def dtype(self) -> np.dtype[Any]:
        kind, order = self.args[0], self.state[1] if self.state else "|"
        if self.state and self.state[3] is not None:
            names, fields = self.state[3], self.state[4]
            formats = [fields[name][0].dtype() for name in names]
            offsets = [fields[name][1] for name in names]
            made = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.state[5]})
        elif isinstance(kind, str) and kind[:1] in "biufUM" and not (self.state and self.state[2]):
            unit = f"[{self.state[8][1][0]}]" if kind[0] == "M" else ""
            made = np.dtype((order if order in "<>" else "") + kind + unit)
        else:
            raise pickle.UnpicklingError("an array of a kind that no artifact needs")
        if made.hasobject:
            raise pickle.UnpicklingError("an array with objects inside its fields")
        return made


class _Array(Record):
    """An array by `_reconstruct` (its state: version, shape, dtype, Fortran order, content) or by `_frombuffer`."""

    def array(self) -> np.ndarray[Any, Any]:
        _, shape, dtype, fortran, content = self.state
        if dtype.args[0] in ("O", "O8"):
            made = np.empty(len(content), dtype=object)
            made[:] = content
        else:
            made = np.frombuffer(content, dtype=dtype.dtype())
        if math.prod(shape) != len(made):
            raise pickle.UnpicklingError("an array whose shape and content disagree")
        return made.reshape(shape, order="F" if fortran else "C")


def _from_buffer(content: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array.state = (1, shape, dtype, order == "F", content)
    return array


def _scalar(dtype: _Dtype, content: bytes) -> Any:
    """One number, as bytes."""
    return np.frombuffer(content, dtype=dtype.dtype())[0]


def _encode(text: str, encoding: str) -> bytes:
    """`_codecs.encode`, by which protocol 2 carries bytes; no other codec is looked up."""
    if encoding != "latin1":
        raise pickle.UnpicklingError("bytes in an encoding other than latin1")
    return text.encode("latin1")


RECORDS: Final = frozenset(
    {
        ("sklearn.ensemble._forest", "RandomForestClassifier"),
        ("sklearn.tree._classes", "DecisionTreeClassifier"),
        ("sklearn.tree._tree", "Tree"),
        ("sklearn.preprocessing._data", "StandardScaler"),
        ("sklearn.preprocessing._label", "LabelEncoder"),
        ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp"),
    }
)
STAND_INS: Final[dict[tuple[str, str], object]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): Record,  # only ever the first argument of _reconstruct
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in RECORDS:
            return type(name, (Record,), {"class_name": name})
        try:
            return STAND_INS[module.replace("numpy.core.", "numpy._core."), name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no artifact needs") from None
