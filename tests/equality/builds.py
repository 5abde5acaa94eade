"""The kernels in other builds: with checked loads and stores, between inaccessible pages, or as plain Python."""

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from consumer.stream.result_writer import write_results
from scoring.kernels import Function, Kernel, compiler
from tests.equality.memory import GuardedMemory

Build = Literal["compiled", "checked", "guarded", "python"]
BUILDS: Final[tuple[Build, ...]] = ("compiled", "checked", "guarded", "python")
Maker: TypeAlias = Callable[[Sequence[Kernel]], list[Function]]
_compile: Final = compiler.compile_kernels
_COMPILERS: Final = {id(compiler.compile_kernels), id(compiler.compiled_or_plain)}


@contextmanager
def using(build: Build) -> Iterator[list[Kernel]]:
    """Have kernels compiled in another way, those that were compiled before as well; return the list of them.

    A scorer or a pipeline made before keeps what it has.
    """
    makers: dict[Build, Maker] = {
        "compiled": _compile,
        "checked": functools.partial(_compile, checked=True),
        "guarded": _guarded,
        "python": _python,
    }
    kernels: list[Kernel] = []

    def make(wanted: Sequence[Kernel]) -> list[Function]:
        kernels.extend(wanted)
        return makers[build](wanted)

    users = _users()
    assert len(users) > 1, "nobody but the compiler itself has it"
    try:
        _replace(users, _compile, make)
        yield kernels
    finally:
        _replace(users, make, _compile)


def _users() -> list[ModuleType]:
    """Return the modules that can compile kernels, or keep them."""
    modules = [module for module in sys.modules.values() if module.__name__ != __name__]
    return [module for module in modules if _COMPILERS & set(map(id, vars(module).values()))]


def _replace(users: Sequence[ModuleType], old: Maker, new: Maker) -> None:
    """Put a function in the place of compile_kernels, and forget what was compiled."""
    for module in users:
        for name, value in list(vars(module).items()):
            if value is old:
                vars(module)[name] = new
            elif hasattr(value, "cache_clear"):
                value.cache_clear()


def _python(kernels: Sequence[Kernel]) -> list[Function]:
    """Return the functions as they stand; where compiled code wraps around in silence, numpy is not to warn."""
    return [np.errstate(all="ignore")(kernel.function) for kernel in kernels]


def _guarded(kernels: Sequence[Kernel]) -> list[Function]:
    functions = map(_between_pages, _compile(kernels))
    return [
        _exactly_sized(function) if kernel.function is write_results else function
        for kernel, function in zip(kernels, functions, strict=True)
    ]


def _exactly_sized(write: Function) -> Function:
    """Return the writer of results, called with no more of its buffer than it says that it needs."""

    def call(out: NDArray[np.uint8], *arguments: Any) -> Any:
        size = write(out[:0], *arguments)
        return write(out[:size], *arguments) if size <= len(out) else size

    return call


def _between_pages(kernel: Function) -> Function:
    """Return the kernel, called with copies of its arrays that lie at inaccessible pages, all of them at the end of
    their memory, or all at its beginning; what it writes is copied back."""
    rooms: dict[int, GuardedMemory] = {}
    chance = Random(0)

    def call(*arguments: Any) -> Any:
        at_end = chance.random() < 0.7
        arrays = {place: each for place, each in enumerate(arguments) if isinstance(each, np.ndarray)}
        held = list(arguments)
        seen: dict[tuple[int, int], NDArray[Any]] = {}  # by address and size: one array may come as two types
        for place, array in arrays.items():
            if place not in rooms or rooms[place].size < array.nbytes:
                rooms[place] = GuardedMemory(2 * array.nbytes)
            memory = array.ctypes.data, array.nbytes
            if memory not in seen:
                seen[memory] = rooms[place].hold(array, at_end=at_end)
            held[place] = seen[memory].reshape(-1).view(array.dtype).reshape(array.shape)
        result = kernel(*held)
        for place, array in arrays.items():
            if array.tobytes() != held[place].tobytes():
                assert not _overlaps(array, arrays.values()), "a kernel writes what another argument reads"
                array[...] = held[place]
        return result

    return call


def _overlaps(array: NDArray[Any], others: Iterable[NDArray[Any]]) -> bool:
    """Return whether the array shares a part of its memory with another."""
    own = array.ctypes.data, array.nbytes
    return any(np.may_share_memory(array, other) for other in others if (other.ctypes.data, other.nbytes) != own)
