"""Tables with what is rare: values that Python or JSON has not, types that a format has not, bytes that are no text."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from consumer.offline.score_files import Counts, FileError, rejected_path, score_files
from scoring import Scorer
from scoring.tables import Dialect, TableOptions

TABLE = TableOptions(allow_missing=True)
LARGEST = 2**63 - 1


def arrow_file(path: Path, **columns: pa.Array) -> Path:
    table = pa.table({"click_events": pa.array([1, 2, -3])} | columns)
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table)
    return path


def strict(line: bytes) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(line, parse_constant=refuse)


ODD_COLUMNS = {
    "infinity": pa.array([np.inf, -np.inf, None]),
    "infinity inside": pa.array([{"a": np.inf}, None, {"a": 1.0}]),
    "the last microsecond": pa.array([LARGEST, None, -LARGEST], pa.timestamp("us")),
    "the last day": pa.array([2**31 - 1, None, 0], pa.date32()),
    "a year before Christ": pa.array([-(10**18), None, 0], pa.timestamp("s")),
    "such years in a list": pa.array([[-(10**18)], None, []], pa.list_(pa.timestamp("s"))),
    "a long duration": pa.array([10**18, None, 0], pa.duration("s")),
    "a zone on Mars": pa.array([0, None, 1], pa.timestamp("s", "Mars/X")),
    "text that is no UTF-8": pa.array([b"\xff", None, b"a"]).view(pa.string()),
    "a list of such text": pa.ListArray.from_arrays([0, 1, 2, 3], pa.array([b"\xff", b"a", b"b"]).view(pa.string())),
}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "arrow"])
@pytest.mark.parametrize("column", ODD_COLUMNS.values(), ids=ODD_COLUMNS)
def test_what_the_model_ignores_may_hold_anything(
    scorer: Scorer, tmp_path: Path, column: pa.Array, ending: str
) -> None:
    source = arrow_file(tmp_path / "in.arrow", x=column, anomaly_score=pa.array(["old"] * 3))
    assert score_files(scorer, [source], tmp_path / f"out.{ending}", table=TABLE) == Counts(2, 1)
    lines = rejected_path(tmp_path / f"out.{ending}").read_bytes().splitlines()
    lines += (tmp_path / "out.jsonl").read_bytes().splitlines() if ending == "jsonl" else []
    assert all(isinstance(strict(line), dict) for line in lines)


def test_a_date_that_python_has_not_is_a_rejected_row(scorer: Scorer, tmp_path: Path) -> None:
    source = arrow_file(tmp_path / "in.arrow", transaction_date=pa.array([-(10**18), 0, 0], pa.timestamp("s")))
    assert score_files(scorer, [source], tmp_path / "out.jsonl", table=TABLE) == Counts(1, 2)
    (first, _) = map(json.loads, rejected_path(tmp_path / "out.jsonl").read_text().splitlines())
    assert first["error"]["code"] == "bad_date"


def test_a_zone_that_is_unknown_is_one_line_with_the_file(scorer: Scorer, tmp_path: Path) -> None:
    source = arrow_file(tmp_path / "in.arrow", transaction_date=pa.array([0, 0, 0], pa.timestamp("s", "Mars/X")))
    with pytest.raises(FileError, match=r"in\.arrow: transaction_date: the time zone 'Mars/X' is unknown here"):
        score_files(scorer, [source], tmp_path / "out.jsonl", table=TABLE)


def test_a_type_that_parquet_has_not_is_one_line(scorer: Scorer, tmp_path: Path) -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([3], pa.int32()), pa.array(["a"]))
    source = arrow_file(tmp_path / "in.arrow", x=runs)
    with pytest.raises(FileError, match=r"out\.parquet: cannot be written: .*write another format"):
        score_files(scorer, [source], tmp_path / "out.parquet", table=TABLE)
    assert list(tmp_path.iterdir()) == [source]


def test_numbers_beyond_doubles_are_copied_into_parquet(scorer: Scorer, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"click_events":1,"x":1e999,"y":{"a":[1e999]}}\n')
    score_files(scorer, [tmp_path / "in.jsonl"], tmp_path / "out.parquet", table=TABLE)
    (row,) = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert (row["click_events"], row["x"], row["y"]) == (1.0, "1e999", '{"a":[1e999]}')


@pytest.mark.parametrize("more", ["", "1,2,3,4\n"], ids=["alone", "beside another fault"])
@pytest.mark.parametrize("names", ["click_events,note,device_type", "click_events,anomaly_score,device_type"])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_bytes_that_are_no_text_reject_their_row_in_any_column(
    scorer: Scorer, tmp_path: Path, ending: str, names: str, more: str
) -> None:
    (tmp_path / "in.csv").write_bytes(f"{names}\n1,a,PC\n2,".encode() + b"\xff,PC\n" + more.encode())
    target = tmp_path / f"out.{ending}"
    assert score_files(scorer, [tmp_path / "in.csv"], target, table=TABLE) == Counts(1, 2 if more else 1)
    first = json.loads(rejected_path(target).read_text("utf-8").splitlines()[0])
    assert (first["error"]["code"], first["event"]) == ("not_json", ["2", "\ufffd", "PC"])


def test_a_long_cell_beside_a_row_of_another_length(scorer: Scorer, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f"click_events,note\n1,{'x' * 200_000}\n1,2,3\n")
    assert score_files(scorer, [tmp_path / "in.csv"], tmp_path / "out.csv", table=TABLE) == Counts(1, 1)


def test_a_name_that_is_no_text_is_said_as_far_as_it_is(scorer: Scorer, tmp_path: Path) -> None:
    source = tmp_path / "\udcff.csv"
    source.write_text("click_events,note\n1,a\n-1,b\n")
    score_files(scorer, [source], tmp_path / "out.csv", table=TABLE)
    assert json.loads(rejected_path(tmp_path / "out.csv").read_text("utf-8"))["file"] == "\ufffd.csv"


def test_the_mark_of_an_encoding_without_one_is_no_part_of_a_name(scorer: Scorer, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("\ufeffclick_events,note\n1,a\n".encode("utf-16-le"))
    options = TableOptions(allow_missing=True, dialect=Dialect(encoding="utf-16-le"))
    score_files(scorer, [tmp_path / "in.csv"], tmp_path / "out.csv", table=options)
    assert (tmp_path / "out.csv").read_text().startswith("click_events,note,predicted_label")


def test_periods_are_no_numbers(scorer: Scorer) -> None:
    frame = pd.DataFrame({"click_events": pd.period_range("2020-01", periods=3, freq="M")})
    assert scorer.score_frame(frame, allow_missing=True)["error_code"].tolist() == ["wrong_type"] * 3
