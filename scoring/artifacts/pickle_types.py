"""Stand-ins for the objects of the five files: records, and arrays made of plain parts.

None of these is a function of scikit-learn, pandas or numpy. Those of numpy trust what a pickle says of memory: a
crafted object dtype makes them follow any pointer.
"""

import math
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

_KIND: Final = re.compile(r"[biuf][1248]|U[0-9]{1,8}|M8")
MOST_FIELDS: Final = 32  # a node of a tree has eight or nine
MOST_DIMENSIONS: Final = 3
_UNITS: Final = frozenset({"Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"})


@dataclass(slots=True)
class Record:
    """An object that is not built: the name of its class, and its arguments and state."""

    class_name: str
    args: tuple[Any, ...]
    state: Any = None

    def set_state(self, state: Any) -> None:
        """Keep the state that BUILD sets."""
        self.state = {name: plain(value) for name, value in state.items()} if isinstance(state, dict) else state


@dataclass(slots=True)
class Dtype:
    """`numpy.dtype(kind, align, copy)` and its state (version, byte order, subarray, names, fields, size, …)."""

    kind: Any
    state: Any = None
    cached: np.dtype[Any] | None = None

    def set_state(self, state: Any) -> None:
        self.state = state

    @property
    def is_object(self) -> bool:
        """True when entries are Python objects, which become a list."""
        return self.kind in ("O", "O8")

    def dtype(self) -> np.dtype[Any]:
        """Return numpy's dtype of numbers, text or moments, or of nodes with such fields."""
        if self.cached is None:
            self.cached = self._dtype()
        return self.cached

    def _dtype(self) -> np.dtype[Any]:
        if self.state is None or self.state[3] is None:
            return self.simple()
        names, fields = self.state[3], self.state[4]
        if len(names) > MOST_FIELDS:
            raise _not_needed()
        formats = [fields[name][0].simple() for name in names]
        offsets = [fields[name][1] for name in names]
        return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": self.state[5]})

    def simple(self) -> np.dtype[Any]:
        """Return numpy's dtype of numbers, text or moments."""
        order = "|" if self.state is None else self.state[1]
        is_plain = self.state is None or (self.state[2] is None and self.state[3] is None)
        if not (isinstance(self.kind, str) and _KIND.fullmatch(self.kind) and is_plain and order in ("<", ">", "|")):
            raise _not_needed()
        return np.dtype(order.strip("|") + self.kind + self._unit())

    def _unit(self) -> str:
        if self.kind != "M8":
            return ""
        unit, number, *_ = self.state[8][1]
        unit = unit.decode() if isinstance(unit, bytes) else unit
        if unit not in _UNITS or number != 1:
            raise _not_needed()
        return f"[{unit}]"


@dataclass(slots=True)
class Array:
    """An array by `_reconstruct`, or by `_frombuffer`: version, shape, dtype, Fortran order, content."""

    state: Any = None
    cached: Any = None

    def set_state(self, state: Any) -> None:
        self.state = state

    def array(self) -> Any:
        """Return the array over the content itself, without a copy; for objects, the list of them."""
        if self.cached is None:
            self.cached = self._array()
        return self.cached

    def _array(self) -> Any:
        _, shape, dtype, fortran, content = self.state
        listed = isinstance(content, list) and dtype.is_object
        array = content if listed else np.frombuffer(content, dtype=dtype.dtype())
        plausible = len(shape) <= (1 if listed else MOST_DIMENSIONS) and all(0 <= size <= len(array) for size in shape)
        if not plausible or math.prod(shape) != len(array):
            raise pickle.UnpicklingError("it holds an array whose shape and content disagree")
        return array if listed else array.reshape(shape, order="F" if fortran else "C")


def _not_needed() -> pickle.UnpicklingError:
    return pickle.UnpicklingError("it holds an array of a kind that no artifact needs")


def plain(value: Any) -> Any:
    """Return the array that an `Array` describes; return anything else unchanged."""
    return value.array() if isinstance(value, Array) else value


@dataclass(frozen=True, slots=True)
class Global:
    """The stand-in for a name: the machine can call it, and it has no state to change."""

    make: Callable[..., Any]
    is_class: bool = False  # `copyreg._reconstructor` may call it without arguments


def recorded(class_name: str) -> Global:
    """Return a stand-in that makes a Record of that class from any arguments."""
    return Global(partial(_record, class_name), is_class=True)


def _record(class_name: str, *args: Any) -> Record:
    return Record(class_name, args)
