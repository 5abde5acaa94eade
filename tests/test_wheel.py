"""The wheel: what it holds, and that it works where nothing but the base requirements is installed."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scoring import Scorer
from scoring.artifacts import FILES, MANIFEST_FILE

ROOT = Path(__file__).parents[1]
EVENT = {"session_id": "session_1", "click_events": 31, "time_on_page": 10, "transaction_date": "2026-11-23T02:10:00"}
# the first test of these installs the base requirements: seconds, the downloads not counted
pytestmark = pytest.mark.timeout(600)


def python(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, as `make dist` builds it."""
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(["make", "dist", f"DIST={directory}"], cwd=ROOT, check=True)
    (made,) = directory.glob("*.whl")
    return made


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


def test_the_base_environment_is_enough_to_build_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    subprocess.run(["make", "dist", f"DIST={tmp_path}/dist", f"VENV={tmp_path}/venv"], cwd=ROOT, check=True)
    assert not (tmp_path / "venv" / "bin" / "mypy").exists()
    (made,) = (tmp_path / "dist").glob("*.whl")
    assert (made.name, made.read_bytes()) == (wheel.name, wheel.read_bytes())


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
