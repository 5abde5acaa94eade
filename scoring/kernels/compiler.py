"""Compile plain functions with numba.

A kernel is a function without a decorator, so that it runs as plain Python as well. To compile it, the compiler copies
it and its helpers and binds, in the globals of the copies, each helper and each function of memory.py to its compiled
counterpart.
"""

import functools
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any, Final, NamedTuple, TypeAlias

from scoring.kernels import memory
from scoring.kernels.cache import cache_directory, digest, is_trusted, numba_cache

logger: Final = logging.getLogger("scoring.kernels.compiler")
Function: TypeAlias = Callable[..., Any]

_CHECKED: Final = (memory.load_byte, memory.load_word, memory.store_byte, memory.copy_bytes)


class CompilationError(RuntimeError):
    """numba is missing, or cannot compile the kernels here. The functions themselves run as plain Python."""


class Kernel(NamedTuple):
    """A function and the types of its arguments.

    The signature is numba's. An array that numpy marks read-only, as that of `np.frombuffer(bytes)`, needs
    "Array(uint8, 1, 'C', readonly=True)", which takes writable ones too.

    Helpers are the functions that a kernel, or another helper, calls by a name of its module. They are compiled for the
    types they are called with. A kernel makes no arrays: numba would count references to them, atomically, at each call
    of a helper (a loop of many small helpers takes 3.4 µs an event with that and 0.6 without).
    """

    signature: str
    function: Function


def compile_kernels(kernels: Sequence[Kernel], *, checked: bool = False) -> list[Function]:
    """Compile kernels, or take them from the cache of machine code.

    Without a cache that can be written, and by nobody else, they are compiled in memory; the log says so. `checked`
    ones raise IndexError for an index outside of an array, and are never cached.
    Raises CompilationError, once it is logged.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="A Numba config file is found")
            _import_numba()
            cached = [] if checked else _through_cache(kernels)
            return cached or _compile(_dispatchers(kernels, checked=checked), kernels)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        _warn_uncompiled(reason)
        raise CompilationError(reason) from error


def compiled_or_plain(kernels: Sequence[Kernel]) -> list[Function]:
    """Compile kernels; return the plain functions where numba cannot. They need hundreds of times as long."""
    try:
        return compile_kernels(kernels)
    except CompilationError:
        return [kernel.function for kernel in kernels]


def _through_cache(kernels: Sequence[Kernel]) -> list[Function]:
    """Return the compiled functions; none when there is no cache, or it cannot be trusted, read or written."""
    import llvmlite  # noqa: PLC0415 - only who compiles pays for it
    import numba  # noqa: PLC0415 - as above

    versions = (numba.__version__, llvmlite.__version__, sys.version)
    try:
        directory = cache_directory(digest(functions_of(kernels), versions))
    except OSError:  # the sources are not there
        directory = None
    if directory is None:
        _warn_nowhere()
        return []
    if not is_trusted(directory):
        _warn_untrusted(str(directory.parent))
        return []
    try:
        return _compile(_dispatchers(kernels, cache=numba_cache(directory)), kernels)
    except numba.core.errors.NumbaError:
        raise
    except Exception as error:  # noqa: BLE001 - a full disk; a damaged file may raise anything. What else is wrong comes again
        reason = str(error) if isinstance(error, OSError) else f"a file in it is damaged ({type(error).__name__})"
        _warn_unusable(str(directory.parent), reason)
        return []


@functools.cache  # each of these is logged once in a process, however many calls of compile_kernels come to it
def _warn_uncompiled(reason: str) -> None:
    logger.warning("numba cannot compile here: kernels run as plain Python", extra={"reason": reason})


@functools.cache
def _warn_nowhere() -> None:
    logger.warning("nowhere to keep compiled code: compiling in memory at every start")


@functools.cache
def _warn_untrusted(path: str) -> None:
    logger.warning(
        "others can write the cache of compiled code: compiling in memory at every start", extra={"path": path}
    )


@functools.cache
def _warn_unusable(path: str, reason: str) -> None:
    logger.warning(
        "the cache of compiled code cannot be used: compiling in memory at every start",
        extra={"path": path, "reason": reason},
    )


def _compile(dispatchers: Sequence[Any], kernels: Sequence[Kernel]) -> list[Function]:
    for kernel, dispatcher in zip(kernels, dispatchers, strict=True):
        dispatcher.compile(kernel.signature)
        dispatcher.disable_compile()
    return list(dispatchers)


def _dispatchers(
    kernels: Sequence[Kernel], *, checked: bool = False, cache: Callable[[FunctionType], Any] | None = None
) -> list[Any]:
    """Return numba's dispatcher of a copy of each kernel, which compiles it with everything it calls."""
    import numba  # noqa: PLC0415 - only who compiles pays for it

    from scoring.kernels.intrinsics import INTRINSICS  # noqa: PLC0415 - imports numba
    from scoring.kernels.linked_helpers import HelperCompiler  # noqa: PLC0415 - imports numba

    functions = [*functions_of(kernels), *(_CHECKED if checked else ())]
    copies = [_copy(function) for function in functions]
    # _nrt: the plain functions of memory.py make arrays; error_model: of a division by zero
    options: dict[str, Any] = {"nogil": True, "boundscheck": checked, "_nrt": checked, "error_model": "numpy"}
    njit: Any = numba.njit  # its annotations leave out some of its options
    dispatchers = [njit(**options, no_cfunc_wrapper=True)(copy) for copy in copies[: len(kernels)]]
    # Python calls the kernels only: machine code and wrappers of helpers are half of the time that compiling takes
    helper_options = {**options, "no_cfunc_wrapper": True, "no_cpython_wrapper": True, "pipeline_class": HelperCompiler}
    dispatchers += [njit(**helper_options)(copy) for copy in copies[len(kernels) :]]
    compiled = {**INTRINSICS, **dict(zip(functions, dispatchers, strict=True))}
    for copy in copies:
        _bind(copy.__globals__, compiled)
    made = dispatchers[: len(kernels)]
    if cache is not None:
        for dispatcher in made:
            dispatcher._cache = cache(dispatcher.py_func)  # noqa: SLF001 - enable_caching() knows numba's directories only
    return made


def functions_of(kernels: Sequence[Kernel]) -> list[FunctionType]:
    """Return the kernels' functions, then all helpers."""
    functions = [_require_plain(kernel.function) for kernel in kernels]
    for function in functions:  # grows by the helpers of each
        for name in function.__code__.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, FunctionType) and value.__module__ != memory.__name__ and value not in functions:
                functions.append(value)
    return functions


def _require_plain(function: Function) -> FunctionType:
    if not isinstance(function, FunctionType):
        raise TypeError(f"a kernel is a plain function, not a {type(function).__name__}")
    return function


def _copy(function: FunctionType) -> FunctionType:
    """Return the function with globals of its own."""
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


def _import_numba() -> None:
    """Import numba, but not its configuration file.

    On import and on compiling it reads `.numba_config.yaml` of the current directory, which names modules to import.
    It goes without when it could not import PyYAML.
    """
    if "numba" not in sys.modules:
        with _no_yaml():
            import numba  # noqa: F401, PLC0415 - takes half a second: only who compiles pays for it


@contextmanager
def _no_yaml() -> Iterator[None]:
    before = sys.modules.get("yaml")
    sys.modules["yaml"] = None  # type: ignore[assignment] # None is how an import is made to fail
    try:
        yield
    finally:
        if before is None:
            del sys.modules["yaml"]
        else:
            sys.modules["yaml"] = before
