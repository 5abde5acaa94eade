"""Build the wheel and the sdist, check them, and run the wheel in an empty environment of each Python (`make dist`):

python -m tools.dist DIRECTORY [3.11 3.12 ...]

Needs the packages of requirements/dist.txt, and uv. The environments have the versions of requirements/base.txt.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
PACKAGES: Final = ("consumer", "scoring", "training")
EVENT: Final = {"session_id": "s-1", "click_events": 95, "time_on_page": 3}


class DistError(Exception):
    """A step failed. One line says which; the output of its program precedes it on standard error."""


def build(directory: Path) -> tuple[Path, Path]:
    """Return the wheel and the sdist of this checkout, in an empty directory. Raises DistError."""
    _run(*_module("hatchling"), "build", "-t", "wheel", "-t", "sdist", "-d", directory, cwd=ROOT)
    (wheel,), (sdist,) = directory.glob("*.whl"), directory.glob("*.tar.gz")
    return wheel, sdist


def check(wheel: Path, sdist: Path) -> None:
    """Check names, contents and metadata, and that the sdist builds the same wheel. Raises DistError."""
    _run(*_module("twine"), "check", "--strict", wheel, sdist, cwd=ROOT)
    _run(*_module("check_wheel_contents"), wheel, cwd=ROOT)
    with tempfile.TemporaryDirectory() as room:
        with tarfile.open(sdist) as archive:
            archive.extractall(room, filter="data")
        (unpacked,) = Path(room).iterdir()
        _run(*_module("hatchling"), "build", "-t", "wheel", "-d", room, cwd=unpacked)
        if (Path(room) / wheel.name).read_bytes() != wheel.read_bytes():
            raise DistError(f"{sdist.name} builds another wheel than this checkout does")


def find_python(version: str) -> Path | None:
    """Return a Python of that version from the PATH or from pyenv, or None."""
    return next((path for path in _candidates(version) if _runs(path, version)), None)


def try_wheel(wheel: Path, python: Path) -> None:
    """Install the wheel in an empty environment; start it where packages of the same names are. Raises DistError."""
    with tempfile.TemporaryDirectory() as room:
        environment, elsewhere = Path(room) / "environment", Path(room) / "elsewhere"
        install = (*_module("uv"), "pip", "install", "--quiet", "--python", environment)
        _run(*_module("uv"), "venv", "--quiet", "--python", python, environment, cwd=ROOT)
        _run(*install, "--require-hashes", "-r", "requirements/base.txt", cwd=ROOT)
        _run(*install, "--no-deps", "--no-index", wheel, cwd=ROOT)
        _run(*_module("uv"), "pip", "check", "--quiet", "--python", environment, cwd=ROOT)
        _write_decoys(elsewhere)
        (elsewhere / "event.json").write_text(json.dumps(EVENT))
        bin_ = environment / "bin"
        for command in (
            (bin_ / "python", "-P", "-c", f"import {', '.join(PACKAGES)}"),
            (bin_ / "python", "-P", "-m", "consumer", "--version"),
            (bin_ / "session-scorer", "--version"),
            (bin_ / "session-scorer", "predict", "event.json"),
        ):
            _run(*command, cwd=elsewhere)


def _candidates(version: str) -> Iterator[Path]:
    name = f"python{version}"
    if found := shutil.which(name):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from sorted((pyenv / "versions").glob(f"{version}.*/bin/{name}"))


def _runs(python: Path, version: str) -> bool:
    """Whether it starts and is of that version; a shim of pyenv may do neither."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - found on the PATH
    return (done.returncode, done.stdout.strip()) == (0, version)


def _write_decoys(directory: Path) -> None:
    for package in PACKAGES:
        (directory / package).mkdir(parents=True)
        (directory / package / "__init__.py").write_text("raise SystemExit(f'a decoy ran: {__file__}')\n")


def _module(name: str) -> tuple[str, str, str]:
    return sys.executable, "-m", name


def _run(*command: str | Path, cwd: Path) -> str:
    """Return what the command prints, run with no setting of ours or of Python's."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SESSION_", "KAFKA_", "PYTHON"))}
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=cwd, env={**own, "NUMBA_CACHE_DIR": f"{cwd}/cache"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        raise DistError(f"{' '.join(map(str, command))} failed, see above (exit status {done.returncode})")
    return done.stdout


def main() -> None:
    """Print one line for each file and each Python; exit with 1 and one line if something fails."""
    parser = argparse.ArgumentParser("python -m tools.dist", description="Build and check the wheel and the sdist.")
    parser.add_argument("directory", type=Path, help="where the wheel and the sdist go")
    parser.add_argument("pythons", nargs="*", metavar="VERSION", help=f"Pythons to try it with: {' '.join(PYTHONS)}")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as room:
            checked = build(Path(room))
            check(*checked)
            arguments.directory.mkdir(parents=True, exist_ok=True)
            wheel, sdist = (Path(shutil.copy(path, arguments.directory)).absolute() for path in checked)
        _say(f"{wheel}\n{sdist}: checked")
        for version in arguments.pythons:
            python = find_python(version)
            if python is None:
                _say(f"Python {version}: not tried, it is neither on the PATH nor in pyenv")
            else:
                try_wheel(wheel, python)
                _say(f"Python {version}: works ({python})")
    except (DistError, OSError) as error:
        sys.exit(f"make dist: {error}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
