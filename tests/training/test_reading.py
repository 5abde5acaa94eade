"""Labelled files: three forms that read alike, and every mistake one line that says where."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.dataset import generate
from training.errors import TrainingError
from training.reading import Labelled, of_sessions, read, sample_users
from training.sessions import Sessions


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return generate(1_000, 4)


@pytest.fixture
def rows(sessions: Sessions) -> list[list[str]]:
    """The table as cells, the header first."""
    return [line.split(",") for line in sessions.csv().splitlines()]


@pytest.fixture
def complaint(tmp_path: Path) -> Callable[[list[list[str]]], str]:
    """What is said of a table, without the file's name."""

    def complain(rows: list[list[str]]) -> str:
        path = tmp_path / "labelled.csv"
        path.write_text("\n".join(map(",".join, rows)) + "\n")
        return refusal(path)

    return complain


def refusal(path: Path) -> str:
    with pytest.raises(TrainingError) as refused:
        read(path)
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(f"{path}: ")
    return said.removeprefix(f"{path}: ")


def assert_same(one: Labelled, other: Labelled) -> None:
    assert np.array_equal(one.columns.numbers, other.columns.numbers, equal_nan=True)
    assert list(map(list, one.columns.categories)) == list(map(list, other.columns.categories))
    assert (one.columns.hours == other.columns.hours).all()
    assert (one.label == other.label).all()
    assert one.newest == other.newest
    assert one.dates.dtype == other.dates.dtype == np.dtype("datetime64[s]")
    assert np.array_equal(one.dates, other.dates, equal_nan=True)
    assert one.users.tolist() == other.users.tolist()


def frame_of(sessions: Sessions) -> pd.DataFrame:
    own = {"user_id": sessions.user_id, "transaction_date": sessions.date, "label": sessions.label}
    return pd.DataFrame({**sessions.numbers, **sessions.categories, **own})


def test_a_table_reads_as_the_sessions_it_was_written_from(sessions: Sessions, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(sessions.csv())
    read_back, expected = read(tmp_path / "a.csv"), of_sessions(sessions)
    assert_same(read_back, expected)
    assert read_back.sha256 == expected.sha256
    assert read_back.kinds is not None
    assert read_back.kinds.tolist() == sessions.kind.tolist()


def test_a_compressed_table_reads_alike(sessions: Sessions, tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(sessions.csv().encode()))
    assert_same(read(tmp_path / "a.csv.gz"), of_sessions(sessions))


def test_json_lines_read_alike(sessions: Sessions, tmp_path: Path) -> None:
    labelled = zip(sessions.events(), sessions.label.tolist(), strict=True)
    lines = [json.dumps({**json.loads(event), "label": label}) for event, label in labelled]
    (tmp_path / "a.jsonl").write_text("\n\n".join(lines))
    assert_same(read(tmp_path / "a.jsonl"), of_sessions(sessions))


def test_parquet_reads_alike(sessions: Sessions, tmp_path: Path) -> None:
    frame_of(sessions).to_parquet(tmp_path / "a.parquet")
    assert_same(read(tmp_path / "a.parquet"), of_sessions(sessions))


def test_rows_can_be_taken_by_mask_or_by_place(sessions: Sessions) -> None:
    whole = of_sessions(sessions)
    assert_same(whole.take(np.arange(len(whole)) < 10), whole.take(np.arange(10)))
    reversed_rows = whole.take(np.arange(len(whole))[::-1])
    assert reversed_rows.users.tolist() == whole.users.tolist()[::-1]
    assert list(reversed_rows.columns.categories[0]) == list(whole.columns.categories[0])[::-1]
    assert reversed_rows.columns.session_ids == whole.columns.session_ids[::-1]


def test_too_many_sessions_are_cut_down_to_whole_users_and_that_is_said(sessions: Sessions) -> None:
    whole = of_sessions(sessions)
    drawn = sample_users(whole, 600, seed=1)
    assert 500 < len(drawn) <= 600
    left_out = whole.take(~np.isin(np.array(whole.columns.session_ids), np.array(drawn.columns.session_ids)))
    assert not set(drawn.users) & set(left_out.users)
    assert drawn.notes == (
        f"{len(drawn)} of 1,000 sessions were drawn: {len(set(drawn.users))} whole users of {len(set(whole.users))}",
    )
    assert sample_users(whole, 600, seed=1).columns.session_ids == drawn.columns.session_ids
    assert sample_users(whole, 600, seed=2).columns.session_ids != drawn.columns.session_ids
    assert sample_users(whole, 1_000, seed=1) is whole


def test_sessions_without_a_user_are_drawn_one_by_one(sessions: Sessions) -> None:
    nameless = replace(of_sessions(sessions), users=np.full(1_000, "", dtype=object))
    assert len(sample_users(nameless, 600, seed=1)) == 600


def test_a_user_too_large_to_draw_is_said(sessions: Sessions) -> None:
    one_user = replace(of_sessions(sessions), users=np.full(1_000, "everybody", dtype=object))
    with pytest.raises(TrainingError, match="a single user has more sessions"):
        sample_users(one_user, 600, seed=1)


def test_text_that_pandas_would_take_for_a_gap_is_a_category(rows: list[list[str]], tmp_path: Path) -> None:
    at = rows[0].index("geolocation_city")
    rows[1][at] = "NA"
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, rows)))
    assert read(tmp_path / "a.csv").columns.categories[5][0] == "NA"


@pytest.mark.parametrize("column", ["label", "device_motion", "transaction_date", "language"])
def test_a_missing_column_is_named(
    column: str, rows: list[list[str]], complaint: Callable[[list[list[str]]], str]
) -> None:
    at = rows[0].index(column)
    assert complaint([row[:at] + row[at + 1 :] for row in rows]) == f"no column {column}"


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("label", "2", "row 17: label: expected 0 or 1"),
        ("label", "", "row 17: label: expected 0 or 1"),
        ("label", "fraud", "row 17: label: expected 0 or 1"),
        ("click_events", "many", "row 17: click_events: expected a number from 0 to 1e12, got a string"),
        ("click_events", "nan", "row 17: click_events: expected a number from 0 to 1e12, got a string"),
        ("click_events", "-3", "row 17: click_events: expected a number from 0 to 1e12"),
        ("transaction_amount", "inf", "row 17: transaction_amount: expected a number from -1e12 to 1e12"),
        ("transaction_date", "31/12/2026", "row 17: transaction_date: expected a date, YYYY-MM-DD"),
        ("transaction_date", "2026-02-30", "row 17: transaction_date: expected a date, YYYY-MM-DD"),
    ],
)
def test_a_bad_value_is_named_by_row_and_column(
    column: str, cell: str, said: str, rows: list[list[str]], complaint: Callable[[list[list[str]]], str]
) -> None:
    rows[17][rows[0].index(column)] = cell
    assert complaint(rows).startswith(said)


def test_further_bad_rows_are_counted(rows: list[list[str]], complaint: Callable[[list[list[str]]], str]) -> None:
    for row in (5, 9, 12):
        rows[row][rows[0].index("time_on_page")] = "-1"
    assert complaint(rows).startswith("row 5: time_on_page: ")
    assert complaint(rows).endswith("(3 such rows in all)")


def test_one_class_alone_is_refused(rows: list[list[str]], complaint: Callable[[list[list[str]]], str]) -> None:
    honest = [row for row in rows if row[rows[0].index("label")] != "1"]
    assert complaint(honest) == "every label is 0: a model needs sessions of both classes"


def test_a_column_without_any_value_is_refused(
    rows: list[list[str]], complaint: Callable[[list[list[str]]], str]
) -> None:
    for row in rows[1:]:
        row[rows[0].index("device_motion")] = row[rows[0].index("language")] = ""
    assert complaint(rows) == "not one value in device_motion, language: nothing to fill gaps with"


def test_a_table_of_a_header_alone_is_refused(
    rows: list[list[str]], complaint: Callable[[list[list[str]]], str]
) -> None:
    assert complaint(rows[:1]) == "holds no row"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"", "cannot be read as CSV: "),
        ("a.csv", b"a,b\n1,2,3\n1,2,3,4\n", "cannot be read as CSV: "),
        ("a.csv", b"a,b\n\xff\xfe,2\n", "cannot be read as CSV: "),
        ("a.csv.gz", b"not compressed", "Not a gzipped file"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99)[:-12], "Compressed file ended"),
        ("a.jsonl.gz", gzip.compress(b"{}\n" * 99)[:-12], "Compressed file ended"),
        ("a.jsonl", b"{}\n[1]\n", "row 2: expected an object"),
        ("a.jsonl", b'{"label": 1}\n{"label": 0}\n', "no column click_events, "),
        ("a.jsonl", b"", "holds no row"),
        ("a.parquet", b"PAR1 it is not", "cannot be read as Parquet: "),
        ("a.xlsx", b"", "cannot tell what it is: expected a name in .csv, .csv.gz, .jsonl or .parquet"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert refusal(tmp_path / name).startswith(said)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_file_that_is_not_there_is_one_line(name: str, tmp_path: Path) -> None:
    assert refusal(tmp_path / name) == "No such file or directory"


@pytest.mark.parametrize("missing", ["pandas", "sklearn"])
def test_a_missing_extra_names_the_command_that_brings_it(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try:\n    import training.train\nexcept ImportError as error:\n    print(error)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said == "training needs packages that are not installed: pip install 'session-scorer[train]'\n"
