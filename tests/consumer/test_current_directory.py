"""Nothing from the current directory runs or is read by any command, unless it is named."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from scoring.artifacts import loading
from tests.support.artifacts.loading import SET
from tests.support.command_line import PREFIXES
from tests.support.commands import COMMANDS, PROGRAM, Inputs
from tests.support.opened_files import OpenedFiles, opened_files

CONFIGURATION = [
    *(".numba_config.yaml", "matplotlibrc", ".env", "session-scorer.toml", "pyproject.toml", "setup.cfg", "pyvenv.cfg"),
    *("openssl.cnf", "krb5.conf", "jaas.conf", "librdkafka.conf", "librdkafka.config", "fonts.conf", "fontlist.json"),
    *(".netrc", ".pdbrc", ".pythonrc", "logging.conf", "sitecustomize.py", "usercustomize.py", "entry_points.txt"),
    *("python311._pth", "numba.pth", "pandas.json", "manifest.json", "rf_model.pkl", "input.json", ".condarc"),
]
YAML = '''
def safe_load(file):
    """Name a module that numba is to import, as a real file might."""
    return {"cache_locator_classes": "decoy.Locator"}
'''
DECOY = "import os, sys\nos.write(2, b'a decoy ran: ' + __file__.encode())\nos._exit(86)\n"


@pytest.fixture(scope="module")
def decoys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a module of each name that could be imported, and configuration of many names."""
    directory = tmp_path_factory.mktemp("decoys")
    for name in {*sys.stdlib_module_names, *packages_distributions(), "yaml", "decoy", "sitecustomize"}:
        if "/" not in name:
            (directory / f"{name}.py").write_text(DECOY)
    for name in CONFIGURATION:
        (directory / name).touch()
    return directory


@pytest.fixture
def opened(decoys: Path) -> Iterator[OpenedFiles]:
    with opened_files(decoys) as watched:
        yield watched


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("inputs"), loading.shipped(), SET)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With PyYAML, by which numba reads its configuration, as far as numba uses it."""
    installed = tmp_path_factory.mktemp("installed")
    (installed / "yaml.py").write_text(YAML)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    return {**ours, "PYTHONPATH": str(installed), "PYTHONWARNINGS": "error"}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_open_no_file_of_the_current_directory(
    name: str, decoys: Path, opened: OpenedFiles, inputs: Inputs, environment: dict[str, str]
) -> None:
    command = [str(PROGRAM), *inputs.arguments(name)]
    done = subprocess.run(command, cwd=decoys, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == COMMANDS[name].status, done.stderr
    assert opened.take() == set()


def test_evaluate_works_in_a_directory_that_is_deleted(tmp_path: Path, inputs: Inputs) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD" && exec "$@"'
    command = ["sh", "-c", script, "sh", str(PROGRAM), *inputs.arguments("evaluate", "deleted")]
    done = subprocess.run(command, cwd=gone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_opened_is_seen(decoys: Path, opened: OpenedFiles) -> None:
    subprocess.run([sys.executable, "-c", "import signal"], cwd=decoys, capture_output=True, check=False)
    (decoys / "matplotlibrc").read_text()
    assert {"matplotlibrc", "signal.py"} <= opened.take()


def test_empty_pythonpath_entry_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(DECOY)  # no module that Python itself imports before the program begins
    (tmp_path / "typer.py").write_text(DECOY)
    code = "import consumer.__main__ as program; program.main()"
    checkout = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([checkout, ""])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_directory_that_is_named_is_used(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(DECOY)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([PROGRAM, "--version"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert "a decoy ran" in done.stderr
