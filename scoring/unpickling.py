"""Unpickling the five files without scikit-learn, and without running what they might name.

A pickle is a program. `find_class` is its only way to code outside the pickle machine, so that is where it is held:
the five scikit-learn classes and pandas' timestamp become inert records that keep their arguments and their state,
a short list of numpy's functions is allowed, and every other name is refused.
"""

import codecs
import io
import pickle
from typing import Any, Final

import numpy as np
from numpy._core import multiarray, numeric

from scoring.errors import ArtifactError

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


class Record:
    """An object of the pickle, not built: the name of its class, the arguments and the state it was to be made from."""

    class_name = ""

    def __init__(self, *args: object) -> None:
        self.args = args
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state


def _latin1(text: str, encoding: str) -> bytes:
    """Stands in for `_codecs.encode`, by which protocol 2 carries bytes; no other codec is ever looked up."""
    if codecs.lookup(encoding).name != "iso8859-1":
        raise pickle.UnpicklingError("bytes in an encoding other than latin1")
    return text.encode("latin1")


ALLOWED: Final[dict[tuple[str, str], object]] = {
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy._core.multiarray", "_reconstruct"): multiarray._reconstruct,  # noqa: SLF001 - how numpy spells it
    ("numpy._core.multiarray", "scalar"): multiarray.scalar,
    ("numpy._core.numeric", "_frombuffer"): numeric._frombuffer,  # type: ignore[attr-defined]  # noqa: SLF001 - how numpy spells it
    ("_codecs", "encode"): _latin1,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in RECORDS:
            return type(name, (Record,), {"class_name": name})
        spelt_now = module.replace("numpy.core.", "numpy._core.")
        try:
            return ALLOWED[spelt_now, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no artifact needs") from None


def unpickle(name: str, data: bytes) -> Any:
    """The object in the pickle `data`, with inert `Record`s in it. `name` is for the message of the ArtifactError."""
    try:
        return _Reader(io.BytesIO(data)).load()
    except Exception as error:  # noqa: BLE001 - a broken pickle can raise anything at all
        reason = str(error) if isinstance(error, pickle.UnpicklingError) else type(error).__name__
        raise ArtifactError(f"{name}: refused, it is no pickle of the kind expected: {reason}") from None
