"""Whole files: what is read as what, what comes out, what goes aside, and that nothing half-made is left behind."""

import csv
import json
import resource
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from consumer.offline import score_files as score
from consumer.offline.progress import Reporting
from consumer.offline.score_files import Counts, FileError, rejected_path
from scoring import Scorer, Verdict
from scoring.tables import TableOptions, open_source
from tests.support.artifacts import hand_computed

VERDICT = ["predicted_label", "anomaly_score", "risk_level", "risk_reason", "reason_codes", "imputed_fields"]
CSV = """session_id,click_events,device_orientation,transaction_amount,note
007,4,none,12.50,"a ""b"", c"
s-2,,NA,1e3,
"""


# tables of a column or two are enough for what is shown here; test_table_judgement.py has the judgement
score_files = partial(score.score_files, table=TableOptions(allow_missing=True))


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return hand_computed.scorer()


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def verdict(scorer: Scorer, event: dict[str, Any]) -> dict[str, Any]:
    said = scorer.score(event)
    assert isinstance(said, Verdict)
    return said.as_dict()


def events(path: Path) -> list[bytes]:
    """What the scorer is given for each row."""
    return [row for chunk in open_source(path).chunks() for row, _ in chunk.read().events]


# -- CSV -------------------------------------------------------------------------------------------------------------


def test_of_csv_only_the_empty_cell_is_a_gap_and_text_stays_text(tmp_path: Path) -> None:
    first, second = map(json.loads, events(written(tmp_path / "in.csv", CSV)))
    assert first == {
        "session_id": "007",
        "click_events": 4,
        "device_orientation": "none",
        "transaction_amount": 12.5,
        "note": 'a "b", c',
    }
    assert second == {
        "session_id": "s-2",
        "click_events": None,
        "device_orientation": "NA",
        "transaction_amount": 1000,
        "note": None,
    }


@pytest.mark.parametrize("cell", ["nan", "NA", "inf", "-", " 1", "+1", "01", ".5", "1.", "1_000", "0x1", "True", "١"])
def test_a_cell_that_json_would_not_write_so_is_no_number(scorer: Scorer, tmp_path: Path, cell: str) -> None:
    source = written(tmp_path / "in.csv", f"click_events\n1\n{cell}\n")
    assert score_files(scorer, [source], tmp_path / "out.csv") == Counts(scored=1, rejected=1)
    [reject] = lines(rejected_path(tmp_path / "out.csv"))
    assert reject["row"] == 2
    assert (reject["error"]["code"], reject["error"]["field"]) == ("wrong_type", "click_events")
    assert reject["event"] == {"click_events": cell}


def test_csv_to_csv_keeps_the_columns_and_adds_the_verdicts(scorer: Scorer, tmp_path: Path) -> None:
    source, target = written(tmp_path / "in.csv", CSV), tmp_path / "out.csv"
    assert score_files(scorer, [source], target) == Counts(scored=2, rejected=0)
    assert target.read_text().splitlines()[
        0
    ] == "session_id,click_events,device_orientation,transaction_amount,note," + (",".join(VERDICT))
    rows = table(target)
    for before, after in zip(table(source), rows, strict=True):
        assert {name: after[name] for name in before} == before
    expected = verdict(scorer, {"device_orientation": "NA", "transaction_amount": 1000})
    assert float(rows[1]["anomaly_score"]) == expected["anomaly_score"]
    assert rows[1]["imputed_fields"] == ";".join(expected["imputed_fields"])
    assert rows[1]["reason_codes"] == ";".join(expected["reason_codes"])
    assert not rejected_path(target).exists()


@pytest.mark.parametrize("cell", ["two\nlines", "a\rb", "a\r\nb", 'a "b"', "a,b", " a ", "", "é;"])
@pytest.mark.parametrize("columns", [["note", "click_events"], ["click_events", "note"], ["device_type"]])
def test_csv_to_csv_and_json_lines_to_csv_keep_each_cell(
    scorer: Scorer, tmp_path: Path, cell: str, columns: list[str]
) -> None:
    row = dict.fromkeys(columns, cell) | {name: "1" for name in columns if name == "click_events"}
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, row.values(), ["1"] * len(columns)])
    written(tmp_path / "in.jsonl", json.dumps(row | ({"click_events": 1} if "click_events" in row else {})) + "\n")
    for source in ("in.csv", "in.jsonl"):
        score_files(scorer, [tmp_path / source], tmp_path / "out.csv")
        first = table(tmp_path / "out.csv")[0]
        assert list(first) == [*columns, *VERDICT]
        assert {name: first[name] for name in columns} == row
        assert None not in first.values()


def test_a_row_of_the_wrong_length_or_without_utf8_goes_aside_alone(scorer: Scorer, tmp_path: Path) -> None:
    source = written(tmp_path / "in.csv", b"\xef\xbb\xbfclick_events,note\n1,a\n1\n1,\xff\n\n1,b\n")
    assert score_files(scorer, [source], tmp_path / "out.csv") == Counts(scored=2, rejected=2)
    short, not_utf8 = lines(rejected_path(tmp_path / "out.csv"))
    assert short == {
        "row": 2,
        "file": "in.csv",
        "error": {"code": "not_an_object", "field": None, "message": "expected 2 cells, got 1"},
        "event": ["1"],
    }
    assert (not_utf8["row"], not_utf8["error"]["code"]) == (3, "not_json")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("click_events,click_events\n1,2\n", "the column 'click_events' is there more than once"),
        ('click_events\n"1\n', "line 2 is no CSV"),
        (b"click_events,Stra\xdfe\n1,a\n", "the name of a column is not UTF-8"),
    ],
)
def test_a_table_that_is_none_is_one_line(scorer: Scorer, tmp_path: Path, text: str | bytes, complaint: str) -> None:
    source = written(tmp_path / "in.csv", text)
    with pytest.raises(FileError, match=complaint) as caught:
        score_files(scorer, [source], tmp_path / "out.csv")
    assert str(caught.value).startswith(f"{source}: ")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [source]


# -- JSON Lines ------------------------------------------------------------------------------------------------------


def test_json_lines_keep_their_fields_byte_for_byte(scorer: Scorer, tmp_path: Path) -> None:
    line = '{"click_events":4.0 , "x":{"deep": [1,  2.50]},"user_id":12345678901234567890,"é":"\\u00e9"}'
    source, target = written(tmp_path / "in.ndjson", f"\ufeff{line}\r\n\n"), tmp_path / "out.jsonl"
    assert score_files(scorer, [source], target) == Counts(scored=1, rejected=0)
    text = target.read_text("utf-8")
    assert text.startswith(line.removesuffix("}") + ",")
    [row] = lines(target)
    assert {name: row[name] for name in VERDICT} == verdict(scorer, {"click_events": 4})


def test_scored_again_a_file_has_its_verdicts_once_and_last(scorer: Scorer, tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", '{"risk_level": "stale", "click_events": 1}\n')
    score_files(scorer, [source], tmp_path / "out.jsonl")
    [row] = lines(tmp_path / "out.jsonl")
    assert list(row) == ["click_events", *VERDICT]
    assert row["risk_level"] != "stale"


def test_what_gives_way_in_one_row_leaves_the_others_byte_for_byte(scorer: Scorer, tmp_path: Path) -> None:
    stale, similar = (
        '{"click_events": 1 , "risk\\u005flevel":"stale"}',
        '{"click_events" : 2, "my_score": "risk_level"}',
    )
    score_files(scorer, [written(tmp_path / "in.jsonl", f"{stale}\n{similar}\n")], tmp_path / "out.jsonl")
    first, _ = lines(tmp_path / "out.jsonl")
    assert list(first) == ["click_events", *VERDICT]
    assert (tmp_path / "out.jsonl").read_text("utf-8").splitlines()[1].startswith(similar.removesuffix("}") + ",")


def test_invalid_lines_go_aside_as_they_came_with_the_reason(scorer: Scorer, tmp_path: Path) -> None:
    source = written(
        tmp_path / "in.jsonl",
        b'{"click_events": -1, "x": 1.50}\n{"click_events": 1}\n{broken\n[]\n{"a": "\xff"}\n{"time_on_page": NaN}\n'
        + b"[" * 100_000
        + b"\n",
    )
    assert score_files(scorer, [source], tmp_path / "out.jsonl") == Counts(scored=1, rejected=6)
    rejects = lines(rejected_path(tmp_path / "out.jsonl"))
    assert [(reject["row"], reject["error"]["code"]) for reject in rejects[:-1]] == [
        (1, "out_of_range"),
        (3, "not_json"),
        (4, "not_an_object"),
        (5, "not_json"),
        (6, "not_json"),
    ]
    assert rejects[-1]["row"] == 7
    assert '"event":{"click_events": -1, "x": 1.50}' in rejected_path(tmp_path / "out.jsonl").read_text()
    assert rejects[1]["text"] == "{broken"


def test_json_lines_as_a_table_have_a_column_for_every_key(scorer: Scorer, tmp_path: Path) -> None:
    source = written(
        tmp_path / "in.jsonl",
        '{"b": null, "click_events": 1}\n{"a": {"x": 1}, "click_events": 2.0, "b": "t"}\nbroken\n',
    )
    score_files(scorer, [source], tmp_path / "out.csv")
    assert [list(row.values())[:3] for row in table(tmp_path / "out.csv")] == [["", "1", ""], ["t", "2.0", '{"x": 1}']]


def test_a_line_without_end_is_not_read_into_memory(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.tables.source.BLOCK_BYTES", 32)
    monkeypatch.setattr("scoring.tables.source.LINE_BYTES", 64)
    source = written(tmp_path / "in.jsonl", '{"x": "' + "y" * 100 + '"}')
    with pytest.raises(FileError, match="is this JSON Lines"):
        score_files(scorer, [source], tmp_path / "out.jsonl")


# -- Parquet ---------------------------------------------------------------------------------------------------------


def test_parquet_keeps_its_types_and_gaps_are_gaps(scorer: Scorer, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "user_id": [1.0, None],  # integers with a gap, as pandas keeps them
            "click_events": pd.array([3, None], dtype="Int64"),
            "time_on_page": [float("nan"), 30.5],
            "device_type": pd.Categorical(["Mobile", None]),
            "transaction_date": pd.Series([pd.Timestamp("2025-04-18 02:00:00.000000001", tz="Asia/Kolkata"), pd.NaT]),
            "note": [["a"], None],
        }
    )
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    frame.to_parquet(source)
    assert score_files(scorer, [source], target) == Counts(scored=2, rejected=0)
    before, after = parquet.read_table(source), parquet.read_table(target)
    assert after.select(before.column_names).equals(before.replace_schema_metadata())
    assert after.column_names == [*before.column_names, *VERDICT]
    assert after.schema.field("reason_codes").type == pa.list_(pa.string())
    event = {"click_events": 3, "device_type": "Mobile", "transaction_date": "2025-04-18T02:00"}
    row = after.slice(0, 1).to_pylist()[0]
    assert {name: row[name] for name in VERDICT} == verdict(scorer, event)
    assert pd.read_parquet(target)["anomaly_score"].notna().all()


def test_every_kind_of_parquet_value_is_read_as_the_contract_has_it(tmp_path: Path) -> None:
    written_table = pa.table(
        {
            "transaction_amount": pa.array([Decimal("12.50")]),
            "transaction_date": pa.array([date(2025, 4, 18)]),
            "click_events": pa.array([2], pa.uint8()),
            "at": pa.array([datetime(2025, 4, 18, 2, tzinfo=UTC)]),
            "user_id": pa.array([7.0]),
            "raw": pa.array([b"abc"]),
            "bytes": pa.array([b"\xff"]),
        }
    )
    parquet.write_table(written_table, tmp_path / "in.parquet")
    [event] = events(tmp_path / "in.parquet")
    assert event == (
        b'{"transaction_amount":12.50,"transaction_date":"2025-04-18","click_events":2,'
        b'"at":"2025-04-18T02:00:00+00:00","user_id":7,"raw":"abc","bytes":"/w=="}'
    )


def test_infinity_in_parquet_is_invalid_and_no_gap(scorer: Scorer, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"time_on_page": [1.0, float("inf")]}), tmp_path / "in.parquet")
    assert score_files(scorer, [tmp_path / "in.parquet"], tmp_path / "out.parquet") == Counts(1, 1)
    assert lines(rejected_path(tmp_path / "out.parquet"))[0]["error"]["code"] == "out_of_range"


def test_text_tables_become_parquet_with_numbers_where_the_contract_has_numbers(scorer: Scorer, tmp_path: Path) -> None:
    score_files(scorer, [written(tmp_path / "in.csv", CSV)], tmp_path / "out.parquet")
    made = parquet.read_table(tmp_path / "out.parquet")
    assert made.schema.field("click_events").type == pa.float64()
    assert made.column("click_events").to_pylist() == [4.0, None]
    assert made.column("session_id").to_pylist() == ["007", "s-2"]


def test_a_file_that_is_no_parquet_is_one_line(scorer: Scorer, tmp_path: Path) -> None:
    source = written(tmp_path / "in.parquet", "click_events\n1\n")
    with pytest.raises(FileError, match="cannot be read as Parquet") as caught:
        score_files(scorer, [source], tmp_path / "out.csv")
    assert "\n" not in str(caught.value)


# -- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [("csv", "jsonl", "parquet"), ("jsonl", "csv", "jsonl"), ("parquet", "csv", "csv")])
def test_a_row_scores_the_same_whatever_file_it_stands_in(scorer: Scorer, tmp_path: Path, kinds: Sequence[str]) -> None:
    text = "click_events,transaction_amount,device_type\n" + "".join(f"{i},{i * 700}.5,PC\n" for i in range(30))
    source = written(tmp_path / "0.csv", text)
    for step, kind in enumerate(kinds):
        target = tmp_path / f"{step + 1}.{kind}"
        assert score_files(scorer, [source], target) == Counts(30, 0)
        source = target
    made = (
        pd.read_parquet(source)
        if kind == "parquet"
        else pd.DataFrame(table(source) if kind == "csv" else lines(source))
    )
    expected = [
        verdict(scorer, {"click_events": i, "transaction_amount": i * 700 + 0.5, "device_type": "PC"})
        for i in range(30)
    ]
    assert made["anomaly_score"].astype(float).tolist() == [each["anomaly_score"] for each in expected]
    assert made["risk_reason"].tolist() == [each["risk_reason"] for each in expected]


def test_chunks_follow_each_other_without_a_row_lost(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.tables.source.BLOCK_BYTES", 300)
    text = "".join(f'{{"session_id": {i}, "click_events": {-1 if i % 10 == 9 else i}}}\n' for i in range(50))
    told: list[tuple[float, int]] = []
    target = tmp_path / "out.jsonl"
    counts = score_files(
        scorer, [written(tmp_path / "in.jsonl", text)], target, Reporting(lambda done, rows: told.append((done, rows)))
    )
    assert counts == Counts(45, 5)
    assert [row["session_id"] for row in lines(target)] == [i for i in range(50) if i % 10 != 9]
    assert [reject["row"] for reject in lines(rejected_path(target))] == [10, 20, 30, 40, 50]
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1] == (1.0, 50)


def test_without_a_valid_row_there_is_no_output_and_the_old_one_stays(scorer: Scorer, tmp_path: Path) -> None:
    target = written(tmp_path / "out.csv", "old")
    assert score_files(scorer, [written(tmp_path / "in.jsonl", "[]\n")], target) == Counts(0, 1)
    assert target.read_text() == "old"
    assert len(lines(rejected_path(target))) == 1


def test_rejects_of_an_earlier_run_do_not_outlive_it(scorer: Scorer, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    score_files(scorer, [written(tmp_path / "in.jsonl", "{}\n[]\n")], target)
    assert rejected_path(target).exists()
    said: list[str] = []
    score_files(scorer, [written(tmp_path / "in.jsonl", "{}\n")], target, Reporting(warn=said.append))
    assert not rejected_path(target).exists()
    assert [line for line in said if "earlier run" in line] == [
        f"{rejected_path(target)} of an earlier run is removed: no row is invalid"
    ]


@pytest.mark.parametrize("content", ["old", '{"row":1}', '{"event":{}}', '{"row":1,"error":"bad"}'])
def test_somebody_elses_file_in_the_place_of_rejects_stops_before_reading(
    scorer: Scorer, tmp_path: Path, content: str
) -> None:
    target = tmp_path / "out.csv"
    written(rejected_path(target), content)
    with pytest.raises(FileError, match="was not written by `score`, which would replace it"):
        score_files(scorer, [tmp_path / "not-there.jsonl"], target)
    assert rejected_path(target).read_text() == content
    assert not target.exists()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_interrupted_in_the_middle_it_leaves_nothing_behind(scorer: Scorer, tmp_path: Path, kind: str) -> None:
    source = written(tmp_path / "in.jsonl", "{}\n")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_files(scorer, [source], tmp_path / f"out.{kind}", Reporting(interrupt))
    assert list(tmp_path.iterdir()) == [source]


def a_directory(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("source", "target", "complaint"),
    [
        (lambda at: at / "none.csv", lambda at: at / "out.csv", "none.csv: cannot be read: No such file"),
        (lambda at: a_directory(at / "d.csv"), lambda at: at / "out.csv", "d.csv: cannot be read: Is a directory"),
        (lambda at: at / "in.xlsx", lambda at: at / "out.csv", "in.xlsx: expected a name that ends in .csv"),
        (lambda at: written(at / "in.csv", CSV), lambda at: at / "out", "out: expected a name that ends in .csv"),
        (lambda at: written(at / "in.csv", CSV), lambda at: at / "in.csv", "in.csv: is the input itself"),
        (lambda at: written(at / "in.csv", CSV), lambda at: at / "no" / "out.csv", "no is no directory"),
        (lambda at: written(at / "in.csv", CSV), lambda at: a_directory(at / "o.csv"), "o.csv: cannot be written"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_line(
    scorer: Scorer,
    tmp_path: Path,
    source: Callable[[Path], Path],
    target: Callable[[Path], Path],
    complaint: str,
) -> None:
    with pytest.raises(FileError) as caught:
        score_files(scorer, [source(tmp_path)], target(tmp_path))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


# -- several threads -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "arrow"])
def test_several_threads_write_what_one_writes(
    scorer: Scorer, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.tables.source.BLOCK_BYTES", 250)
    rows = [b'{"click_events":%d,"n":%d}' % (i - 20, i) for i in range(100)]
    source = written(tmp_path / "in.jsonl", b"\n".join(rows))
    counts, files = [], []
    for threads in (1, 3):
        monkeypatch.setattr(score, "core_count", lambda threads=threads: threads)
        target = tmp_path / f"out-{threads}.{ending}"
        counts.append(score_files(scorer, [source], target))
        files.append((target.read_bytes(), rejected_path(target).read_bytes()))
    assert counts == [Counts(80, 20)] * 2
    assert files[0] == files[1]


def test_a_disk_that_is_full_is_said_and_leaves_nothing_half_made(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.tables.source.BLOCK_BYTES", 10_000)
    source = written(tmp_path / "in.jsonl", b'{"click_events":1}\n' * 5_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # stands in for the disk
    try:
        with pytest.raises(FileError, match=r"out\.jsonl: cannot be written: File too large"):
            score_files(scorer, [source], tmp_path / "out.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == [source]
