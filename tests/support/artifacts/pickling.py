"""Pickles as other versions write them, and pickles with ill intent: for tests of how artifacts are read."""

import io
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import multiarray
from sklearn.tree._tree import Tree

NEW, OLD = "numpy._core", "numpy.core"


def respelt(data: bytes) -> bytes:
    """The pickle as numpy 1 wrote it: `numpy.core` for `numpy._core`. Frames, which carry lengths, are left out."""
    pieces = []
    starts = [position for _, _, position in pickletools.genops(data) if position is not None]
    for (opcode, argument, position), end in zip(pickletools.genops(data), [*starts[1:], len(data)], strict=True):
        piece = data[position:end]
        if opcode.name == "FRAME":
            continue
        if opcode.name == "GLOBAL":
            piece = piece.replace(NEW.encode(), OLD.encode())
        elif opcode.name == "SHORT_BINUNICODE" and str(argument).startswith(NEW):
            text = str(argument).replace(NEW, OLD).encode()
            piece = b"\x8c" + bytes([len(text)]) + text
        pieces.append(piece)
    return b"".join(pieces)


def with_trees_rewritten(value: Any, rewrite: Callable[[dict[str, Any]], None], protocol: int = 4) -> bytes:
    """Pickle `value`, the state of each tree (`nodes`, `values`) first passed through `rewrite`."""
    buffer = io.BytesIO()
    _Rewriting(buffer, protocol, rewrite).dump(value)
    return buffer.getvalue()


class _Rewriting(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, protocol: int, rewrite: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(buffer, protocol)
        self._rewrite = rewrite

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, Tree):
            return NotImplemented
        make, arguments, state = value.__reduce__()
        self._rewrite(state)
        return make, arguments, state


class Calls:
    """Pickles as a call of `function`: what unpickling it would run."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def evil_pickles(trace: Path) -> dict[str, bytes]:
    """Pickles that would leave the file `trace` behind if anything in them ran. Harmless otherwise."""
    touch = f"open({str(trace)!r}, 'w').close()"
    system = f"touch {trace}"
    calls = {
        "builtins.exec": Calls(exec, touch),
        "builtins.eval": Calls(eval, touch),
        "builtins.open": Calls(open, str(trace), "w"),
        "pathlib": Calls(Path.touch, trace),
        "a getattr": Calls(getattr, trace, "touch"),
        "hidden in a list": [1, {"a": (Calls(exec, touch),)}],
    }
    by_hand = {
        "os.system by protocol 0": f"cos\nsystem\n(S'{system}'\ntR.",
        "posix.system by INST": f"(S'{system}'\niposix\nsystem\n.",
        "posix.system by OBJ": f"(cposix\nsystem\nS'{system}'\no.",
        "subprocess": f"csubprocess\ngetoutput\n(S'{system}'\ntR.",
        "the pickle module within": "cpickle\nloads\n(Vx\ntR.",
        "a module that would be imported": "cantigravity\nfly\n.",
        "builtins under their old name": f"c__builtin__\neval\n(S'{touch!r}'\ntR.",
        "a global that is never called": "cos\nsystem\n.",
        "a numpy function that no artifact needs": "cnumpy\nload\n(Vx\ntR.",
        "numpy's test runner": "cnumpy.testing._private.utils\nrunstring\n.",
        "a method of an allowed class": "cnumpy\nndarray.tofile\n.",
        "another class of a module with an allowed one": "csklearn.ensemble._forest\nExtraTreesClassifier\n.",
        "joblib's loader": "cjoblib.numpy_pickle\nNumpyArrayWrapper\n.",
        "attributes set of what stands in for a function": "\x80\x02c_codecs\nencode\nN}(X\1\0\0\0xX\1\0\0\0yu\x86b.",
        "attributes set of what stands in for a class": "\x80\x02cnumpy\ndtype\n}b.",
        "an extension code": "\x82\x01.",
        "a persistent id": "Pevil\n.",
    }
    built = {name: pickle.dumps(value) for name, value in calls.items()}
    built |= {name: text.encode("latin-1") for name, text in by_hand.items()}
    two_lines = b"\x80\x04\x8c\x04os\nx\x8c\x06system\x93."
    return built | {
        "a name of two lines": two_lines,
        "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__class__\x93.",
    }


class Dtype:
    """Pickles as a numpy dtype with a state of our own making."""

    def __init__(self, spec: str, *state: Any) -> None:
        self._spec, self._state = spec, state

    def __reduce__(self) -> Any:
        return np.dtype, (self._spec, False, True), (3, "|", None, *self._state)


ADDRESS = b"AAAA\0\0\0\0"  # no object is there: to look at it is a segmentation fault


def scalar_of_an_address() -> Any:
    """A numpy scalar whose dtype says object and whose flags deny it: its bytes would be taken for a pointer."""
    return Calls(multiarray.scalar, Dtype("O", None, None, -1, -1, 0), ADDRESS)


class NodesOfAddresses:
    """Pickles as a tree's nodes whose fields are such pointers."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> Any:
        names = ("left_child", "right_child", "feature", "threshold")
        fields = {name: (np.dtype("O"), 8 * place) for place, name in enumerate(names)}
        dtype = Dtype("V32", names, fields, 32, 1, 0)
        state = (1, (self._number,), dtype, False, ADDRESS * len(names) * self._number)
        return multiarray._reconstruct, (np.ndarray, (0,), b"b"), state
