"""The compiled loops, where there is nowhere to keep them, or the place is full or damaged."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scoring

SCORE = """
import numpy as np
from scoring.forest import Forest, Tree
leaf = Tree(np.array([-1]), np.array([-1]), np.array([0]), np.array([0.0]), np.array([0.125]))
print(Forest([leaf]).score(np.zeros((1, 3))).tolist())
"""


def test_scoring_works_with_no_writable_place_for_compiled_code(tmp_path: Path) -> None:
    copy = tmp_path / "scoring"
    shutil.copytree(Path(scoring.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    nowhere = copy / "__pycache__"
    nowhere.touch()  # a file where a directory belongs cannot be written into, not even by root
    env = {**os.environ, "HOME": str(nowhere), "XDG_CACHE_HOME": str(nowhere), "PYTHONWARNINGS": "error"}
    env.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-c", SCORE]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[0.125, 0.125, 0.125]\n"), done.stderr
    assert done.stderr.count("compiling in memory") == 1


NO_ROOM = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"  # every write to a file fails


def score(cache: Path, before: str = "") -> str:
    """Scores with this cache; returns what stderr says."""
    command = [sys.executable, "-c", f"{before}\n{SCORE}"]
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[0.125, 0.125, 0.125]\n"), done.stderr
    return done.stderr


def kept(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


def test_a_full_disk_under_the_cache_is_one_warning_and_the_next_start_keeps_the_code(tmp_path: Path) -> None:
    assert score(tmp_path, NO_ROOM).count("compiling in memory") == 1
    assert not kept(tmp_path), "a file cut short is left"
    assert not score(tmp_path)
    assert {path.suffix for path in kept(tmp_path)} == {".nbi", ".nbc"}


def test_a_disk_that_is_full_after_the_index_leaves_nothing_to_trip_over(tmp_path: Path) -> None:
    room = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))"  # for an index, not for code
    assert score(tmp_path, room).count("compiling in memory") == 1
    assert not score(tmp_path)
    assert not score(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache as a start leaves it."""
    cache = tmp_path_factory.mktemp("whole")
    score(cache)
    return cache


@pytest.mark.parametrize(
    ("suffix", "content"), [(".nbi", b""), (".nbi", b"garbage"), (".nbc", None)], ids=["empty", "garbage", "cut"]
)
def test_a_damaged_cache_is_one_warning(whole: Path, tmp_path: Path, suffix: str, content: bytes | None) -> None:
    cache = shutil.copytree(whole, tmp_path / "cache")
    damaged = [path for path in kept(cache) if path.suffix == suffix]
    assert len(damaged) == 2
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    assert score(cache).count("compiling in memory") == 1
