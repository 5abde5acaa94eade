"""The label column and the values of attacks."""

import json
from pathlib import Path

import pandas as pd
import pytest

from training import TrainingError
from training.labels import LabelColumn
from training.reader import ReadOptions, read_sessions
from training.synthetic.dataset import generate

ROWS = 120


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        [json.loads(event) | {"label": i % 4 == 0} for i, event in enumerate(generate(ROWS, 4).events())]
    )


def labels(path: Path, *, name: str = "label", positive: tuple[str, ...] = ()) -> list[int]:
    found: list[int] = read_sessions(path, ReadOptions(LabelColumn(name, positive))).label.tolist()
    return found


def written(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (("fraud", "ok"), ("fraud",)),
        (("fraud", "ok"), ("fraud", "chargeback")),
        ((True, False), ("true",)),
        ((True, False), ("True",)),
        ((2, 0), ("2",)),
        ((2.0, 0.5), ("2",)),
        (("1", "0"), ("1.0",)),
        ((True, False), ()),
        ((1.0, 0.0), ()),
    ],
)
def test_positive_values_match_in_every_file_format(
    values: tuple[object, object], positive: tuple[str, ...], kind: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    outcome = pd.Series(values).take([0 if each else 1 for each in frame["label"]])
    renamed = frame.assign(outcome=outcome.to_numpy()).drop(columns="label")
    path = written(renamed, tmp_path / f"a.{kind}")
    assert labels(path, name="outcome", positive=positive) == frame["label"].astype(int).tolist()


def test_notes_name_the_label(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = written(frame.rename(columns={"label": "attack_kind"}), tmp_path / "a.csv")
    data = read_sessions(path, ReadOptions(LabelColumn("attack_kind", ("True", "maybe"))))
    assert data.notes[0] == "the label is attack_kind: an attack where it is 'True' or 'maybe'"
    assert LabelColumn().notes() == ()
    assert LabelColumn("fraud").notes() == ("the label is fraud",)


def refusal(path: Path, label: LabelColumn) -> str:
    with pytest.raises(TrainingError) as refused:
        read_sessions(path, ReadOptions(label))
    return str(refused.value).removeprefix(f"{path}: ")


def test_an_unreadable_label_is_one_line_with_remedy(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame["outcome"] = ["fraud" if each else "ok" for each in frame["label"]]
    path = written(frame.rename(columns={"label": "Label"}), tmp_path / "a.csv")
    assert refusal(path, LabelColumn()) == "no column label: use --label 'Label' if that is the label"
    assert refusal(path, LabelColumn("target")) == "no column target: name the label's column with --label"
    assert refusal(path, LabelColumn("outcome")).startswith(
        "row 1: outcome: expected 0 or 1, or name the value of attacks with --positive (120 such rows of 120)"
    )
    assert refusal(path, LabelColumn("outcome", ("Fraud",))).startswith("no row's outcome is a value of --positive")
    assert refusal(path, LabelColumn("outcome", ("fraud", "ok"))).startswith("every row's outcome is a value of")


def test_a_row_without_a_label_is_invalid(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame["label"] = ["fraud" if each else None for each in frame["label"]]
    path = written(frame, tmp_path / "a.csv")
    assert refusal(path, LabelColumn("label", ("fraud",))) == "row 2: label: expected a value (90 such rows of 120)"


@pytest.mark.parametrize("name", ["click_events", "transaction_date", "user_id"])
def test_a_field_of_the_event_is_no_label(name: str) -> None:
    with pytest.raises(TrainingError, match=rf"^--label {name}: is a field of the event"):
        LabelColumn(name)
