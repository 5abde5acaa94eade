"""`session-scorer evaluate`: output, files, exit status."""

from pathlib import Path

import pandas as pd
import pytest

from tests.support.command_line import Call
from training.synthetic.dataset import LATER, generate


@pytest.fixture
def call(call: Call, trained: Path) -> Call:
    """Runs `evaluate` with the trained set, in this process, by the one entry point."""
    return lambda *arguments: call("evaluate", *arguments, "--artifacts", trained)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 labelled sessions."""
    path = tmp_path_factory.mktemp("labelled") / "labelled.csv"
    path.write_text(generate(1_000, 10, world=LATER).csv())
    return path


def test_estimates_go_to_stdout_and_files_to_out(call: Call, labelled: Path, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "evaluation"
    said = call(labelled, "--training-data", table, "--out", out)
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[0] == "sessions: 1,000"
    assert lines[-2:] == [str(out / "results.csv"), str(out / "report.html")]
    order = [line.split(":")[0] for line in lines if line.startswith("average precision, ")]
    assert order[0] == "average precision, reason rules"
    assert order[-1] == "average precision, forest"
    assert "\x1b" not in said.out + said.err
    assert "no session and no user is shared with the training data" in said.err
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "results.csv"]


def test_a_leak_is_reported_with_status_1(call: Call, labelled: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(labelled, dtype=str, keep_default_na=False)
    frame.assign(language=frame["label"]).to_csv(tmp_path / "leak.csv", index=False)
    said = call(tmp_path / "leak.csv", "--out", tmp_path)
    assert said.status == 1
    last = said.err.splitlines()[-1]
    assert last.startswith("session-scorer: leak.csv: language alone reveals the label")
    assert "language alone reveals the label" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("arguments", [("absent.csv",), ("labelled.csv", "--training-data", "absent.csv")])
def test_a_missing_file_is_one_line(
    arguments: tuple[str, ...], call: Call, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(labelled.parent)
    said = call(*arguments)
    assert (said.status, said.out) == (1, "")
    assert said.err.count("\n") == 1
    assert said.err.startswith("session-scorer: absent.csv: ")
    assert not (labelled.parent / "evaluation").exists()


def test_an_invalid_label_is_named_by_its_row(call: Call, labelled: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(labelled, dtype=str, keep_default_na=False)
    frame.loc[6, "label"] = "fraud"
    frame.to_csv(tmp_path / "bad.csv", index=False)
    said = call(tmp_path / "bad.csv")
    assert said.status == 1
    assert "bad.csv: row 7: label: expected 0 or 1" in said.err
    assert said.err.count("\n") == 1
    assert "fraud" not in said.err


def test_usage_that_is_wrong_has_status_2(call: Call) -> None:
    assert call("a.csv", "--seed", "-1").status == 2
