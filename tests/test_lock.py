"""What `run` is installed with: locked by hash, released, under licences that ask for nothing but their text."""

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[1] / "requirements"
LOCK = (REQUIREMENTS / "base.txt").read_text()
ENTRY = re.compile(r"^(\S+)==(\S+)(?: ; .*?)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
FILE_COPYLEFT = {"orjson": ("MPL-2.0",)}  # binds those who change its files, and nobody who uses it
PERMISSIVE = ("Apache", "MIT", "BSD", "0BSD", "ISC", "PSF", "Zlib", "CC0", "Python Software Foundation")
PACKAGES = sorted({name for name, _, _ in ENTRY.findall(LOCK)})


def test_every_package_is_locked_by_its_hashes() -> None:
    left = ENTRY.sub("", LOCK).strip()
    assert left == ""


def test_no_package_is_a_pre_release() -> None:
    assert PACKAGES
    unreleased = [name for name, version, _ in ENTRY.findall(LOCK) if not re.fullmatch(r"[\d.]+", version)]
    assert unreleased == []


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_comes_under_a_permissive_licence(name: str) -> None:
    try:
        said = metadata(name)
    except PackageNotFoundError:
        assert f"{name}==" in "".join(line for line in LOCK.splitlines() if "sys_platform == 'win32'" in line)
        return
    classified = [each for each in said.get_all("Classifier", []) if each.startswith("License")]
    told = [*said.get_all("License-Expression", []), *said.get_all("License", []), " AND ".join(classified)]
    expression = next(filter(None, told), "")
    parts = [part for part in re.split(r" AND | WITH |[()]", expression) if part.strip()]
    allowed = (*PERMISSIVE, "LLVM-exception", *FILE_COPYLEFT.get(name, ()))
    assert parts
    assert [part for part in parts if not any(word in part for word in allowed)] == []


def versions(name: str) -> set[tuple[str, str]]:
    """Return the names and versions in a lock."""
    return {(package, version) for package, version, _ in ENTRY.findall((REQUIREMENTS / name).read_text())}


def test_engines_are_in_no_lock_but_their_own() -> None:
    engines = {"pyspark", "py4j", "ray"}
    assert engines <= {package for package, _ in versions("engines.txt")}
    for lock in REQUIREMENTS.glob("*.txt"):
        assert lock.name == "engines.txt" or engines.isdisjoint(package for package, _ in versions(lock.name))


def test_engines_are_tested_with_the_versions_of_the_program() -> None:
    shared = dict(versions("base.txt"))
    other = {(package, version) for package, version in versions("engines.txt") if package in shared}
    assert other <= versions("base.txt")
    assert ENTRY.sub("", (REQUIREMENTS / "engines.txt").read_text()).strip() == ""
