"""Compile plain functions with numba, and keep their machine code only where nobody else can write.

A kernel is a function without a decorator, so that it runs as plain Python as well. To compile it, the compiler copies
it and its helpers and binds, in the globals of the copies, each helper and each function of memory.py to its compiled
counterpart.

numba's cache consists of pickles, and its configuration file names modules to import: whoever writes either runs code
in this process.
"""

import logging
import os
import pwd
import stat
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from grp import getgrgid
from pathlib import Path
from types import FunctionType
from typing import Any, Final, NamedTuple, TypeAlias

from scoring.kernels import memory

logger: Final = logging.getLogger(__name__)
Function: TypeAlias = Callable[..., Any]

_CHECKED: Final = (memory.load_byte, memory.load_word, memory.store_byte, memory.copy_bytes)


class CompilationError(RuntimeError):
    """numba is missing, or cannot compile the kernels here. The functions themselves run as plain Python."""


class Kernel(NamedTuple):
    """A function, the types of its arguments, and the functions that it and they call.

    The signature is numba's. An array that numpy marks read-only, as that of `np.frombuffer(bytes)`, needs
    "Array(uint8, 1, 'C', readonly=True)", which takes writable ones too. Helpers are compiled for the types they are
    called with; kernel and helpers call them, and the functions of memory.py, by names of their modules.
    """

    signature: str
    function: Function
    helpers: tuple[Function, ...] = ()


def compile_kernels(kernels: Sequence[Kernel], *, checked: bool = False) -> list[Function]:
    """Compile kernels, or take them from the cache of machine code.

    Without a cache that can be written, and by nobody else, they are compiled in memory; the log says so. `checked`
    ones raise IndexError when memory.py is asked for what is outside a buffer, and are never cached.
    Raises CompilationError.
    """
    with _no_config_file():
        try:
            cached = [] if checked else _through_cache(kernels)
            return cached or _compile(_dispatchers(kernels, checked=checked), kernels)
        except Exception as error:
            raise CompilationError(f"{type(error).__name__}: {error}") from error


def _through_cache(kernels: Sequence[Kernel]) -> list[Function]:
    """Return the compiled functions; none when there is no cache, or it cannot be trusted, read or written."""
    made = _dispatchers(kernels, checked=False)
    try:
        for dispatcher in made:
            dispatcher.enable_caching()
    except RuntimeError:  # "cannot cache function: no locator available"
        logger.warning("nowhere to keep compiled code: compiling in memory at every start")
        return []
    path = Path(made[0].stats.cache_path)
    if not _is_trusted(path):
        logger.warning(
            "others can write the cache of compiled code: compiling in memory at every start",
            extra={"path": str(path)},
        )
        return []
    try:
        return _compile(made, kernels)
    except Exception as error:  # noqa: BLE001 - a full disk; a damaged file may raise anything. What else is wrong comes again
        reason = str(error) if isinstance(error, OSError) else f"a file in it is damaged ({type(error).__name__})"
        logger.warning(
            "the cache of compiled code cannot be used: compiling in memory at every start",
            extra={"path": str(path), "reason": reason},
        )
        return []


def _compile(dispatchers: Sequence[Any], kernels: Sequence[Kernel]) -> list[Function]:
    for kernel, dispatcher in zip(kernels, dispatchers, strict=True):
        dispatcher.compile(kernel.signature)
        dispatcher.disable_compile()
    return list(dispatchers)


def _dispatchers(kernels: Sequence[Kernel], *, checked: bool) -> list[Any]:
    """Return numba's dispatcher of a copy of each kernel, which compiles it with everything it calls."""
    import numba  # noqa: PLC0415 - takes half a second: only who scores pays for it

    from scoring.kernels.intrinsics import INTRINSICS  # noqa: PLC0415 - imports numba

    functions = [kernel.function for kernel in kernels]
    functions += {helper: None for kernel in kernels for helper in kernel.helpers}
    functions += _CHECKED if checked else ()
    copies = [_copy(function) for function in functions]
    dispatchers = [numba.njit(nogil=True, boundscheck=False)(copy) for copy in copies]
    compiled = {**INTRINSICS, **dict(zip(functions, dispatchers, strict=True))}
    for copy in copies:
        _bind(copy.__globals__, compiled)
    return dispatchers[: len(kernels)]


def _copy(function: Function) -> FunctionType:
    """Return the function with globals of its own."""
    if not isinstance(function, FunctionType):
        raise TypeError(f"a kernel is a plain function, not a {type(function).__name__}")
    copy = FunctionType(
        function.__code__, dict(function.__globals__), function.__name__, function.__defaults__, function.__closure__
    )
    copy.__qualname__ = function.__qualname__
    return copy


def _bind(names: dict[str, Any], compiled: Mapping[Function, Any]) -> None:
    """Replace each function among the globals that has a compiled counterpart."""
    for name, value in names.items():
        if isinstance(value, FunctionType):
            names[name] = compiled.get(value, value)


@contextmanager
def _no_config_file() -> Iterator[None]:
    """Keep numba from reading `.numba_config.yaml` of the current directory, which it does on import and on compiling.

    It goes without when it cannot import PyYAML.
    """
    before = sys.modules.get("yaml")
    sys.modules["yaml"] = None  # type: ignore[assignment] # None is how an import is made to fail
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="A Numba config file is found")
            yield
    finally:
        if before is None:
            del sys.modules["yaml"]
        else:
            sys.modules["yaml"] = before


def _is_trusted(cache: Path) -> bool:
    """Return whether only this user, root and the owner of the program can change what the directory holds.

    Directories above count as well, and a relative path does not do, unless NUMBA_CACHE_DIR names it: whoever names a
    directory vouches for where it is.
    """
    named = bool(os.environ.get("NUMBA_CACHE_DIR"))
    try:
        directory = cache.resolve(strict=True)
        if not all(map(_is_private, (directory, *directory.glob("*.nb[ci]")))):
            return False
        return named or (cache.is_absolute() and all(map(_is_kept, directory.parents)))
    except OSError:
        return False


def _is_private(path: Path) -> bool:
    found = path.stat()
    return _is_owned(found) and not found.st_mode & stat.S_IWOTH and not _is_shared(found)


def _is_kept(parent: Path) -> bool:
    """Return whether others cannot replace what stands in the directory: they cannot write it, or it is sticky."""
    found = parent.stat()
    return _is_private(parent) or (_is_owned(found) and bool(found.st_mode & stat.S_ISVTX))


def _is_owned(found: os.stat_result) -> bool:
    return found.st_uid in {0, os.geteuid(), Path(__file__).stat().st_uid}


def _is_shared(found: os.stat_result) -> bool:
    """Return whether the group may write, and is more than the owner's private group."""
    if not found.st_mode & stat.S_IWGRP:
        return False
    try:
        return getgrgid(found.st_gid).gr_name != pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return True
