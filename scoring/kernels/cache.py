"""Where machine code is kept: in a directory named after the code's sources, which nobody else can write.

    BASE/session-scorer-DIGEST/<module>.<kernel>-<line>.nbi    index: signature and CPU -> file of code
                               <module>.<kernel>-<line>.1.nbc  the code for one of them

BASE is what NUMBA_CACHE_DIR names, or else `__pycache__` beside this file, or else a directory of the user's. A new
directory begins as a copy of the one in `precompiled`, if there is one. numba notices a change of the kernel's own file
alone, so DIGEST covers everything that is compiled into a kernel.

The cache consists of pickles: whoever writes one runs code in this process.
"""

import hashlib
import os
import pickle
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from grp import getgrgid
from pathlib import Path
from types import FunctionType
from typing import Any, Final

import numpy as np

_OWN: Final = Path(__file__).parent
SHIPPED: Final = _OWN / "precompiled"  # filled when a container image is built
_CONSTANTS: Final = (int, float, str, bytes, tuple, np.generic, np.ndarray)


def digest(functions: Iterable[FunctionType], versions: Iterable[str]) -> str:
    """Return a hash of the functions' files, of all files here, of the constants that they read, and of the versions.

    Constants are found by the names under which the functions read them; not as attributes of a module.
    """
    found = hashlib.sha256(repr(list(versions)).encode())
    for path in sorted({*map(str, _OWN.glob("*.py")), *(function.__code__.co_filename for function in functions)}):
        found.update(Path(path).read_bytes())
    for function in functions:
        for name in function.__code__.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, _CONSTANTS):
                found.update(pickle.dumps((name, repr(value), value), 4))
    return found.hexdigest()[:16]


def cache_directory(name: str) -> Path | None:
    """Return the directory for the code with that digest; None when none can be written."""
    for base in _bases():
        directory = base / f"session-scorer-{name}"
        with suppress(OSError):
            directory.parent.mkdir(parents=True, exist_ok=True)
            _copy_shipped(directory)
            directory.mkdir(mode=0o755, exist_ok=True)
            tempfile.TemporaryFile(dir=directory).close()
            return directory
    return None


def _bases() -> Iterator[Path]:
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(named)
        return
    yield _OWN / "__pycache__"
    with suppress(RuntimeError):  # no home directory
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _copy_shipped(directory: Path) -> None:
    """Copy the code that an image ships, all at once or not at all: where it stands, numba could not add to it."""
    shipped = SHIPPED / directory.name
    if directory.exists() or not shipped.is_dir() or not is_trusted(shipped):
        return
    with suppress(OSError), tempfile.TemporaryDirectory(dir=directory.parent, prefix=directory.name) as room:
        copy = Path(room) / "copy"
        copy.mkdir(mode=0o755)
        for path in shipped.glob("*.nb[ci]"):
            shutil.copyfile(path, copy / path.name)
        copy.rename(directory)  # fails when another worker was sooner


def is_trusted(cache: Path) -> bool:
    """Return whether only this user, root and the owner of the program can change what the directory holds.

    Directories above count as well, and a relative path does not do, unless NUMBA_CACHE_DIR names it: whoever names a
    directory vouches for where it is.
    """
    try:
        directory = cache.resolve(strict=True)
        if not all(map(_is_private, (directory, *directory.glob("*.nb[ci]")))):
            return False
        named = bool(os.environ.get("NUMBA_CACHE_DIR"))
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


def numba_cache(directory: Path) -> Callable[[FunctionType], Any]:
    """Return numba's cache of a function's code, kept in that directory rather than where numba would keep it."""
    from numba.core import caching  # noqa: PLC0415 - takes half a second: only who compiles pays for it

    class Files(caching.CompileResultCacheImpl):
        def __init__(self, function: FunctionType) -> None:  # as numba's own, but for the choice of a locator
            line = function.__code__.co_firstlineno
            self._lineno, self._locator = line, _Locator(directory, function.__code__.co_filename)
            self._filename_base = f"{function.__module__}.{function.__qualname__}-{line}"

    class Cache(caching.FunctionCache):
        _impl_class = Files

    return Cache


class _Locator:
    """Tells numba where a function's code is kept; the directory's name says of which sources it was made."""

    def __init__(self, directory: Path, file: str) -> None:
        self._directory, self._py_file = directory, file

    def get_cache_path(self) -> str:
        return str(self._directory)

    def get_source_stamp(self) -> str:
        return self._directory.name

    def ensure_cache_path(self) -> None:
        """Do nothing: the directory is there."""
