"""`make dist` refuses a wheel that is not as it must be, and passes over a Python that does not run."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.dist import DistError, build, check, find_python

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("dist"))


def truncate(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:1000])


def comment(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.comment = b"other bytes, the same contents"


@pytest.mark.parametrize(
    ("change", "message"), [(truncate, "twine check .* failed"), (comment, "builds another wheel")]
)
def test_a_changed_wheel_is_refused(
    change: Callable[[Path], None], message: str, dist: tuple[Path, Path], tmp_path: Path
) -> None:
    wheel, sdist = dist
    changed = Path(shutil.copy(wheel, tmp_path))
    change(changed)
    with pytest.raises(DistError, match=message):
        check(changed, sdist)


def test_a_python_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim, works = tmp_path / f"python{VERSION}", tmp_path / "versions" / f"{VERSION}.99" / "bin" / f"python{VERSION}"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find_python(VERSION) is None
    works.parent.mkdir(parents=True)
    works.symlink_to(sys.executable)
    assert find_python(VERSION) == works


def test_a_directory_that_cannot_be_written_is_one_line() -> None:
    command = [sys.executable, "-m", "tools.dist", "/dev/null/dist"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "/dev/null/dist" in done.stderr
