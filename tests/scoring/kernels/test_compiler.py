"""Where machine code is kept: never where others can write, since it is read by pickle."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import scoring

COMPILE = """
import numpy as np
from scoring.kernel import compiled
compiled()
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package whose cache is filled."""
    copy = tmp_path_factory.mktemp("program") / "scoring"
    shutil.copytree(Path(scoring.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert compile_in(copy) == ""
    return copy


@pytest.fixture
def package(compiled: Path, tmp_path: Path) -> Path:
    """A copy of that, to be changed."""
    return Path(shutil.copytree(compiled, tmp_path / "program" / "scoring"))


def compile_in(package: Path, **variables: str) -> str:
    """Compile in a process of its own and return what it logs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))}
    done = subprocess.run(
        [sys.executable, "-B", "-P", "-c", COMPILE],
        env={**environment, "PYTHONPATH": str(package.parent), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


class Writes:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[[str, int], int], tuple[str, int]]:
        return os.open, (str(self._trace), os.O_CREAT | os.O_WRONLY)


def plant(cache: Path, trace: Path) -> None:
    """Replace each index of a cache by a pickle that leaves a trace."""
    indexes = list(cache.glob("*.nbi"))
    assert indexes
    for index in indexes:
        index.write_bytes(pickle.dumps(Writes(trace)))


def test_a_private_cache_is_used(package: Path, tmp_path: Path) -> None:
    plant(package / "__pycache__", tmp_path / "trace")
    assert compile_in(package) == ""
    assert (tmp_path / "trace").exists()  # this is why nobody else may write there


def _open_directory(cache: Path) -> None:
    cache.chmod(0o777)


def _open_to_group(cache: Path) -> None:
    os.chown(cache, -1, _some_group())
    cache.chmod(0o770)


def _open_index(cache: Path) -> None:
    for index in cache.glob("*.nbi"):
        index.chmod(0o666)


def _open_parent(cache: Path) -> None:
    cache.parent.chmod(0o777)


def _link_elsewhere(cache: Path) -> None:
    elsewhere = cache.parents[2] / "elsewhere"
    cache.rename(elsewhere)
    elsewhere.chmod(0o777)
    cache.symlink_to(elsewhere)


def _give_away(cache: Path) -> None:
    os.chown(cache, 12345, -1)


def _give_index_away(cache: Path) -> None:
    for index in cache.glob("*.nbi"):
        os.chown(index, 12345, -1)


def _some_group() -> int:
    """A group that is not named as its owner: any, for root; for others one that they are in."""
    return 12345 if os.geteuid() == 0 else os.getgroups()[-1]


OPENED = [_open_directory, _open_index, _open_parent, _link_elsewhere]
AS_ROOT = [_open_to_group, _give_away, _give_index_away] if os.geteuid() == 0 else []


@pytest.mark.parametrize("change", [*OPENED, *AS_ROOT])
def test_a_cache_that_others_can_write_is_not_read(
    package: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    plant(package / "__pycache__", tmp_path / "trace")
    change(package / "__pycache__")
    assert "others can write the cache of compiled code" in compile_in(package)
    assert not (tmp_path / "trace").exists()


def test_a_user_wide_cache_of_the_current_directory_is_not_used(package: Path, tmp_path: Path) -> None:
    shutil.rmtree(package / "__pycache__")
    (package / "__pycache__").touch()  # leaves the user-wide cache
    assert compile_in(package, XDG_CACHE_HOME=str(tmp_path / "cache")) == ""
    relative = os.path.relpath(tmp_path / "cache")
    assert "others can write the cache" in compile_in(package, XDG_CACHE_HOME=relative)


def test_a_cache_that_is_named_may_be_in_a_shared_directory(package: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)  # as an emptyDir of Kubernetes is
    assert compile_in(package, NUMBA_CACHE_DIR=str(shared)) == ""
    (own,) = shared.iterdir()
    plant(own, tmp_path / "trace")
    own.chmod(0o777)
    assert "others can write the cache" in compile_in(package, NUMBA_CACHE_DIR=str(shared))
    assert not (tmp_path / "trace").exists()
