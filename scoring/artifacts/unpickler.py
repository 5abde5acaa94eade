"""Unpickle the five files without scikit-learn or joblib, and without running any code that they name.

A pickle is a program. Here it runs on a machine that knows only the instructions by which protocols 0 to 5 write plain
objects, and calls only what `pickle_globals` lists. Python's machine obeys any program: `BUILD` sets attributes of any
object on the stack, `LONG_BINPUT` takes 3 GiB for a pickle of nine bytes, a tuple of tuples as a key of a dict takes
forever to hash.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from scoring.artifacts.compression import Content
from scoring.artifacts.framed_arrays import FramedArray
from scoring.artifacts.pickle_globals import find
from scoring.artifacts.pickle_types import Global, plain
from scoring.errors import UnreadableFileError

MOST_STEPS: Final = 50_000
"""Instructions in one file of a set; columns, scaling and imputation take some hundreds."""
MOST_STEPS_OF: Final = {"rf_model.pkl": 5_000_000, "label_encoders.pkl": 1_000_000}
"""A forest takes up to 150 a tree, encoders two a class."""
_FEW_STEPS: Final = 100_000
_BYTES_A_STEP: Final = 2  # of a forest with more steps than those: trees of one split have 3.6
_STEPS_A_BYTE: Final = 8  # of a compressed file with more steps than those: trees of one leaf have 7 by xz
_FREE: Final = 65_536  # bytes that any pickle may make in addition to its own
_ENTRY: Final = 2  # bytes that stand for an argument, or an entry of a state; in a pickle they take as many
_FIELD: Final = 32  # the same, for a field of a type of arrays


def most_steps(name: str, content: Content) -> int:
    """Return how many instructions the file of that name and content may have; real ones stay far below."""
    most = min(MOST_STEPS_OF.get(name, MOST_STEPS), max(_FEW_STEPS, content.stored * _STEPS_A_BYTE))
    return min(most, max(_FEW_STEPS, len(content.data) // _BYTES_A_STEP)) if name == "rf_model.pkl" else most


def unpickle(name: str, content: Content) -> Any:
    """Return the object in the pickle, with `Record`s for instances. `name`, the file's, sets its limits.

    Takes time and memory in proportion to the size of the content, even of a hostile one. Raises UnreadableFileError.
    """
    budget = _Budget(most_steps(name, content), len(content.data) + _FREE)
    try:
        return plain(_Machine(content.data, io.BytesIO(content.data), budget).run())
    except UnreadableFileError:
        raise
    except Exception as error:  # noqa: BLE001 - a broken pickle can raise anything at all
        reason = str(error) if isinstance(error, pickle.UnpicklingError) else "it is broken or cut short"
        raise UnreadableFileError(f"no pickle of the kind expected: {reason}") from None


@dataclass(slots=True)
class _Budget:
    """The steps and bytes that are left for a file, nested pickles included."""

    steps: int
    size: int  # bytes left to make: no honest pickle makes more bytes than it has

    def take_step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise pickle.UnpicklingError("it has more instructions than any artifact")

    def spend(self, size: int) -> None:
        self.size -= size
        if self.size < 0:
            raise pickle.UnpicklingError("it makes the same things again and again")


class _Machine:
    """A stack, the stacks below it that wait for their MARK to close, and the memo."""

    def __init__(self, data: bytes, stream: io.BytesIO, budget: _Budget, *, is_nested: bool = False) -> None:
        self._data = data
        self._stream = stream  # over the data; arrays that joblib frames are read from it
        self._budget = budget
        self._is_nested = is_nested
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        for opcode, argument, _ in pickletools.genops(self._stream):
            self._budget.take_step()
            if opcode.name in _PUSHES:
                self._stack.append(argument)
            elif opcode.name in _CONSTANTS:
                self._stack.append(_CONSTANTS[opcode.name])
            elif opcode.name in _EMPTY:
                self._stack.append(_EMPTY[opcode.name]())
            elif opcode.name in _INSTRUCTIONS:
                _INSTRUCTIONS[opcode.name](self, argument)
            elif opcode.name in _PYTHON_2:
                raise pickle.UnpicklingError("it was written by Python 2, whose text has no encoding")
            else:
                raise pickle.UnpicklingError(f"it uses the instruction {opcode.name}, which no artifact needs")
        return self._stack.pop()

    def ignore(self, _: object) -> None:
        """FRAME and STOP: the stream is read to its end anyway."""

    def mark(self, _: object) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _marked(self) -> list[Any]:
        """Pop the objects since the mark."""
        items, self._stack = self._stack, self._below.pop()
        return items

    def text(self, argument: str) -> None:
        argument.encode()  # a lone surrogate could not be written into a manifest
        self._stack.append(argument)

    def tuple_of(self, number: int) -> None:
        items = [self._stack.pop() for _ in range(number)]
        self._stack.append(tuple(reversed(items)))

    def tuple_of_marked(self, _: object) -> None:
        items = tuple(self._marked())
        self._stack.append(items)

    def list_of_marked(self, _: object) -> None:
        items = self._marked()
        self._stack.append(items)

    def dict_of_marked(self, _: object) -> None:
        items = self._marked()
        self._stack.append({})
        self._update(items)

    def append(self, _: object) -> None:
        self._extend([self._stack.pop()])

    def appends(self, _: object) -> None:
        self._extend(self._marked())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise pickle.UnpicklingError("it appends to what is no list")
        target.extend(items)

    def set_item(self, _: object) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._update([key, value])

    def set_items(self, _: object) -> None:
        self._update(self._marked())

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or not all(map(_is_key, items[::2])):
            raise pickle.UnpicklingError("it holds a dict with keys that are no names")
        target.update(zip(items[::2], items[1::2], strict=True))

    def put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def memorise(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def name(self, argument: str) -> None:
        self._stack.append(find(*argument.split(" ", 1)))

    def name_on_stack(self, _: object) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(find(module, name))

    def call(self, _: object) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        if not isinstance(called, Global) or not isinstance(arguments, tuple):
            raise pickle.UnpicklingError("it calls what cannot be called")
        self._budget.spend(_ENTRY * len(arguments))
        result = called.make(*arguments)
        self._budget.spend(len(result) if isinstance(result, bytes) else getattr(result, "nbytes", 0))
        self._stack.append(result)

    def build(self, _: object) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if getattr(target, "state", self) is not None:  # only a stand-in has one, once
            raise pickle.UnpicklingError("it sets the state of what has none, or has one")
        if isinstance(state, dict | tuple):  # copied, or walked, for every object that gets it
            self._budget.spend(_ENTRY * len(state))
        if isinstance(state, tuple):
            self._budget.spend(sum(_FIELD * len(part) for part in state if isinstance(part, dict)))
        target.set_state(state)
        if isinstance(target, FramedArray):
            self._stack[-1] = self._framed(target)

    def _framed(self, array: FramedArray) -> Any:
        if self._is_nested:
            raise pickle.UnpicklingError("it frames an array within a pickle of its own")
        return array.read(self._stream, self._data, self._nested)

    def _nested(self) -> Any:
        """Return the content of the pickle that follows in the stream."""
        return plain(_Machine(self._data, self._stream, self._budget, is_nested=True).run())

    def protocol(self, argument: int) -> None:
        if not 2 <= argument <= 5:
            raise pickle.UnpicklingError(f"it is of protocol {argument}, not 0 to 5")


def _is_key(key: object) -> bool:
    """Return True for keys with a cheap hash: names, and the classes of class weights."""
    return isinstance(key, str | bool | float | np.number) or (isinstance(key, int) and abs(key) < 1 << 60)


_PUSHES: Final = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "INT", "LONG", "FLOAT"),
        *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)
_PYTHON_2: Final = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING"})
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: Final[dict[str, Callable[[], object]]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict}


def _tuple(size: int) -> Callable[[_Machine, Any], None]:
    def instruction(machine: _Machine, _: object) -> None:
        machine.tuple_of(size)

    return instruction


_INSTRUCTIONS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "PROTO": _Machine.protocol,
    "FRAME": _Machine.ignore,
    "STOP": _Machine.ignore,
    "UNICODE": _Machine.text,
    "SHORT_BINUNICODE": _Machine.text,
    "BINUNICODE": _Machine.text,
    "BINUNICODE8": _Machine.text,
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": _Machine.tuple_of_marked,
    "LIST": _Machine.list_of_marked,
    "DICT": _Machine.dict_of_marked,
    "MARK": _Machine.mark,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memorise,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_on_stack,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
}
