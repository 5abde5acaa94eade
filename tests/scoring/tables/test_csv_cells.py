"""Cells of CSV: decoded by columns they are what the JSON that stands for them is."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import Decoded
from scoring.contract import DATE, MODEL_FIELDS, NUMERIC
from scoring.decoding import decode
from scoring.tables.csv_cells import Cells, split_lines
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
def tables(draw: st.DrawFn) -> Cells:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    rows = draw(st.integers(0, 5))
    return Cells(names, [draw(st.lists(cells_of(name), min_size=rows, max_size=rows)) for name in names], None)


def complaints(decoded: Decoded) -> dict[int, tuple[str, str | None, str]]:
    return {row: (fault.code, fault.field, fault.message) for row, fault in decoded.invalid.items()}


@given(tables())
def test_cells_are_decoded_as_their_json_is(cells: Cells) -> None:
    found, expected = cells.decode(), decode(cells.as_json())
    assert list(found.positions) == list(expected.positions)
    assert complaints(found) == complaints(expected)
    assert_same_fields(found.columns, expected.columns)


LINES = st.text(st.sampled_from('ab1,"\r\n \t;\u2028é\udce9'), max_size=30)


@given(st.integers(1, 3), LINES)
def test_bare_lines_are_cut_as_a_reader_of_csv_would(columns: int, text: str) -> None:
    names = list("xyz"[:columns])
    cells = split_lines(names, text)
    if cells is None:
        return
    records = [record for record in csv.reader(io.StringIO(text, newline="")) if record]
    assert list(zip(*cells.columns, strict=True)) == list(map(tuple, records))
    assert cells.lines == [",".join(record) for record in records]


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "1,2\r\n3,4\r\n", "1,2\n\n3,4"])
def test_lines_of_bare_cells_take_no_reader(text: str) -> None:
    cells = split_lines(["x", "y"], text)
    assert cells == Cells(["x", "y"], [["1", "3"], ["2", "4"]], ["1,2", "3,4"])


def test_a_cell_too_long_for_a_reader_is_left_to_it() -> None:
    assert split_lines(["x"], "1" * (csv.field_size_limit() + 1)) is None
