"""Where machine code is kept, and when it is used: never where others can write, since it is read by pickle."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import scoring

KERNEL = """
from constant import STEP
from helper import change

def kernel(x):
    return change(x) + STEP
"""
HELPER = "def change(x):\n    return x * 10\n"
CONSTANT = "STEP = 1\n"
RUN = """
import logging
import helper, kernel
from scoring.kernels.compiler import Kernel, compiled_or_plain
(run,) = compiled_or_plain([Kernel("int64(int64)", kernel.kernel)])
print(run(5), "kept" if hasattr(run, "stats") and run.stats.cache_hits else "compiled")
"""
NO_ROOM = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"  # every write to a file fails


class Program:
    """A copy of the package beside a kernel of its own, and what running that prints and logs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kernels = directory / "scoring" / "kernels"

    def run(self, before: str = "", **variables: str) -> tuple[str, str]:
        """Compile the kernel in a process of its own; return what it prints and what it logs."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG"))}
        done = subprocess.run(
            [sys.executable, "-B", "-P", "-W", "error", "-c", f"{before}\n{RUN}"],
            env={**environment, "PYTHONPATH": str(self.directory), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    @property
    def cache(self) -> Path:
        """The directory of this program's code in the package itself."""
        (found,) = (self.kernels / "__pycache__").glob("session-scorer-*")
        return found

    def close_cache(self) -> None:
        """Put a file where the cache's directory belongs: not even root can write into that."""
        shutil.rmtree(self.kernels / "__pycache__", ignore_errors=True)
        (self.kernels / "__pycache__").touch()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program whose cache is filled."""
    directory = tmp_path_factory.mktemp("compiled") / "program"
    package = Path(scoring.__file__).parent
    shutil.copytree(package, directory / "scoring", ignore=shutil.ignore_patterns("__pycache__"))
    for name, content in {"kernel": KERNEL, "helper": HELPER, "constant": CONSTANT}.items():
        (directory / f"{name}.py").write_text(content)
    assert Program(directory).run() == ("51 compiled", "")
    return directory


@pytest.fixture
def program(compiled: Path, tmp_path: Path) -> Iterator[Program]:
    """The same program at the same place, to be changed."""
    saved = tmp_path / "saved"
    compiled.rename(saved)
    shutil.copytree(saved, compiled)
    yield Program(compiled)
    shutil.rmtree(compiled)
    saved.rename(compiled)


class Writes:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[[str, int], int], tuple[str, int]]:
        return os.open, (str(self._trace), os.O_CREAT | os.O_WRONLY)


def plant(cache: Path, trace: Path, suffix: str = ".nbi") -> None:
    """Replace each file of that kind by a pickle that leaves a trace."""
    files = list(cache.rglob(f"*{suffix}"))
    assert files
    for file in files:
        file.write_bytes(pickle.dumps(Writes(trace)))


def kept(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


def test_a_second_process_compiles_nothing(program: Program) -> None:
    assert program.run() == ("51 kept", "")


def test_a_changed_helper_is_compiled(program: Program) -> None:
    (program.directory / "helper.py").write_text(HELPER.replace("10", "20"))
    assert program.run() == ("101 compiled", "")
    assert program.run() == ("101 kept", "")
    (program.directory / "helper.py").write_text(HELPER)
    assert program.run() == ("51 kept", "")


def test_a_changed_constant_of_another_file_is_compiled(program: Program) -> None:
    (program.directory / "constant.py").write_text("STEP = 2\n")
    assert program.run() == ("52 compiled", "")


def test_a_changed_load_or_store_is_compiled(program: Program) -> None:
    with (program.kernels / "intrinsics.py").open("a") as file:
        file.write("# changed\n")
    assert program.run() == ("51 compiled", "")


def test_code_for_another_processor_is_not_used(program: Program, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert program.run(NUMBA_CACHE_DIR=str(cache), NUMBA_CPU_NAME="nocona", NUMBA_CPU_FEATURES="")[0] == "51 compiled"
    plant(cache, tmp_path / "trace", ".nbc")
    assert program.run(NUMBA_CACHE_DIR=str(cache)) == ("51 compiled", "")
    assert program.run(NUMBA_CACHE_DIR=str(cache)) == ("51 kept", "")
    assert not (tmp_path / "trace").exists()
    assert [path.suffix for path in kept(cache)] == [".nbc", ".nbc", ".nbi"]


def test_code_that_an_image_ships_is_copied_and_used(program: Program, tmp_path: Path) -> None:
    program.cache.parent.rename(program.kernels / "precompiled")
    shipped = {path.name: path.read_bytes() for path in kept(program.kernels / "precompiled")}
    cache = tmp_path / "not" / "there yet"
    assert program.run(NUMBA_CACHE_DIR=str(cache)) == ("51 kept", "")
    assert {path.name: path.read_bytes() for path in kept(cache)} == shipped
    assert len(list(cache.iterdir())) == 1
    plant(program.kernels / "precompiled", tmp_path / "trace")
    assert program.run(NUMBA_CACHE_DIR=str(cache)) == ("51 kept", "")
    assert not (tmp_path / "trace").exists()


def test_code_that_an_image_ships_for_another_processor_is_not_used(program: Program, tmp_path: Path) -> None:
    precompiled, cache = program.kernels / "precompiled", tmp_path / "cache"
    program.run(NUMBA_CACHE_DIR=str(precompiled), NUMBA_CPU_NAME="nocona", NUMBA_CPU_FEATURES="")
    plant(precompiled, tmp_path / "trace", ".nbc")
    assert program.run(NUMBA_CACHE_DIR=str(cache)) == ("51 compiled", "")
    assert program.run(NUMBA_CACHE_DIR=str(cache)) == ("51 kept", "")
    assert not (tmp_path / "trace").exists()


def test_shipped_code_that_others_can_write_is_not_copied(program: Program, tmp_path: Path) -> None:
    precompiled, cache = program.kernels / "precompiled", tmp_path / "cache"
    program.cache.parent.rename(precompiled)
    plant(precompiled, tmp_path / "trace")
    for index in precompiled.rglob("*.nbi"):
        index.chmod(0o666)
    assert program.run(NUMBA_CACHE_DIR=str(cache)) == ("51 compiled", "")
    assert not (tmp_path / "trace").exists()


def test_without_numba_the_plain_functions_run(program: Program) -> None:
    (program.directory / "numba.py").write_text("raise ImportError('no numba')")
    printed, logged = program.run()
    assert (printed, logged.splitlines()) == ("51 compiled", ["numba cannot compile here: kernels run as plain Python"])


def test_what_numba_cannot_compile_runs_as_it_is(program: Program) -> None:
    (program.directory / "kernel.py").write_text(KERNEL.replace("change(x)", "[object(), change(x)][1]"))
    printed, logged = program.run()
    assert (printed, logged.splitlines()) == ("51 compiled", ["numba cannot compile here: kernels run as plain Python"])


def test_without_a_writable_place_it_is_compiled_in_memory(program: Program) -> None:
    program.close_cache()
    nowhere = str(program.kernels / "__pycache__")
    printed, logged = program.run(HOME=nowhere, XDG_CACHE_HOME=nowhere)
    assert printed == "51 compiled"
    assert logged.count("nowhere to keep compiled code") == 1


def test_a_directory_that_is_named_is_the_only_one(program: Program) -> None:
    assert "nowhere to keep compiled code" in program.run(NUMBA_CACHE_DIR="/dev/null/none")[1]


def test_a_full_disk_is_one_warning_and_the_next_start_keeps_the_code(program: Program, tmp_path: Path) -> None:
    printed, logged = program.run(NO_ROOM, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert (printed, logged.count("compiling in memory")) == ("51 compiled", 1)
    assert not kept(tmp_path / "cache"), "a file cut short is left"
    assert program.run(NUMBA_CACHE_DIR=str(tmp_path / "cache")) == ("51 compiled", "")
    assert {path.suffix for path in kept(tmp_path / "cache")} == {".nbi", ".nbc"}


def test_a_disk_that_is_full_after_the_index_leaves_nothing_to_trip_over(program: Program, tmp_path: Path) -> None:
    room = NO_ROOM.replace("(0, 0)", "(3000, 3000)")  # for an index, not for code
    assert program.run(room, NUMBA_CACHE_DIR=str(tmp_path / "cache"))[1].count("compiling in memory") == 1
    assert [path.suffix for path in kept(tmp_path / "cache")] == [".nbi"]
    assert program.run(NUMBA_CACHE_DIR=str(tmp_path / "cache")) == ("51 compiled", "")
    assert program.run(NUMBA_CACHE_DIR=str(tmp_path / "cache")) == ("51 kept", "")


@pytest.mark.parametrize(
    ("suffix", "content"), [(".nbi", b""), (".nbi", b"garbage"), (".nbc", None)], ids=["empty", "garbage", "cut"]
)
def test_a_damaged_file_is_one_warning(program: Program, suffix: str, content: bytes | None) -> None:
    (damaged,) = program.cache.glob(f"*{suffix}")
    damaged.write_bytes(damaged.read_bytes()[:-100] if content is None else content)
    printed, logged = program.run()
    assert (printed, logged.count("compiling in memory")) == ("51 compiled", 1)


def test_a_private_cache_is_used(program: Program, tmp_path: Path) -> None:
    plant(program.cache, tmp_path / "trace")
    program.run()
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
    elsewhere = cache.parents[3] / "elsewhere"
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
    program: Program, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    plant(program.cache, tmp_path / "trace")
    change(program.cache)
    printed, logged = program.run()
    assert printed == "51 compiled"
    assert "others can write the cache of compiled code" in logged
    assert not (tmp_path / "trace").exists()


def test_a_user_wide_cache_of_the_current_directory_is_not_used(program: Program, tmp_path: Path) -> None:
    program.close_cache()
    assert program.run(XDG_CACHE_HOME=str(tmp_path / "cache")) == ("51 compiled", "")
    assert "others can write the cache" in program.run(XDG_CACHE_HOME=os.path.relpath(tmp_path / "cache"))[1]


def test_a_cache_that_is_named_may_be_in_a_shared_directory(program: Program, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)  # as an emptyDir of Kubernetes is
    assert program.run(NUMBA_CACHE_DIR=str(shared)) == ("51 compiled", "")
    (own,) = shared.iterdir()
    plant(own, tmp_path / "trace")
    own.chmod(0o777)
    assert "others can write the cache" in program.run(NUMBA_CACHE_DIR=str(shared))[1]
    assert not (tmp_path / "trace").exists()
