"""Standard streams that are closed, full or no longer read, and names that are too long: one line, no traceback."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from scoring.artifacts import loading
from tests.support.artifacts.loading import SET
from tests.support.command_line import PREFIXES
from tests.support.commands import COMMANDS, PROGRAM, Inputs

SPEAKING = [name for name in COMMANDS if not name.startswith(("score", "run", "dead-letters", "watch"))]
SLOW = {"model verify --write-manifest", "model diff", "train", "evaluate", "check", "demo"}  # once is enough
LOST = {
    ">/dev/full": "standard output cannot be written: No space left on device",
    ">&-": "standard output cannot be written: Bad file descriptor",
}
LONG = "x" * 300
TOO_LONG = [
    ["score", "{table}", "--output", f"{LONG}.csv"],
    ["score", f"{LONG}.csv", "--output", "out.csv"],
    ["predict", LONG],
    ["train", "--data", "{table}", "--trees", "3", "--depth", "2", "--balance", "0", "--out", LONG],
    ["evaluate", f"{LONG}.csv"],
    ["model", "verify", LONG],
    ["model", "show", LONG],
    ["model", "diff", LONG, LONG, "{table}"],
    ["demo", "--input", LONG],
    ["run", "--config", LONG],
    ["check", "--config", LONG],
    ["watch", "--config", LONG, "--bootstrap-servers", "127.0.0.1:1"],
    ["dead-letters", "list", "--config", LONG],
    ["config", "init", "--output", LONG],
    ["config", "show", "--config", LONG],
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("inputs"), loading.shipped(), SET)


def run(redirection: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program in a shell, its streams redirected."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    return subprocess.run(
        f"{shlex.join([str(PROGRAM), *arguments])} {redirection}",
        shell=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("session-scorer: ")] == [
        f"session-scorer: {words}"
    ]
    assert done.stderr.endswith(f"{words}\n")


@pytest.mark.parametrize(
    ("name", "redirection"),
    [(name, redirection) for name in SPEAKING for redirection in LOST if name not in SLOW or redirection != ">&-"],
)
def test_output_that_cannot_be_written_is_one_line(
    name: str, redirection: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    inputs = Inputs(tmp_path_factory.mktemp("inputs"), loading.shipped(), SET)
    assert_one_line(run(redirection, *inputs.arguments(name)), LOST[redirection])


@pytest.mark.parametrize("name", ["version", "predict", "model show", "model verify"])
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&-"])
def test_a_stream_that_is_not_used_does_not_matter(name: str, redirection: str, inputs: Inputs) -> None:
    done = run(redirection, *COMMANDS[name].arguments.format(**inputs.paths, out="").split())
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&- 2>&- <&-"])
def test_an_error_that_nobody_can_be_told_is_still_a_status(redirection: str) -> None:
    assert run(redirection, "predict", "none.json").returncode == 1


def test_closed_input_is_one_line() -> None:
    assert_one_line(run("<&-", "predict", "-"), "-: cannot be read: Bad file descriptor")


def test_no_file_takes_the_number_of_a_closed_stream(inputs: Inputs, tmp_path: Path) -> None:
    target = tmp_path / "scored.csv"
    assert run(">&- 2>&- <&-", "score", str(inputs.paths["table"]), "--output", str(target)).returncode == 0
    assert len(target.read_text().splitlines()) == 1001


@pytest.mark.parametrize("arguments", [["--help"], ["model", "show"], ["model", "show", "--json"]])
def test_a_reader_that_goes_away_is_not_spoken_of(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([PROGRAM, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("arguments", TOO_LONG, ids=" ".join)
def test_a_name_that_is_too_long_is_one_line(arguments: list[str], inputs: Inputs, tmp_path: Path) -> None:
    done = run("", *(word.format(**inputs.paths) for word in arguments), cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    said = done.stdout + done.stderr  # `check` reports on standard output
    assert "File name too long" in said or "does not exist" in said


def test_an_output_may_have_the_longest_name_there_is(inputs: Inputs, tmp_path: Path) -> None:
    name = "x" * (255 - len(".csv.rejected.jsonl")) + ".csv"
    done = run("", "score", str(inputs.paths["table"]), "--output", name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
