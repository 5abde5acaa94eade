"""Files of another schema from the command line: refused before anything is written, or reported and scored."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from consumer.offline.progress import Reporting
from consumer.offline.score_files import score_files
from scoring import Scorer
from scoring.artifacts import loading
from scoring.contract import MODEL_FIELDS
from tests.support.command_line import Call

EVENT: dict[str, Any] = {
    "user_id": "u-1",
    "session_id": "s-1",
    "click_events": 45,
    "scroll_events": 3,
    "touch_events": 0,
    "keyboard_events": 9,
    "mouse_movement": 120,
    "device_motion": 0.5,
    "time_on_page": 35.5,
    "timezone_offset": 330,
    "transaction_amount": 20000,
    "device_type": "Mobile",
    "screen_size": "360x640",
    "browser_info": "Chrome",
    "language": "english",
    "device_orientation": "portrait",
    "geolocation_city": "Delhi",
    "transaction_date": "2025-04-18T02:00:00",
}
DOUBTFUL = "--allow-doubtful"  # a row is enough here
RENAMED = {"click_events": "clicks", "device_type": "Device", "user_id": "customer"}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    frame = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_json(path, lines=True)


def renamed(event: dict[str, Any]) -> dict[str, Any]:
    return {RENAMED.get(name, name): value for name, value in event.items()}


KINDS = ["csv", "jsonl", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_score_refuses_another_schema_and_leaves_what_was_there(call: Call, tmp_path: Path, kind: str) -> None:
    source = written(tmp_path / f"in.{kind}", [{"clicks": 45, "transaction_amount": 20000}])
    target, aside = tmp_path / f"out.{kind}", tmp_path / f"out.{kind}.rejected.jsonl"
    kept = '{"row":1,"error":{"code":"not_json","field":null,"message":""},"text":"x"}\n'  # of an earlier run
    for path in (target, aside):
        path.write_text(kept)
    said = call("score", source, "-o", target)
    assert (said.status, said.out) == (1, "")
    assert said.line.startswith(f"session-scorer: {source}: only 1 of the 16 model fields is there; 'clicks' looks")
    assert (target.read_text(), aside.read_text()) == (kept, kept)
    assert sorted(tmp_path.iterdir()) == sorted([source, target, aside])


@pytest.mark.parametrize("kind", KINDS)
def test_score_takes_it_when_that_is_meant(call: Call, tmp_path: Path, kind: str) -> None:
    source = written(tmp_path / f"in.{kind}", [{"clicks": 45, "transaction_amount": 20000}])
    said = call("score", source, "-o", tmp_path / "out.csv", "--allow-missing")
    assert said.status == 0
    assert f"warning: {source}: no column click_events, " in said.err
    assert "without a value in any row, imputed: click_events, " in said.err
    assert "1 rows scored in" in said.err


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_renamed_columns_are_scored_as_the_fields_and_keep_their_names(
    call: Call, scorer: Scorer, tmp_path: Path, kind: str, target: str
) -> None:
    rows = [EVENT, EVENT | {"click_events": -1}, EVENT | {"click_events": 2}]
    source = written(tmp_path / f"in.{kind}", [renamed(row) for row in rows])
    out = tmp_path / f"out.{target}"
    options = [part for ours, theirs in RENAMED.items() for part in ("--map", f"{ours}={theirs}")]
    said = call("score", source, "-o", out, *options)
    assert (said.status, "warning" in said.err) == (0, False)
    assert "invalid, by code and field: out_of_range click_events 1" in said.err
    made = read(out)
    assert list(made.columns[: len(EVENT)]) == list(renamed(EVENT))
    assert made["clicks"].tolist() == [45, 2]
    assert made["anomaly_score"].tolist() == pytest.approx([scorer.score(rows[i]).anomaly_score for i in (0, 2)])
    [reject] = [json.loads(line) for line in Path(f"{out}.rejected.jsonl").read_text().splitlines()]
    assert reject["event"]["clicks"] == -1


def test_a_row_of_csv_in_quotes_is_renamed_too(call: Call, scorer: Scorer, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    names, cells = renamed(EVENT), [f'"{value}"' for value in EVENT.values()]
    source.write_text(",".join(names) + "\n" + ",".join(cells) + "\n" + ",".join(cells[1:]) + "\n")
    options = [part for ours, theirs in RENAMED.items() for part in ("--map", f"{ours}={theirs}")]
    assert call("score", source, "-o", tmp_path / "out.jsonl", *options).status == 0
    [row] = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert row["clicks"] == 45
    assert row["anomaly_score"] == scorer.score(EVENT).anomaly_score


@pytest.mark.parametrize("command", ["score", "diff"])
def test_a_renaming_that_means_nothing_is_wrong_usage(call: Call, tmp_path: Path, command: str) -> None:
    source = written(tmp_path / "in.csv", [EVENT])
    shipped = loading.shipped()
    arguments = (
        ("score", source, "-o", tmp_path / "out.csv")
        if command == "score"
        else ("model", "diff", *[shipped] * 2, source)
    )
    said = call(*arguments, "--map", "clicks=click_events")
    assert said.status == 2
    assert "is no field of a session event" in said.err


def test_categories_never_seen_are_said_before_and_in_the_summary(call: Call, tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", [EVENT | {"device_type": "NA", "geolocation_city": "Atlantis"}, EVENT])
    said = call("score", source, "-o", tmp_path / "out.csv")
    assert said.status == 0
    first, scored, summary = said.err.splitlines()
    assert first.startswith("warning: the model has never seen most values in the first 2 rows scored")
    assert scored == f"2 rows scored in {tmp_path / 'out.csv'}"
    assert summary == "categories never seen: device_type 50.0 %, geolocation_city 50.0 %"


def test_the_first_rows_are_judged_and_all_are_summed_up(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.tables.source.BLOCK_BYTES", 100_000)
    strange = json.dumps(EVENT | {"language": "Klingon"})
    source = tmp_path / "in.jsonl"
    source.write_text(f"{strange}\n" * 10_000 + f"{json.dumps(EVENT)}\n" * 30_000)
    said: list[str] = []
    counts = score_files(scorer, [source], tmp_path / "out.jsonl", Reporting(warn=said.append))
    assert len(said) == 1
    assert "language 100 %" in said[0] or "language 99" in said[0]  # the chunk with the 10,000th row ends behind it
    assert counts.summary() == ["categories never seen: language 25.0 %"]


def test_two_sets_are_compared_by_a_table_of_events_only(call: Call, tmp_path: Path) -> None:
    shipped = loading.shipped()
    source = written(tmp_path / "in.csv", [{"clicks": 45}])
    said = call("model", "diff", shipped, shipped, source)
    assert (said.status, said.out) == (1, "")
    assert "'clicks' looks like click_events" in said.line
    said = call("model", "diff", shipped, shipped, source, "--allow-missing", "--map", "click_events=clicks", DOUBTFUL)
    assert said.status == 0
    assert "no column scroll_events" in said.err


def test_each_set_says_what_it_has_never_seen(call: Call, tmp_path: Path) -> None:
    shipped = loading.shipped()
    source = written(tmp_path / "in.csv", [EVENT | {"language": "Klingon"}])
    said = call("model", "diff", shipped, shipped, source, DOUBTFUL)
    assert said.status == 0
    assert [line.partition(" in ")[0] for line in said.err.splitlines() if line.startswith("warning")] == [
        f"warning: set {name} has never seen most values" for name in "AB"
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"foo": 1}, "no field of a session event (no_known_field)"),
        ({}, "no field of a session event (no_known_field)"),
        ({"data": [EVENT]}, "no field of a session event: they are inside 'data', give that by itself"),
        ({"schema_version": 1, "session_id": "s", "event": EVENT}, "they are inside 'event'"),
        ({"clicks": 45}, "no field of a session event: 'clicks' looks like click_events"),
    ],
)
def test_predict_refuses_an_object_without_a_known_field(call: Call, data: object, words: str) -> None:
    said = call("predict", "-", stdin=json.dumps(data))
    assert (said.status, said.out) == (1, "")
    assert said.line.startswith("session-scorer: stdin: no field")
    assert words in said.line


def test_predict_takes_an_object_with_one_known_field(call: Call, scorer: Scorer) -> None:
    events: list[dict[str, Any]] = [{"click_events": None}, {"session_id": "s"}, {"language": "x", "event": EVENT}]
    for event in events:
        said = call("predict", "-", stdin=json.dumps(event))
        assert (said.status, said.err) == (0, "")
        assert json.loads(said.out) == scorer.score(event).as_dict()


def test_in_an_array_an_object_without_a_known_field_is_an_error_in_its_place(call: Call) -> None:
    said = call("predict", "-", stdin=json.dumps([EVENT, {"foo": 1}, {"click_events": -1}, EVENT]))
    assert said.status == 1
    assert said.line == 'session-scorer: 2 of 4 events are invalid, see "error"'
    codes = [answer.get("error", {}).get("code") for answer in json.loads(said.out)]
    assert codes == [None, "no_known_field", "out_of_range", None]


def test_the_single_event_keeps_its_contract(scorer: Scorer) -> None:
    everything: list[dict[str, Any]] = [dict.fromkeys(MODEL_FIELDS), {"foo": 1}, {"data": [EVENT]}]
    assert {scorer.score(event).anomaly_score for event in everything} == {scorer.score({}).anomaly_score}
