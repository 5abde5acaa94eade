"""Doubtful data: refused by train; exit status 1 of evaluate and model diff."""

from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from scoring import Scorer
from tests.support.artifacts.sets import FiveFiles
from tests.support.command_line import Call, Said
from tests.training.conftest import SMALL
from training import TrainingError, data_checks
from training.synthetic.dataset import generate
from training.train import train

FOREST = ("--trees", "5", "--depth", "3", "--balance", "0.5")


def last_line(said: Said) -> str:
    return said.err.splitlines()[-1]


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """1,000 sessions whose language is their label."""
    (tmp_path / "honest.csv").write_text(generate(1_000, 9).csv())
    frame = pd.read_csv(tmp_path / "honest.csv", dtype=str, keep_default_na=False)
    frame.assign(language=frame["label"]).to_csv(tmp_path / "leaky.csv", index=False)
    return tmp_path / "leaky.csv"


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """99 sessions."""
    (tmp_path / "few.csv").write_text("\n".join(generate(99, 9).csv().splitlines()) + "\n")
    return tmp_path / "few.csv"


def test_train_refuses_a_leaking_field(call: Call, leaky: Path, tmp_path: Path) -> None:
    said = call("train", "--data", leaky, "--out", tmp_path / "set", *FOREST)
    assert said.status == 1
    assert said.line.startswith("session-scorer: leaky.csv: language alone reveals the label (ROC AUC 1.000): a leak")
    assert said.line.endswith("; --allow-doubtful trains on it anyway")
    assert not (tmp_path / "set").exists()


def test_allow_doubtful_trains_and_notes_the_doubt(call: Call, leaky: Path, tmp_path: Path) -> None:
    said = call("train", "--data", leaky, "--out", tmp_path, *FOREST, "--allow-doubtful")
    assert said.status == 0
    manifest = Scorer.load(tmp_path).artifacts.manifest
    assert manifest is not None
    assert any("language alone reveals the label" in note for note in manifest.training.notes)
    assert "language alone reveals the label" in said.err


def test_a_leak_of_a_rare_label_is_found(leaky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.train.SEARCH_ROWS", 200)
    with pytest.raises(TrainingError, match="language alone reveals the label"):
        train(leaky, tmp_path / "set", options=SMALL)


def test_train_refuses_fewer_than_100_rows(call: Call, few: Path, tmp_path: Path) -> None:
    said = call("train", "--data", few, "--out", tmp_path / "set", *FOREST)
    assert said.status == 1
    assert said.line == (
        "session-scorer: few.csv: 99 rows are too few: at least 100 are needed; --allow-doubtful trains on it anyway"
    )
    assert not (tmp_path / "set").exists()


def test_rows_held_out_are_rows_of_the_file(call: Call, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    frame = pd.read_csv(StringIO(generate(3_000, 9).csv()), dtype=str, keep_default_na=False)
    pd.concat([rows.head(60) for _, rows in frame.groupby("label")]).to_csv(table, index=False)
    said = call("train", "--data", table, "--out", tmp_path / "set", "--split", "group", *FOREST)
    assert said.status == 0, said.err


def test_evaluate_ends_with_status_1_below_100_rows(call: Call, trained: Path, few: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", few, "--artifacts", trained, "--out", tmp_path / "evaluation")
    said = call(*arguments)
    assert said.status == 1
    assert said.err.splitlines()[-1].startswith("session-scorer: few.csv: 99 rows are too few")
    assert (tmp_path / "evaluation" / "results.csv").exists()
    assert call(*arguments, "--allow-doubtful").status == 0


def test_diff_recognizes_the_training_file_by_hash(call: Call, trained: Path, table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "renamed.csv"
    copy.write_bytes(table.read_bytes())
    said = call("model", "diff", trained, trained, copy)
    assert said.status == 1
    assert "rows scored" in said.out
    assert "renamed.csv: is the very file that set A was trained from" in last_line(said)
    assert call("model", "diff", trained, trained, copy, "--allow-doubtful").status == 0
    found = data_checks.training_file_doubts("x.csv", "0" * 64, Scorer.load(trained).artifacts)
    assert found == ()


def test_evaluating_the_training_file_has_status_1(call: Call, trained: Path, table: Path, tmp_path: Path) -> None:
    said = call("evaluate", table, "--artifacts", trained, "--out", tmp_path)
    assert said.status == 1
    assert said.err.splitlines()[-1].startswith("session-scorer: labelled.csv: is the very file that the set was")
    assert "Labelled.csv: is the very file" in (tmp_path / "report.html").read_text()


def test_diff_doubts_few_rows_and_leaks(call: Call, trained: Path, few: Path, leaky: Path, tmp_path: Path) -> None:
    assert "few.csv: 99 rows are too few" in last_line(call("model", "diff", trained, trained, few))
    assert "leaky.csv: language alone reveals the label" in last_line(call("model", "diff", trained, trained, leaky))
    assert call("model", "diff", trained, trained, tmp_path / "honest.csv").status == 0
    renamed = pd.read_csv(leaky, dtype=str, keep_default_na=False).rename(columns={"label": "outcome"})
    renamed.to_json(tmp_path / "leaky.jsonl", orient="records", lines=True)
    assert call("model", "diff", trained, trained, tmp_path / "leaky.jsonl", "--label", "outcome").status == 1


def test_diff_refuses_an_unreadable_named_label(call: Call, trained: Path, leaky: Path, tmp_path: Path) -> None:
    diff = ("model", "diff", trained, trained)
    said = call(*diff, leaky, "--label", "lable")
    assert (said.status, said.out) == (1, "")
    assert said.line.endswith("leaky.csv: no column lable: name the label's column with --label")
    frame = pd.read_csv(leaky, dtype=str, keep_default_na=False)
    words = frame.assign(label=frame["label"].map({"0": "good", "1": "bad"}))
    words.to_csv(tmp_path / "words.csv", index=False)
    assert "language alone reveals the label" in last_line(call(*diff, tmp_path / "words.csv", "--positive", "bad"))
    words.drop(columns="label").to_csv(tmp_path / "none.csv", index=False)
    assert call(*diff, tmp_path / "none.csv", "--positive", "bad").status == 1
    assert call(*diff, tmp_path / "none.csv").status == 0


def test_diff_reports_unchecked_labels(call: Call, trained: Path, leaky: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(leaky, dtype=str, keep_default_na=False)
    frame.assign(label="good").to_csv(tmp_path / "words.csv", index=False)
    said = call("model", "diff", trained, trained, tmp_path / "words.csv")
    assert said.status == 0
    assert "not checked for a field that alone reveals the label" in said.err
    assert "words.csv: row 1: label: expected 0 or 1, or name the value of attacks with --positive" in said.err


def test_training_again_from_the_same_file_is_noted(table: Path, trained: Path, tmp_path: Path) -> None:
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said: list[str] = []
    manifest = train(table, tmp_path, options=SMALL, notify=said.append)
    (line,) = said
    assert line.endswith("was trained from this very file and is replaced")
    assert manifest.training.notes == []


def test_a_set_without_manifest_raises_no_doubt(five: FiveFiles, tmp_path: Path) -> None:
    bare = Scorer.load(five.write(tmp_path / "bare"), allow_unverified=True).artifacts
    assert data_checks.training_file_doubts("x.csv", "0" * 64, bare) == ()
    assert data_checks.row_count_doubts("x.csv", 100) == ()
