"""Labelled files: formats that read alike, and errors of one line."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoring.contract import MODEL_FIELDS
from scoring.tables import TableOptions
from tests.support.columns import assert_same_fields
from training import TrainingError
from training.labelled_sessions import LabelledSessions, empty_fields
from training.reader import Progress, ReadOptions, read_sessions
from training.sampling import sample_users
from training.synthetic.dataset import generate
from training.synthetic.sessions import Sessions


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
        read_sessions(path)
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(f"{path}: ")
    return said.removeprefix(f"{path}: ")


def session_ids(data: LabelledSessions) -> list[bytes]:
    return [each or b"" for each in data.columns.identity_column(1)]


def assert_same(one: LabelledSessions, other: LabelledSessions) -> None:
    assert_same_fields(one.columns, other.columns)
    assert (one.label == other.label).all()
    assert one.newest == other.newest
    assert one.dates.dtype == other.dates.dtype == np.dtype("datetime64[s]")
    assert np.array_equal(one.dates, other.dates, equal_nan=True)
    assert one.users.tolist() == other.users.tolist()


def frame_of(sessions: Sessions) -> pd.DataFrame:
    own = {"user_id": sessions.user_id, "transaction_date": sessions.date, "label": sessions.label}
    return pd.DataFrame({**sessions.numbers, **sessions.categories, **own})


def test_a_table_reads_as_its_sessions(sessions: Sessions, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(sessions.csv())
    read_back, expected = read_sessions(tmp_path / "a.csv"), LabelledSessions.from_synthetic(sessions)
    assert_same(read_back, expected)
    assert read_back.sha256 == expected.sha256
    assert read_back.kinds is not None
    assert read_back.kinds.tolist() == sessions.kind.tolist()


def test_all_formats_read_alike(sessions: Sessions, tmp_path: Path) -> None:
    events = zip(sessions.events(), sessions.label.tolist(), strict=True)
    lines = [json.dumps({**json.loads(event), "label": label}) for event, label in events]
    (tmp_path / "a.jsonl").write_text("\n\n".join(lines))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(sessions.csv().encode()))
    frame_of(sessions).to_parquet(tmp_path / "a.parquet")
    expected = LabelledSessions.from_synthetic(sessions)
    for name in ("a.jsonl", "a.csv.gz", "a.parquet"):
        assert_same(read_sessions(tmp_path / name), expected)
    assert read_sessions(tmp_path / "a.csv.gz").sha256 == expected.sha256


def test_progress_of_a_read_ends_with_all_rows(sessions: Sessions, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(sessions.csv())
    reports: list[tuple[float, int]] = []

    @contextmanager
    def reading(name: str) -> Iterator[Progress]:
        assert name == "a.csv"
        yield lambda done, rows: reports.append((done, rows))

    read_sessions(tmp_path / "a.csv", reading=reading)
    assert reports[-1] == (1.0, 1_000)


def test_a_date_is_kept_to_the_second(sessions: Sessions, tmp_path: Path) -> None:
    forms = {
        "2026-01-02": "2026-01-02T00:00:00",
        "2026-01-02Z": "2026-01-02T00:00:00",
        "2026-01-02 03:04": "2026-01-02T03:04:00",
        "2026-01-02T03:04+05:30": "2026-01-02T03:04:00",
        "2026-01-02T03:04:05.678-0300": "2026-01-02T03:04:05",
    }
    header, *rest = sessions.csv().splitlines()
    lines = [
        ",".join([*line.split(",")[:2], date, *line.split(",")[3:]])
        for date, line in zip(forms, rest[: len(forms)], strict=True)
    ]
    (tmp_path / "a.csv").write_text("\n".join([header, *lines, *rest[len(lines) :]]))
    assert [str(date) for date in read_sessions(tmp_path / "a.csv").dates[: len(forms)]] == list(forms.values())


def test_a_table_without_kinds_or_users_reads_too(rows: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n".join(",".join(row[1:-1]) for row in rows))
    bare = read_sessions(tmp_path / "a.csv")
    assert bare.kinds is None
    assert set(bare.users) == {""}


def test_rows_are_taken_by_mask_or_index(sessions: Sessions) -> None:
    whole = LabelledSessions.from_synthetic(sessions)
    assert_same(whole.take(np.arange(len(whole)) < 10), whole.take(np.arange(10)))
    reversed_rows = whole.take(np.arange(len(whole))[::-1])
    assert reversed_rows.users.tolist() == whole.users.tolist()[::-1]
    assert reversed_rows.columns.category_column(0) == whole.columns.category_column(0)[::-1]
    assert session_ids(reversed_rows) == session_ids(whole)[::-1]


def test_too_many_sessions_are_sampled_by_user(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LabelledSessions.from_synthetic(sessions)
    monkeypatch.setattr("training.sampling.FEW_ATTACKS", 5)  # or a draw from so few sessions keeps every attack
    drawn = sample_users(whole, 600, seed=1)
    assert 500 < len(drawn) <= 600
    left_out = whole.take(~np.isin(session_ids(whole), session_ids(drawn)))
    assert not set(drawn.users) & set(left_out.users)
    assert drawn.notes == (
        f"{len(drawn)} of 1,000 sessions were drawn: {len(set(drawn.users))} whole users of {len(set(whole.users))}",
    )
    assert session_ids(sample_users(whole, 600, seed=1)) == session_ids(drawn)
    assert session_ids(sample_users(whole, 600, seed=2)) != session_ids(drawn)
    assert sample_users(whole, 1_000, seed=1) is whole


def test_sessions_without_user_are_sampled_one_by_one(sessions: Sessions) -> None:
    nameless = replace(LabelledSessions.from_synthetic(sessions), users=np.full(1_000, "", dtype=object))
    assert len(sample_users(nameless, 600, seed=1)) == 600


def test_a_user_too_large_to_draw_is_said(sessions: Sessions) -> None:
    one_user = replace(LabelledSessions.from_synthetic(sessions), users=np.full(1_000, "everybody", dtype=object))
    with pytest.raises(TrainingError, match="a single user has more sessions"):
        sample_users(one_user, 600, seed=1)


def test_faults_in_json_lines_are_named_by_row(sessions: Sessions, tmp_path: Path) -> None:
    events = [json.loads(event) for event in sessions[:20].events()]
    lines = [json.dumps(event | {"label": i % 2}) for i, event in enumerate(events)]
    (tmp_path / "a.jsonl").write_text("\n".join([lines[0], "[1]", *lines[1:]]))
    assert refusal(tmp_path / "a.jsonl").startswith("row 2: expected an object")
    (tmp_path / "a.jsonl").write_text("\n".join([lines[0], json.dumps(events[1]), *lines[2:]]))
    assert refusal(tmp_path / "a.jsonl").startswith("row 2: label: expected 0 or 1")
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, events)))
    assert refusal(tmp_path / "a.jsonl") == "no column label: name the label's column with --label"


def test_na_text_is_a_category(rows: list[list[str]], tmp_path: Path) -> None:
    at = rows[0].index("geolocation_city")
    rows[1][at] = "NA"
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, rows)))
    assert read_sessions(tmp_path / "a.csv").columns.category(5, 0) == "NA"


def without(rows: list[list[str]], *columns: str) -> list[list[str]]:
    kept = [i for i, name in enumerate(rows[0]) if name not in columns]
    return [[row[i] for i in kept] for row in rows]


def test_a_missing_label_is_named(rows: list[list[str]], complaint: Callable[[list[list[str]]], str]) -> None:
    assert complaint(without(rows, "label")) == "no column label: name the label's column with --label"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_fewer_than_8_fields_need_allow_missing(name: str, sessions: Sessions, tmp_path: Path) -> None:
    frame = frame_of(sessions).drop(columns=list(MODEL_FIELDS[7:]))
    if name == "a.csv":
        frame.to_csv(tmp_path / name, index=False)
    elif name == "a.jsonl":
        frame.to_json(tmp_path / name, orient="records", lines=True)
    else:
        frame.to_parquet(tmp_path / name)
    said = refusal(tmp_path / name)
    assert said.startswith("only 7 of the 16 model fields")
    assert ", ".join(MODEL_FIELDS[7:]) in said
    assert "--allow-missing" in said
    assert len(read_sessions(tmp_path / name, ReadOptions(table=TableOptions(allow_missing=True)))) == 1_000


def test_a_file_with_missing_fields_has_gaps(rows: list[list[str]], tmp_path: Path) -> None:
    lacking = ["device_motion", "transaction_date", "language"]
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, without(rows, *lacking))))
    assert empty_fields(read_sessions(tmp_path / "a.csv").columns) == lacking_in_order(lacking)


def lacking_in_order(names: list[str]) -> list[str]:
    return [name for name in MODEL_FIELDS if name in names]


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
def test_an_invalid_value_names_row_and_column(
    column: str, cell: str, said: str, rows: list[list[str]], complaint: Callable[[list[list[str]]], str]
) -> None:
    rows[17][rows[0].index(column)] = cell
    assert complaint(rows).startswith(said)


def test_further_bad_rows_are_counted(rows: list[list[str]], complaint: Callable[[list[list[str]]], str]) -> None:
    for row in (5, 9, 12):
        rows[row][rows[0].index("time_on_page")] = "-1"
    assert complaint(rows).startswith("row 5: time_on_page: ")
    assert complaint(rows).endswith("(3 such rows of 1,000)")
    rows[7][rows[0].index("click_events")] = "many"
    assert complaint(rows).endswith("(3 such rows of 1,000); 1 more with other faults")


def test_dates_in_another_form_are_counted(rows: list[list[str]], complaint: Callable[[list[list[str]]], str]) -> None:
    at = rows[0].index("transaction_date")
    for row in (4, 6, 300):
        rows[row][at] = "31/12/2026"
    said = complaint(rows)
    assert said.startswith("row 4: transaction_date: expected a date, YYYY-MM-DD")
    assert said.endswith("(3 such rows of 1,000; write all dates in this one form)")


def test_one_class_alone_is_refused(rows: list[list[str]], complaint: Callable[[list[list[str]]], str]) -> None:
    honest = [row for row in rows if row[rows[0].index("label")] != "1"]
    assert complaint(honest) == "every label is 0: a model needs sessions of both classes"


def test_a_table_of_a_header_alone_is_refused(
    rows: list[list[str]], complaint: Callable[[list[list[str]]], str]
) -> None:
    assert complaint(rows[:1]) == "holds no row"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"", "is empty: expected a line of column names"),
        ("a.csv", b"a,b\n1,2\n", "none of the 16 model fields"),
        ("a.csv", b"label,click_events\n1,2\n", "only 1 of the 16 model fields"),
        ("a.csv", b"label,click_events,label\n", "the column 'label' is there more than once"),
        ("a.csv.gz", b"not compressed", "cannot be read: Not a gzipped file"),
        ("a.jsonl.gz", gzip.compress(b"{}\n" * 99, mtime=0)[:-12], "cannot be read: Compressed file ended"),
        ("a.jsonl", b'{"label": 0}\n[1]\n', "none of the 16 model fields"),
        ("a.jsonl", b"{}\n{}\n", "none of the 16 model fields"),
        ("a.jsonl", b'{"label": null}\n{"label": 1}\n', "none of the 16 model fields"),
        ("a.jsonl", b'{"label": 1}\n{"label": 0}\n', "none of the 16 model fields"),
        ("a.jsonl", b"", "holds no row"),
        ("a.parquet", b"PAR1 it is not", "cannot be read as Parquet: "),
        ("a.xlsx", b"", "expected a name that ends in .csv, .jsonl, .ndjson, .parquet or .arrow"),
    ],
)
def test_an_unreadable_file_is_one_line(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert refusal(tmp_path / name).startswith(said)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_missing_file_is_one_line(name: str, tmp_path: Path) -> None:
    assert refusal(tmp_path / name) == "cannot be read: No such file or directory"


@pytest.mark.parametrize("missing", ["pandas", "sklearn"])
def test_a_missing_extra_names_the_install_command(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try:\n    import training.train\nexcept ImportError as error:\n    print(error)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said == "training needs packages that are not installed: pip install 'session-scorer[train]'\n"
