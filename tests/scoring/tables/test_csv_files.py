"""CSV: its cells are decoded as the JSON that stands for them is, however the file is cut and written."""

import csv
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import Decoded
from scoring.contract import DATE, MODEL_FIELDS, NUMERIC
from scoring.decoding import decode
from scoring.kernels.csv_records import CONSUMED, COUNT, IRREGULAR, find_records
from scoring.tables import PLAIN, Dialect, FileError, open_source
from tests.support import strategies
from tests.support.columns import assert_same_fields
from tests.support.edge_values import NO_DATES

NAMES = [*MODEL_FIELDS, "session_id", "note"]
NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(
        ["1e400", "-1e400", "1e-400", "-0", "-0.0", "1e12", "1000000000000.0001", "-1", "1_0", " 1", "١", "inf"]
    ),
)
DATES = st.one_of(strategies.dates(), st.sampled_from(NO_DATES))


def cells_of(name: str) -> st.SearchStrategy[str]:
    """Mostly what belongs there, and anything."""
    usual = NUMBERS if name in NUMERIC else DATES if name == DATE else strategies.TEXTS
    return st.one_of(st.just(""), usual, strategies.TEXTS)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    rows = draw(st.lists(st.tuples(*map(cells_of, names)).map(list), max_size=5))
    return names, [row for row in rows if any(row) or len(row) > 1]


def written(directory: str, names: Sequence[str], rows: Sequence[Sequence[str]], dialect: Dialect) -> Path:
    """Write a CSV file, in which every other row is quoted throughout."""
    text = io.StringIO()
    plain = csv.writer(text, delimiter=dialect.delimiter, lineterminator="\r\n")
    quoted = csv.writer(text, delimiter=dialect.delimiter, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    for i, row in enumerate([names, *rows]):
        (quoted if i % 2 else plain).writerow(row)
    path = Path(directory) / "in.csv"
    path.write_bytes(text.getvalue().encode(dialect.encoding))
    return path


def complaints(decoded: Decoded) -> dict[int, tuple[str, str | None, str]]:
    return {row: (fault.code, fault.field, fault.message) for row, fault in decoded.invalid.items()}


@given(
    tables(),
    st.sampled_from([Dialect(), Dialect(";"), Dialect("tab"), Dialect("|", encoding="utf-16")]),
    st.integers(1, 2000),
)
def test_cells_are_decoded_as_their_json_is(
    table: tuple[list[str], list[list[str]]], dialect: Dialect, block: int
) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoring.tables.source.BLOCK_BYTES", block)
        source = open_source(written(directory, *table, dialect), dialect=dialect)
        for chunk in source.chunks():
            rows = chunk.read()
            found, expected = rows.decode(), decode([row for row, _ in rows.events])
            assert list(found.positions) == list(expected.positions)
            assert complaints(found) == complaints(expected)
            assert_same_fields(found.columns, expected.columns)


LINES = st.text(st.sampled_from('ab1,"\r\n \t;é'), max_size=30)


@given(st.integers(1, 3), LINES, st.booleans())
def test_records_are_found_as_a_reader_of_csv_does(cells: int, text: str, is_last: bool) -> None:
    data = text.encode()
    starts, ends = np.empty((2, len(data) // 2 + 1), np.int64)
    found = np.zeros(3, np.int64)
    find_records(np.frombuffer(data, np.uint8), ord(","), cells, int(is_last), starts, ends, found)
    count, consumed = found[COUNT], found[CONSUMED]
    try:
        complete = data[:consumed].decode()
        records = [record for record in csv.reader(io.StringIO(complete, newline=""), strict=True) if record]
    except csv.Error:
        assert found[IRREGULAR]
        return
    assert len(records) == count
    for start, end, record in zip(starts[:count], ends[:count], records, strict=True):
        (own,) = csv.reader(io.StringIO(data[start:end].decode(), newline=""), strict=True)
        assert own == record
    # a record that is cut off says nothing about the complete ones
    assert bool(found[IRREGULAR]) == any(len(record) != cells for record in records)
    if is_last:
        assert consumed == len(data)


def rows_of(path: Path, dialect: Dialect = PLAIN) -> list[dict[str, object]]:
    return [json.loads(row) for chunk in open_source(path, dialect=dialect).chunks() for row, _ in chunk.read().events]


def test_a_dialect_says_what_is_a_number_and_what_a_gap(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(
        "click_events;device_type;transaction_amount\n3,5;NA;NA\n1.234,5;é;-\n1.5;;7\n".encode("latin-1")
    )
    dialect = Dialect(";", ",", ("NA", "-"), "latin-1")
    assert rows_of(tmp_path / "in.csv", dialect) == [
        {"click_events": 3.5, "device_type": None, "transaction_amount": None},
        {"click_events": "1?234.5", "device_type": "é", "transaction_amount": None},  # a point groups digits here
        {"click_events": "1?5", "device_type": None, "transaction_amount": 7},
    ]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"delimiter": ""}, "delimiter: expected one ASCII character"),
        ({"delimiter": "::"}, "delimiter: expected one ASCII character"),
        ({"delimiter": "é"}, "delimiter: expected one ASCII character"),
        ({"delimiter": '"'}, "delimiter: expected one ASCII character"),
        ({"decimal": ";"}, "decimal: expected '.' or ','"),
        ({"decimal": ","}, "decimal: is the delimiter as well"),
        ({"encoding": "klingon"}, "encoding: is unknown"),
        ({"encoding": "base64"}, "encoding: is unknown"),
    ],
)
def test_a_dialect_that_cannot_be_is_refused(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Dialect(**options)  # type: ignore[arg-type]  # all are text


def test_bytes_of_another_encoding_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"\xff\xfec\0l\0i\0c\0k\0_")
    with pytest.raises(FileError, match=r"in\.csv: is not utf-16: "):
        rows_of(tmp_path / "in.csv", Dialect(encoding="utf-16"))


def test_a_record_without_end_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.tables.source.BLOCK_BYTES", 1000)
    monkeypatch.setattr("scoring.tables.source.LINE_BYTES", 10_000)
    (tmp_path / "in.csv").write_text('click_events,device_type\n1,PC\n2,"PC\n' + "3,PC\n" * 3000)
    with pytest.raises(FileError, match="line 3 begins a record of 16 MiB or more: is a quote not closed"):
        rows_of(tmp_path / "in.csv")
