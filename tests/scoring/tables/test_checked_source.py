"""Files judged by their columns, or by their first rows: what is refused, what is reported, what is renamed."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.tables import FileError, TableOptions, open_table, parse_renames
from scoring.tables.columns import rename_keys

WHOLE: dict[str, Any] = dict.fromkeys((*MODEL_FIELDS, *IDENTITIES))
HEADER = ",".join(WHOLE)


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaint(path: Path, **options: Any) -> str:
    with pytest.raises(FileError) as caught:
        open_table(path, TableOptions(**options))
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("clicks,transaction_amount", "'clicks' looks like click_events: rename by --map click_events=clicks"),
        ("CLICK_EVENTS,TRANSACTION_AMOUNT", "'CLICK_EVENTS' looks like click_events"),
        (HEADER.replace(",", ", "), "remove the blanks or quotes"),
        (HEADER.replace(",", ";"), "separated by semicolons"),
        (HEADER.replace(",", "\t"), "separated by tabs"),
        (";".join(f'"{name}"' for name in WHOLE), "separated by semicolons"),
        (f"# exported\n{HEADER}", "the column names are in line 2"),
        (f'# "exported" by\n{HEADER}', "the column names are in line 2"),
        (f"# exported,today\n\n{HEADER}", "the column names are in line 3"),
        (f"sep=;\n{HEADER.replace(',', ';')}", "the column names are in line 2"),
        ("5,20000,Mobile,2025-04-18 02:00:00,5", "line 1 holds values, not column names"),
        ('"click_events', "line 2 is no CSV"),
        ("a,b", "none of the 16 model fields are there"),
        (",".join(MODEL_FIELDS[:7]), "only 7 of the 16 model fields"),
        ("\ufeff" + ",".join(f"event.{name}" for name in MODEL_FIELDS), "'event.click_events' looks like click_events"),
        (",".join(f'"{name.title()}"' for name in MODEL_FIELDS), "'Click_Events' looks like click_events"),
    ],
)
def test_a_csv_of_another_schema_is_refused_with_what_is_wrong(tmp_path: Path, header: str, words: str) -> None:
    assert words in complaint(written(tmp_path / "in.csv", f"{header}\n1,2\n"))


def test_values_in_place_of_names_are_not_repeated(tmp_path: Path) -> None:
    assert "jane" not in complaint(written(tmp_path / "in.csv", "jane,45,45,Mobile,2025-04-18\n"))


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet"])
def test_a_table_of_another_schema_is_taken_when_that_is_meant(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    parquet.write_table(pa.table({"foo": [1]}), path) if name == "in.parquet" else written(
        path, "foo\n1\n" if name == "in.csv" else '{"foo": 1}\n'
    )
    complaint(path)
    _, notes = open_table(path, TableOptions(allow_missing=True))
    assert notes[0].startswith(f"{path}: no column click_events, scroll_events, ")


@pytest.mark.parametrize(
    ("header", "notes"),
    [
        (HEADER, []),
        (f'"{HEADER.replace(",", chr(34) + "," + chr(34))}"', []),
        (f"\ufeff{HEADER}", []),
        (f",{HEADER}", []),
        (f"Unnamed: 0,{HEADER},label,clicks", []),
        (HEADER.replace("click_events", "Clicks"), ["no column click_events: imputed", "'Clicks' looks like click_e"]),
        (",".join(MODEL_FIELDS), ["no column user_id, session_id: left out"]),
    ],
)
def test_what_is_missing_from_a_csv_that_is_taken_is_reported(tmp_path: Path, header: str, notes: list[str]) -> None:
    path = written(tmp_path / "in.csv", f"{header}\n")
    found = open_table(path)[1]
    assert len(found) == len(notes)
    for line, words in zip(found, notes, strict=True):
        assert line.startswith(f"{path}: {words}")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"clicks": 45, "transaction_amount": 20000}], "'clicks' looks like click_events"),
        ([{"row": 1, "error": {"code": "bad_date"}, "event": WHOLE}], "the fields are inside 'event'"),
        ([{"schema_version": 1, "user_id": "u", "event": WHOLE}], "the fields are inside 'event'"),
        ([{"data": [WHOLE, WHOLE]}], "the fields are inside 'data'"),
        ([{"schema": None, "payload": {"before": None, "after": WHOLE}}], "the fields are inside 'payload.after'"),
        ([{"payload": json.dumps(WHOLE)}], "the fields are inside 'payload'"),
        ([{}], "none of the 16 model fields are there"),
        ([{"foo": 1}] * 10_000 + [WHOLE], "none of the 16 model fields are there"),
    ],
)
def test_json_lines_of_another_schema_are_refused_by_their_first_rows(
    tmp_path: Path, rows: list[dict[str, Any]], words: str
) -> None:
    assert words in complaint(written(tmp_path / "in.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows)))


def test_the_ten_thousandth_row_still_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "in.jsonl", '{"foo": 1}\n' * 9_999 + json.dumps(WHOLE))
    assert open_table(path)[1] == [f"{path}: 9,999 of the first 10,000 rows have no model field"]


def test_a_column_of_structs_in_parquet_is_named(tmp_path: Path) -> None:
    whole = pa.struct([(name, pa.float64()) for name in MODEL_FIELDS])
    schema = pa.schema([("id", pa.int64()), ("envelope", pa.struct([("events", pa.list_(whole))]))])
    parquet.write_table(schema.empty_table(), tmp_path / "in.parquet")
    assert "the fields are inside 'envelope.events'" in complaint(tmp_path / "in.parquet")


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_renaming_what_is_not_there_or_to_what_is_there_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "in.csv":
        written(path, f"{HEADER}\n")
    else:
        parquet.write_table(pa.schema([(field, pa.string()) for field in WHOLE]).empty_table(), path)
    assert complaint(path, renames={"Clicks": "click_events"}) == "no column 'Clicks' to rename"
    assert complaint(path, renames={"user_id": "session_id"}).startswith("the column session_id is there")


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.csv.gz", "in.parquet"])
def test_a_pipe_is_refused_before_it_is_opened(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert complaint(tmp_path / name).startswith("is a pipe or a device")


@pytest.mark.parametrize("pair", ["click_events", "click_events=", "clicks=click_events", "=clicks"])
def test_what_is_no_renaming_says_what_one_is(pair: str) -> None:
    with pytest.raises(ValueError, match=r"expected FIELD=COLUMN|is no field of a session event"):
        parse_renames([pair])


def test_a_field_or_column_is_renamed_once() -> None:
    assert parse_renames(["click_events=a=b"]) == {"a=b": "click_events"}
    for twice in (["click_events=a", "click_events=b"], ["click_events=a", "scroll_events=a"]):
        with pytest.raises(ValueError, match="named twice"):
            parse_renames(twice)


def test_keys_are_renamed_and_values_kept_byte_for_byte() -> None:
    renames = {"clicks": "click_events", 'a"b': "language"}
    assert rename_keys(b'{ "clicks" : 4.0e0 ,"a\\"b":"x", "y": [1,  2]}', renames) == (
        b'{"click_events":4.0e0,"language":"x","y":[1,  2]}'
    )
    assert rename_keys(b'{"clicks": 1, "click_events": -1}', renames) == b'{"click_events":1,"click_events":-1}'
    for row in (b'{"y": 1}', b"[1]", b"broken", b"\xff", b"[" * 100_000):
        assert rename_keys(row, renames) == row


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_a_column_of_json_text_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "in.parquet":
        parquet.write_table(pa.table({"id": [1], "payload": ['{"click_events": 45}']}), path)
    else:
        written(path, 'id,payload\n1,"{""click_events"": 45}"\n')
    assert "the fields are inside 'payload'" in complaint(path)


def test_a_table_without_rows_or_with_a_broken_one_is_refused_by_its_columns(tmp_path: Path) -> None:
    for text in ("id,payload\n", 'id,payload\n1,"{\n'):
        assert "none of the 16 model fields are there" in complaint(written(tmp_path / "in.csv", text))
