"""The programs of docs/messages.md in Java and JavaScript print what the page says, with the versions that it names."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.page_programs import PAGE, page_program

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "recipes"
JARS = HERE / "jars.sha256"

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]  # registries may be slow


def command(name: str, package: str) -> str:
    """Return the path of a command; the test is skipped where it is missing, which CI does not allow."""
    return shutil.which(name) or pytest.skip(f"no {name}: on Debian, apt-get install {package}")


def run(*words: str | Path, cwd: Path) -> list[str]:
    """Return what the command prints, in lines."""
    done = subprocess.run(
        words, cwd=cwd, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_the_program_in_java_prints_what_the_page_says(tmp_path: Path) -> None:
    java, maven = command("java", "default-jdk-headless"), command("mvn", "maven")
    command("javac", "default-jdk-headless")  # a Java without it cannot run a program from its source
    jars, pom = tmp_path / "jars", HERE / "pom.xml"
    run(maven, "-q", "-B", "-C", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={jars}", cwd=tmp_path)
    digests = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(jars.iterdir())]
    assert digests == JARS.read_text().splitlines()
    program = page_program("In Java 17")
    source = tmp_path / "Validate.java"
    source.write_text(program.text, encoding="utf-8")
    assert run(java, "-cp", f"{jars}{os.sep}*", source, cwd=ROOT) == program.output


def test_the_program_in_javascript_prints_what_the_page_says(tmp_path: Path) -> None:
    node, npm = command("node", "npm"), command("npm", "npm")
    room = shutil.copytree(HERE, tmp_path / "room")
    run(npm, "ci", cwd=room)
    (room / "docs").symlink_to(ROOT / "docs")
    program = page_program("In JavaScript")
    (room / "validate.mjs").write_text(program.text, encoding="utf-8")
    assert run(node, "validate.mjs", cwd=room) == program.output


def test_the_page_names_the_versions_that_are_tried() -> None:
    text = PAGE.read_text(encoding="utf-8")
    pom = (HERE / "pom.xml").read_text()
    validator = re.search(r"<artifactId>(json-schema-validator)</artifactId>\s*<version>(.+)</version>", pom)
    assert validator is not None
    assert f"`com.networknt:{validator[1]}:{validator[2]}`" in text
    packages = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert f"`npm install {' '.join(f'{name}@{version}' for name, version in packages.items())}`" in text
    locked = re.search(r"^jsonschema==(\d+\.\d+)", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE)
    assert locked is not None
    assert f"`pip install jsonschema` ({locked[1]})" in text


@pytest.mark.parametrize("place", [HERE, ROOT / "tests" / "codegen"], ids=["recipes", "codegen"])
def test_the_lock_has_a_hash_for_every_package_and_names_no_registry(place: Path) -> None:
    _, *packages = json.loads((place / "package-lock.json").read_text(encoding="utf-8"))["packages"].values()
    assert all(each["integrity"].startswith("sha512-") for each in packages)
    assert not any("resolved" in each for each in packages)
