"""Programs in Go and Java, built from their sources."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GO = Path(__file__).parent / "subscribers" / "go.txt"

Command = list[str]


def program(name: str, package: str) -> str:
    """Return the path of a program; the test is skipped where it is missing, which CI does not allow."""
    return shutil.which(name) or pytest.skip(f"no {name}: on Debian, apt-get install {package}")


def run(*words: str | Path, cwd: Path) -> None:
    environment = os.environ | {"CGO_ENABLED": "0"}  # Debian's golang-go comes without a compiler for C
    done = subprocess.run(
        words, cwd=cwd, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr


def build_go(place: Path, name: str) -> Command:
    """Build a module; return the command of its program."""
    compiler = go_compiler(place)
    for words in (("generate",), ("vet",), ("build", "-o", name)):
        run(compiler, *words, cwd=place)
    return [str(place / name)]


def go_compiler(place: Path) -> str:
    """Return a Go that accepts go.mod: the machine's, or PyPI's where that is too old (Debian 12 has 1.19)."""
    installed = program("go", "golang-go")
    if subprocess.run([installed, "list", "-m"], cwd=place, check=False, capture_output=True).returncode == 0:
        return installed
    uv = Path(sys.executable).parent / "uv"
    run(uv, "venv", "-q", "--python", sys.executable, "venv", cwd=place)
    run(uv, "pip", "install", "-q", "--python", "venv", "--require-hashes", "-r", GO, cwd=place)
    return str(place / "venv" / "bin" / "go")


def build_java(place: Path, name: str, jars: Path) -> Command:
    """Build a project; return the command of its program. `sha256sum *.jar` in target/lib writes the lock `jars`."""
    runtime, maven = program("java", "default-jdk-headless"), program("mvn", "maven")
    program("javac", "default-jdk-headless")
    run(maven, "-q", "-B", "-C", "package", cwd=place)
    paths = sorted((place / "target" / "lib").iterdir())
    digests = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in paths]
    assert digests == jars.read_text().splitlines()
    return [runtime, "-jar", str(place / "target" / f"{name}.jar")]
