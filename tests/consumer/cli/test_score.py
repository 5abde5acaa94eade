"""`session-scorer score`: several files, directories, standard streams, forms of CSV, and interruptions."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from scoring import Scorer
from tests.support.command_line import Call

FIRST = {"click_events": 35, "transaction_amount": 12000.5, "device_type": "Mobile"}
SECOND = {"click_events": 2, "transaction_amount": 3, "device_type": "Desktop"}
MAIN = "import sys; from consumer.__main__ import main; main()"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory of two CSV files, the second compressed and with an invalid row."""
    (tmp_path / "a.csv").write_text("click_events,transaction_amount,device_type\n35,12000.5,Mobile\n")
    (tmp_path / "b.csv.gz").write_bytes(
        gzip.compress(b"click_events,transaction_amount,device_type\n-1,3,Desktop\n2,3,Desktop\n")
    )
    (tmp_path / "out").mkdir()
    return tmp_path


def scores(scorer: Scorer) -> list[float]:
    return [scorer.score(event).anomaly_score for event in (FIRST, SECOND)]


def rows_of(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_a_pattern_names_files_that_become_one(call: Call, files: Path, scorer: Scorer) -> None:
    said = call("score", files / "*.csv*", "-o", files / "out.csv", "--allow-missing")
    assert (said.status, said.out) == (0, "")
    assert f"2 rows scored in {files / 'out.csv'}; 1 invalid in {files / 'out.csv.rejected.jsonl'}" in said.err
    rows = rows_of((files / "out.csv").read_text())
    assert [float(row["anomaly_score"]) for row in rows] == scores(scorer)
    (rejected,) = map(json.loads, (files / "out.csv.rejected.jsonl").read_text().splitlines())
    assert (rejected["row"], rejected["file"], rejected["error"]["code"]) == (1, "b.csv.gz", "out_of_range")


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "arrow"])
def test_several_files_become_one_of_another_format(call: Call, files: Path, scorer: Scorer, ending: str) -> None:
    target = files / f"out.{ending}"
    assert call("score", files / "a.csv", files / "b.csv.gz", "-o", target, "--allow-missing").status == 0
    if ending == "jsonl":
        rows = [json.loads(line) for line in target.read_text().splitlines()]
    else:
        rows = (parquet.read_table(target) if ending == "parquet" else pa.ipc.open_file(target).read_all()).to_pylist()
    assert [row["anomaly_score"] for row in rows] == scores(scorer)
    assert [(row["click_events"], row["device_type"]) for row in rows] == [(35, "Mobile"), (2, "Desktop")]


def test_a_directory_gets_a_file_for_each_input(call: Call, files: Path) -> None:
    assert call("score", files / "a.csv", files / "b.csv.gz", "-o", f"{files / 'out'}/", "--allow-missing").status == 0
    assert sorted(path.name for path in (files / "out").iterdir()) == ["a.csv", "b.csv", "b.csv.rejected.jsonl"]


def test_standard_input_becomes_standard_output(
    call: Call, tmp_path: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = f"{json.dumps(FIRST)}\n[]\n{json.dumps(SECOND)}\n"
    said = call("score", "-", "-o", "-", "--format", "jsonl", "--allow-missing", stdin=data)
    assert said.status == 0
    assert [json.loads(line)["anomaly_score"] for line in said.out.splitlines()] == scores(scorer)
    assert "2 rows scored in standard output; 1 invalid in standard-output.rejected.jsonl" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["standard-output.rejected.jsonl"]


@pytest.fixture
def in_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_filter_without_invalid_rows_writes_no_file(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")  # where nobody can make a file
    said = call("score", "-", "-o", "-", "--format", "jsonl", "--allow-missing", stdin=f"{json.dumps(FIRST)}\n")
    assert said.status == 0
    assert "1 rows scored in standard output" in said.err


@pytest.mark.parametrize(
    ("kind", "data", "what"),
    [
        ("csv", 'click_events,note\n1,"a"b\n', "standard input: line 2 is no CSV"),
        ("parquet", "PAR1", "standard input: "),
        ("jsonl", "oops\n", "standard input: no row was scored; 1 invalid in standard-output.rejected.jsonl"),
    ],
)
@pytest.mark.usefixtures("in_empty_directory")
def test_messages_about_standard_input_name_it(call: Call, kind: str, data: str, what: str) -> None:
    said = call("score", "-", "-o", "-", "--format", kind, "--allow-missing", stdin=data)
    assert said.status == 1
    assert f"session-scorer: {what}" in said.err


def test_csv_as_it_is_written_in_germany(call: Call, tmp_path: Path, scorer: Scorer) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    text = 'click_events;transaction_amount;device_type;note\n35;"12000,5";Mobile;"a;""b""\nc"\n2;3;Desktop;n. v.\n'
    source.write_bytes(text.encode("utf-16"))
    assert "use --delimiter" not in call("score", source, "-o", target).line  # it is UTF-16 first of all
    said = call("score", source, "-o", target, "--delimiter", ";", "--encoding", "utf-16", "--decimal", ",",
                "--na", "n. v.", "--allow-missing")  # fmt: skip
    assert said.status == 0
    rows = rows_of(target.read_text(), ";")
    assert [float(row["anomaly_score"].replace(",", ".")) for row in rows] == scores(scorer)
    assert [row["note"] for row in rows] == ['a;"b"\nc', "n. v."]
    assert [row["transaction_amount"] for row in rows] == ["12000,5", "3"]


def test_a_delimiter_that_does_not_fit_is_named(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("click_events;scroll_events;touch_events\n1;2;3\n")
    said = call("score", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert said.line.endswith("in.csv: the columns are separated by semicolons: use --delimiter ';'")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["a.csv", "c.csv", "-o", "out.csv"], "c.csv: its columns are not those of"),
        (["a.csv", "a.csv", "-o", "out/"], "two inputs are named a.csv"),
        (["a.csv", "-o", "none/"], "none/: is no directory: make it first"),
        (["x*.csv", "-o", "out.csv"], "x*.csv: no file matches"),
        (["-", "-o", "out.csv"], "--format"),
        (["a.csv", "-o", "-"], "--format"),
        (["a.csv", "-o", "out.csv", "--format", "csv"], "--format"),
        (["-", "-o", "-", "--format", "xml"], "expected one of csv, jsonl, parquet, arrow"),
        (["a.csv", "-o", "out.csv", "--delimiter", "ab"], "--delimiter: expected one ASCII character"),
        (["a.csv", "-o", "out.csv", "--decimal", ";"], "--decimal: expected '.' or ','"),
        (["a.csv", "-o", "out.csv", "--encoding", "klingon"], "--encoding: is unknown"),
        (["array.jsonl", "-o", "out.csv"], "or score it with `session-scorer predict`"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    call: Call, files: Path, arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    (files / "c.csv").write_text("click_events,device_type\n1,Mobile\n")
    (files / "array.jsonl").write_text('[\n{"click_events": 1}\n]\n')
    before = sorted(files.rglob("*"))
    said = call("score", *arguments, "--allow-missing")
    assert said.status in {1, 2}
    assert complaint in said.err.splitlines()[-1]
    assert sorted(files.rglob("*")) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_interrupted_it_leaves_the_old_output(tmp_path: Path, number: signal.Signals) -> None:
    rows = b"35,12000.5,Mobile\n" * 300_000 + b"-1,12000.5,Mobile\n"
    (tmp_path / "in.csv").write_bytes(b"click_events,transaction_amount,device_type\n" + rows)
    old = {"out.csv": "old", "out.csv.rejected.jsonl": '{"row":1,"error":{"code":"old"}}\n'}
    for name, text in old.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-c", MAIN, "score", "in.csv", "in.csv", "in.csv", "-o", "out.csv", "--allow-missing"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SESSION_SCORER_")}
    project = str(Path(__file__).parents[3])
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment | {"PYTHONPATH": project}, stderr=subprocess.PIPE
    ) as process:
        while not any(path.suffix == ".part" and path.stat().st_size > 1_000_000 for path in tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode in {-number, 128 + number}
    assert {name: (tmp_path / name).read_text() for name in old} == old
    parts = [path for path in tmp_path.iterdir() if path.suffix == ".part"]
    assert bool(parts) == (number == signal.SIGKILL)
