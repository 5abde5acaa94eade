"""The names that a pickle of the five files may use, and their stand-ins. It cannot name or call anything else."""

import pickle
from typing import Any, Final

import numpy as np

from scoring.artifacts import imputed_hour, pandas_types
from scoring.artifacts.compression import BY_OLD_JOBLIB
from scoring.artifacts.framed_arrays import FramedArray
from scoring.artifacts.pickle_types import Array, Dtype, Global, Record, recorded
from scoring.errors import UnreadableFileError

_ALIASES: Final = {"copy_reg": "copyreg", "__builtin__": "builtins", "numpy.core.memmap": "numpy"}
"""Python 2's names for modules, which protocols 0 to 2 use, and numpy 1's."""
_SEPARATE: Final = frozenset({"NDArrayWrapper", "ZNDArrayWrapper"})


def find(module: Any, name: Any) -> Global:
    """Return the stand-in for `module.name`, also by older names of modules. Raises UnpicklingError for others."""
    if not (isinstance(module, str) and isinstance(name, str)):
        raise pickle.UnpicklingError("it names what is no name")
    key = (_ALIASES.get(module, module).replace("numpy.core.", "numpy._core."), name)
    if key in GLOBALS:
        return GLOBALS[key]
    if "joblib" in module and name in _SEPARATE:
        raise UnreadableFileError(
            "its arrays are in files of their own (.npy), as joblib before 0.10 wrote them",
            BY_OLD_JOBLIB,
        )
    reason = f"it names {module[:80]}.{name[:80]}, which no artifact needs"
    if module.partition(".")[0] == "pandas":
        raise UnreadableFileError(reason, "write the set again with dict(…) or list(…) of it")
    if module.partition(".")[0] in ("dateutil", "pytz"):
        raise UnreadableFileError(reason, "write the set again with a date without a zone")
    raise UnreadableFileError(reason)


def _framed_array(*_: Any) -> FramedArray:
    return FramedArray()


def _dtype(kind: Any, *_: Any) -> Dtype:
    return Dtype(kind)


def _array(*_: Any) -> Array:
    return Array()


def _scalar(dtype: Dtype, content: bytes) -> Any:
    return np.frombuffer(content, dtype=dtype.simple())[0]


def _from_buffer(content: bytes, dtype: Dtype, shape: tuple[int, ...], order: str) -> Array:
    return Array((1, shape, dtype, order == "F", content))


def _encode(text: str, encoding: str) -> bytes:
    """Stand in for `_codecs.encode`, by which protocols 0 to 2 carry bytes; no other codec is looked up."""
    if encoding != "latin1":
        raise pickle.UnpicklingError("it holds bytes in an encoding other than latin1")
    return text.encode("latin1")


def _reconstructor(class_: Global, base: Global, state: Any) -> Any:
    """Stand in for `copyreg._reconstructor`, by which protocols 0 and 1 make an object without arguments."""
    if (
        not class_.is_class
        or base not in (_OBJECT, imputed_hour.TZINFO)
        or not (state is None or isinstance(state, Record))
    ):
        raise pickle.UnpicklingError("it makes an object in a way that no artifact needs")
    return class_.make()


_OBJECT: Final = recorded("object")
_FOREST: Final = recorded("RandomForestClassifier")
_TREE: Final = recorded("DecisionTreeClassifier")
_SCALER: Final = recorded("StandardScaler")
_ENCODER: Final = recorded("LabelEncoder")
_ARRAY: Final = recorded("ndarray")  # only as the class of an array
_FRAMED: Final = Global(_framed_array, is_class=True)
GLOBALS: Final[dict[tuple[str, str], Global]] = {
    ("sklearn.ensemble._forest", "RandomForestClassifier"): _FOREST,
    ("sklearn.tree._classes", "DecisionTreeClassifier"): _TREE,
    ("sklearn.tree._tree", "Tree"): recorded("Tree"),
    ("sklearn.preprocessing._data", "StandardScaler"): _SCALER,
    ("sklearn.preprocessing._label", "LabelEncoder"): _ENCODER,
    # before scikit-learn 0.22: read to find the version, then refused
    ("sklearn.ensemble.forest", "RandomForestClassifier"): _FOREST,
    ("sklearn.tree.tree", "DecisionTreeClassifier"): _TREE,
    ("sklearn.preprocessing.data", "StandardScaler"): _SCALER,
    ("sklearn.preprocessing.label", "LabelEncoder"): _ENCODER,
    # a forest keeps a generator that was its random_state
    ("numpy.random._pickle", "__randomstate_ctor"): recorded("RandomState"),
    ("numpy.random._pickle", "__bit_generator_ctor"): recorded("BitGenerator"),
    ("numpy.random._mt19937", "MT19937"): recorded("MT19937"),
    ("numpy", "dtype"): Global(_dtype),
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "memmap"): _ARRAY,
    ("numpy._core.multiarray", "_reconstruct"): Global(_array),
    ("numpy._core.multiarray", "scalar"): Global(_scalar),
    ("numpy._core.numeric", "_frombuffer"): Global(_from_buffer),
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _FRAMED,
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"): _FRAMED,
    ("_codecs", "encode"): Global(_encode),
    ("copyreg", "_reconstructor"): Global(_reconstructor),
    ("builtins", "object"): _OBJECT,
    **imputed_hour.GLOBALS,
    **pandas_types.GLOBALS,
}
