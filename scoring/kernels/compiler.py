"""Compile functions with numba, and keep their machine code only where nobody else can write.

numba's cache consists of pickles, and its configuration file names modules to import: whoever writes either runs code
in this process.
"""

import logging
import os
import pwd
import stat
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from grp import getgrgid
from pathlib import Path
from typing import Any, Final, NamedTuple

logger: Final = logging.getLogger(__name__)
Function = Callable[..., None]


class Kernel(NamedTuple):
    """A function, and the types of its arguments."""

    signature: str
    function: Function


def compile_kernels(kernels: Sequence[Kernel]) -> list[Function]:
    """Compile functions of one module, or take them from the cache of machine code.

    Without a cache that can be written, and by nobody else, they are compiled in memory; the log says so.
    """
    with _no_config_file():
        return _through_cache(kernels) or _compile(
            [_dispatcher(each.function, cache=False) for each in kernels], kernels
        )


def _through_cache(kernels: Sequence[Kernel]) -> list[Function]:
    """Return the compiled functions; none when there is no cache, or it cannot be trusted, read or written."""
    try:
        made = [_dispatcher(kernel.function, cache=True) for kernel in kernels]
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


def _dispatcher(function: Function, *, cache: bool) -> Any:
    import numba  # noqa: PLC0415 - takes half a second: only who scores pays for it

    return numba.njit(cache=cache, nogil=True, boundscheck=False)(function)


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
