"""The wheel and the sdist: what they hold, and that they work where nothing but the base requirements is installed."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from scoring import Scorer
from scoring.artifacts import FILES, MANIFEST_FILE
from tools.dist import PYTHONS

ROOT = Path(__file__).parents[1]
EVENT = {"session_id": "session_1", "click_events": 31, "time_on_page": 10, "transaction_date": "2026-11-23T02:10:00"}
# the first test of these installs the base requirements for each Python: seconds, the downloads not counted
pytestmark = pytest.mark.timeout(600)


def python(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that `make dist` fills, with its output in `output.txt`."""
    directory = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        ["make", "dist", f"DIST={directory}"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    (directory / "output.txt").write_text(done.stdout)
    return directory


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (wheel,) = dist.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of commands of an empty environment in which the wheel was installed."""
    directory = tmp_path_factory.mktemp("environment")
    python("-m", "venv", "--without-pip", directory)
    install = ("-m", "uv", "pip", "install", "--quiet", "--python", directory / "bin" / "python")
    python(*install, "--require-hashes", "-r", "requirements/base.txt")
    python(*install, "--no-deps", "--no-index", wheel)
    return directory / "bin"


def run(command: str, *arguments: str, cwd: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """An installed command's outcome, run in the directory `cwd`, with nothing of ours in the environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SESSION_", "PYTHON"))}
    return subprocess.run(
        [command, *arguments], cwd=cwd, env=environment, input=given, capture_output=True, text=True, check=False
    )


def test_the_wheel_is_tried_with_each_python_or_the_output_says_that_it_is_not(dist: Path) -> None:
    results = dict(re.findall(r"^Python (\S+): (works|not tried)", (dist / "output.txt").read_text(), re.MULTILINE))
    assert tuple(results) == PYTHONS
    assert results[f"{sys.version_info.major}.{sys.version_info.minor}"] == "works"


def test_the_metadata_name_no_python_that_is_never_tried() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    named = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", "\n".join(classifiers), re.MULTILINE)
    assert named
    assert set(named) <= set(PYTHONS)


def test_the_sdist_holds_what_the_wheel_is_built_from_and_nothing_beside_it(dist: Path, names: list[str]) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        paths = {member.name.split("/", 1)[1] for member in archive}
    code = {name.replace("scoring/shipped/", "artifacts/") for name in names if ".dist-info/" not in name}
    assert paths == code | {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", ".gitignore"}


def test_the_wheel_holds_three_packages_and_nothing_beside_them(names: list[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"scoring", "consumer", "training"}
    assert not [name for name in names if {"tests", "deploy", "benchmarks", "examples"} & set(name.split("/"))]


def test_the_wheel_holds_the_set_that_ships_and_no_data(names: list[str]) -> None:
    shipped = [name.removeprefix("scoring/shipped/") for name in names if name.startswith("scoring/shipped/")]
    assert sorted(shipped) == sorted([*FILES, MANIFEST_FILE])
    code = [name for name in names if not name.startswith("scoring/shipped/") and ".dist-info/" not in name]
    assert {Path(name).suffix for name in code} == {".py", ".typed", ".j2"}


def test_an_installed_scorer_scores_as_this_tree_does_from_any_directory(installed: Path, tmp_path: Path) -> None:
    script = "import json, scoring; print(json.dumps(scoring.Scorer.load().score(input().encode()).as_dict()))"
    done = run(str(installed / "python"), "-c", script, cwd=tmp_path, given=json.dumps(EVENT))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == Scorer.load().score(EVENT).as_dict()


def test_the_installed_command_predicts_one_event_from_any_directory(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    done = run(str(installed / "session-scorer"), "predict", "event.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    expected = Scorer.load().score(EVENT).as_dict()
    assert said["anomaly_score"] == expected["anomaly_score"]
    assert {"predicted_label", "risk_level", "risk_reason", "reason_codes", "imputed_fields"} <= set(said)


def test_code_that_the_image_ships_is_what_a_start_takes(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    (script,) = re.findall(r'/bin/python -P -c "(.*compile_kernels.*)"$', dockerfile, re.MULTILINE)
    done = run(str(installed / "python"), "-P", "-c", script, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    start = "import numba.core.dispatcher as d; d._FunctionCompiler.compile = None; import consumer.app as run"
    done = run(str(installed / "python"), "-P", "-c", f"{start}; run.compile_kernels()", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")  # although nothing could be compiled


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("train", "--out", "made"), "train"),
        (("evaluate", "labelled.csv"), "train"),
        (("score", "events.parquet", "-o", "verdicts.parquet"), "files"),
    ],
)
def test_what_needs_an_extra_says_in_one_line_how_to_get_it(
    arguments: tuple[str, ...], extra: str, installed: Path, tmp_path: Path
) -> None:
    (tmp_path / "events.parquet").write_bytes(b"PAR1")
    done = run(str(installed / "session-scorer"), *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"pip install 'session-scorer[{extra}]'" in done.stderr
