"""The virtual environment as `make` sets it up, in checkouts of a few small packages."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[1]
SMALL: Final = ("typing-extensions",)
TO_BUILD: Final = ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")
PROJECT: Final = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "small"
version = "1"
[project.scripts]
small = "small:main"
[tool.hatch.build]
dev-mode-dirs = ["."]
"""
NOWHERE: Final = "http://127.0.0.1:1"  # nobody listens there
NO_NETWORK: Final = {
    "PIP_INDEX_URL": NOWHERE,
    "PIP_RETRIES": "0",
    "PIP_FIND_LINKS": "",
    "PIP_NO_CACHE_DIR": "1",
    "UV_DEFAULT_INDEX": NOWHERE,
    "UV_HTTP_RETRIES": "0",
    "UV_NO_CACHE": "1",
}
INTERRUPTED: Final = 130
PYTHON: Final = f"{sys.base_prefix}/bin/python3"  # as a user has it; that of the tests' own environment has no pip
pytestmark = pytest.mark.timeout(300)  # downloads, 20 MB in all


def locked(*names: str) -> str:
    """The entries of these packages in the lock of all."""
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    entries = re.findall(r"^\S+==.*\n(?:    --hash.*\n)+", lock, re.MULTILINE)
    return "".join(entry for entry in entries if entry.split("==")[0] in names)


def checkout(directory: Path) -> Path:
    """A checkout that needs little, in a directory of that name."""
    (directory / "requirements").mkdir(parents=True)
    (directory / "requirements" / "base.txt").write_text(locked(*SMALL))
    (directory / "requirements" / "dev.txt").write_text(locked(*SMALL, *TO_BUILD, "uv"))
    shutil.copy(ROOT / "requirements" / "uv.txt", directory / "requirements")
    (directory / "pyproject.toml").write_text(PROJECT)
    (directory / "small.py").write_text("def main():\n    print('small')\n")
    return directory


def command(kind: str) -> list[str]:
    return ["sh", str(ROOT / "tools" / "environment.sh"), kind]


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHON": PYTHON, **variables}


def set_up(directory: Path, kind: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(kind), cwd=directory, env=environment(**variables), capture_output=True, text=True, check=False
    )


def run(directory: Path, *words: str) -> str:
    """What a command of the environment prints."""
    done = subprocess.run(
        [directory / ".venv" / "bin" / words[0], *words[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_filled(directory: Path) -> bool:
    return run(directory, "python", "-c", "import typing_extensions; print(typing_extensions.__name__)") != ""


@pytest.fixture(scope="module")
def completed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose environment was filled with the base first, and with all later."""
    directory = checkout(tmp_path_factory.mktemp("checkouts") / "a checkout")
    for kind in ("base", "dev"):
        done = set_up(directory, kind)
        assert done.returncode == 0, done.stderr
        assert "setting up .venv" in done.stdout
    return directory


def test_what_is_installed_already_is_left_alone(completed: Path) -> None:
    done = [set_up(completed, kind, **NO_NETWORK) for kind in ("base", "dev", "base")]
    assert [(each.returncode, each.stdout, each.stderr) for each in done] == [(0, "", "")] * 3
    assert run(completed, "small") == "small\n"


def test_changed_requirements_are_installed(completed: Path) -> None:
    with (completed / "requirements" / "dev.txt").open("a") as lock:
        lock.write(locked("iniconfig"))
    assert set_up(completed, "base").stdout == ""
    assert set_up(completed, "dev").returncode == 0
    assert run(completed, "python", "-c", "import iniconfig") == ""


def test_a_renamed_checkout_works(completed: Path, tmp_path: Path) -> None:
    renamed = Path(shutil.copytree(completed, tmp_path / "renamed", symlinks=True))
    assert set_up(renamed, "base", **NO_NETWORK).stdout == ""
    assert is_filled(renamed)
    assert set_up(renamed, "dev").returncode == 0
    assert str(renamed) in run(renamed, "python", "-c", "import small; print(small.__file__)")
    assert run(renamed, "small") == "small\n"


@pytest.mark.parametrize("line", ["setting up", "Collecting uv"])
def test_what_ctrl_c_interrupted_goes_on_with_the_next_call(line: str, tmp_path: Path) -> None:
    directory = checkout(tmp_path / "checkout")
    with subprocess.Popen(
        command("base"),
        cwd=directory,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - as from a terminal
    ) as process:
        assert process.stdout is not None
        assert any(line in each for each in process.stdout)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("setting up .venv: interrupted")
    assert set_up(directory, "base").returncode == 0
    assert is_filled(directory)


def test_without_a_network_the_last_line_says_so_and_the_next_call_goes_on(tmp_path: Path) -> None:
    directory = checkout(tmp_path / "checkout")
    done = set_up(directory, "base", **NO_NETWORK)
    assert done.returncode == 1
    assert "no network?" in done.stderr.splitlines()[-1]
    assert set_up(directory, "base").returncode == 0
    assert is_filled(directory)


def test_pip_does_what_uv_cannot(tmp_path: Path) -> None:
    directory = checkout(tmp_path / "checkout")
    done = set_up(directory, "base", UV_DEFAULT_INDEX=NOWHERE, UV_HTTP_RETRIES="0", UV_NO_CACHE="1")
    assert done.returncode == 0, done.stderr
    assert "trying pip" in done.stderr
    assert is_filled(directory)


OLD: Final = """case $2 in *sys.exit*) exit 1;; *) echo 3.9;; esac"""


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "there is no .*: install Python 3.11 or newer"),
        ("exit 127", "does not run"),
        (OLD, "is Python 3.9, 3.11 or newer is needed"),
    ],
)
def test_a_python_that_will_not_do_is_one_line(script: str | None, message: str, tmp_path: Path) -> None:
    directory = checkout(tmp_path / "checkout")
    python = tmp_path / "python3"
    if script is not None:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    done = set_up(directory, "base", PYTHON=str(python))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert re.search(message, done.stderr)
    assert not (directory / ".venv").exists()


def test_an_environment_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    done = set_up(checkout(tmp_path / "checkout"), "base", VENV="/dev/null/venv")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "/dev/null" in done.stderr


def test_a_python_without_pip_and_ensurepip_is_one_line(tmp_path: Path) -> None:
    for name in ("pip", "ensurepip"):
        (tmp_path / f"{name}.py").write_text("raise ImportError")
    done = set_up(checkout(tmp_path / "checkout"), "base", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "apt-get install python3-venv" in done.stderr
