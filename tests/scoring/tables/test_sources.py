"""The same 100,000 rows from every kind of source: the same verdicts, faults and imputed fields.

`SOURCES` says of each kind how a gap is written, and which faults it can express; docs/python.md has it in words.
"""

import csv
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from consumer.offline.score_files import rejected_path, score_files
from scoring import EventLike, InvalidEvent, Scorer, Verdict
from scoring.tables.verdict_columns import OUTPUT
from tests.scoring.conftest import Pair
from tests.support.oracle import scoring
from tests.support.oracle.agreement import assert_agrees
from tests.support.oracle.reading import CATEGORIES, DATE, IDENTITIES, MODEL_FIELDS, NUMBERS
from tests.support.session_rows import (
    FIELDS,
    OF_ROWS,
    OUT_OF_RANGE,
    WRONG_TYPES,
    Cell,
    Fault,
    Rows,
    as_json,
    random_rows,
)
from tests.support.typed_cells import as_moment, column_of, holds

ROWS: Final = 100_000
ABSENT: Final = object()
TYPED: Final = OUT_OF_RANGE | {Fault.BAD_DATE}
"""The faults of a column with a type: a value of another type has no place there."""
Types = dict[str, pa.DataType]
Score = Callable[[Scorer, Rows, Path], pa.Table]


# --------------------------------------------------------------------------------------------- reading verdicts


def answers(scorer: Scorer, events: Sequence[EventLike]) -> pa.Table:
    """Return what score_many says as score_table says it; in parts, since the collector visits each object kept."""
    starts = range(0, len(events), 5_000)
    return pa.concat_tables([as_table(scorer.score_many(events[start : start + 5_000])) for start in starts])


def as_table(verdicts: Sequence[Verdict | InvalidEvent]) -> pa.Table:
    names = OUTPUT.names[:6]
    rows = [
        (*(None,) * 6, verdict.code, verdict.field)
        if isinstance(verdict, InvalidEvent)
        else (*(getattr(verdict, name) for name in names), None, None)
        for verdict in verdicts
    ]
    return pa.Table.from_arrays(
        [pa.array(list(column), kind) for column, kind in zip(zip(*rows, strict=True), OUTPUT.types, strict=True)],
        schema=OUTPUT,
    )


class Rejected(msgspec.Struct):
    """A line about a rejected row."""

    row: int
    error: dict[str, str | None]


def scored_file(scorer: Scorer, source: Path) -> pa.Table:
    """Score a file, and return its rows in their order: those of the output, and those rejected."""
    target = source.with_name("scored.parquet")
    counts = score_files(scorer, [source], target)
    scored = parquet.read_table(target, columns=OUTPUT.names[:6]).cast(pa.schema([OUTPUT.field(i) for i in range(6)]))
    lines = rejected_path(target).read_bytes().splitlines() if counts.rejected else []
    rejected = {line.row - 1: line.error for line in map(msgspec.json.Decoder(Rejected).decode, lines)}
    assert (scored.num_rows, len(rejected)) == (counts.scored, counts.rejected)
    valid = np.ones(counts.rows, np.bool_)
    valid[list(rejected)] = False
    spread = pa.array(np.cumsum(valid) - 1, mask=~valid)
    errors = [
        pa.array([rejected[row][key] if row in rejected else None for row in range(counts.rows)], pa.string())
        for key in ("code", "field")
    ]
    return pa.Table.from_arrays([*scored.take(spread).columns, *errors], schema=OUTPUT)


def scored_table(scorer: Scorer, table: Any) -> pa.Table:
    scored = scorer.score_table(table)
    return scored.read_all() if isinstance(scored, pa.RecordBatchReader) else scored


def scored_frame(scorer: Scorer, frame: pd.DataFrame) -> pa.Table:
    scored = scorer.score_frame(frame)
    assert scored.index.equals(frame.index)
    return pa.Table.from_pandas(scored, OUTPUT, preserve_index=False).replace_schema_metadata(None)


# ----------------------------------------------------------------------------------------------- writing sources


def score_json(scorer: Scorer, rows: Rows, _: Path) -> pa.Table:
    return answers(scorer, as_json(rows, (None, "null")))


def score_dicts(scorer: Scorer, rows: Rows, _: Path) -> pa.Table:
    def write(cell: Cell) -> Any:
        if cell.gap is not None:
            return (ABSENT, None)[cell.gap % 2]
        if cell.field == DATE and cell.is_valid and len(cell.value) == len("YYYY-MM-DDTHH:MM:SS"):
            return dt.datetime.fromisoformat(cell.value)
        return np.float64(cell.value) if type(cell.value) is float and cell.field in NUMBERS else cell.value

    columns = rows.columns(write)
    events: list[Any] = [
        {name: value for name, value in zip(columns, values, strict=True) if value is not ABSENT}
        for values in zip(*(column.tolist() for column in columns.values()), strict=True)
    ]
    for row in np.flatnonzero(rows.row_faults.astype(bool)).tolist():
        events[row] = {Fault.NOT_JSON: "{'a': 1}", Fault.NOT_AN_OBJECT: [1]}[rows.row_faults[row]]
    return answers(scorer, events)


def score_json_lines(scorer: Scorer, rows: Rows, directory: Path) -> pa.Table:
    source = directory / "rows.jsonl"
    source.write_bytes(b"\n".join(as_json(rows, (None, "null"))))
    return scored_file(scorer, source)


def score_csv(scorer: Scorer, rows: Rows, directory: Path) -> pa.Table:
    def write(cell: Cell) -> str:
        if cell.fault is Fault.INFINITE:
            return "1e999" if cell.value > 0 else "-1e999"
        if isinstance(cell.value, bool):
            return str(cell.value).lower()
        return "" if cell.gap is not None else str(cell.value)

    columns = rows.columns(write)
    source = directory / "rows.csv"
    with source.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        records = zip(*(column.tolist() for column in columns.values()), strict=True)
        for record, fault in zip(records, rows.row_faults.tolist(), strict=True):
            if fault is None:
                writer.writerow(record)
            else:  # a byte that is no UTF-8; a cell too many
                writer.writerow([*record[:-1], "\udcff"] if fault is Fault.NOT_JSON else [*record, "1"])
    return scored_file(scorer, source)


def score_parquet(types: Types, scorer: Scorer, rows: Rows, directory: Path) -> pa.Table:
    source = directory / "rows.parquet"
    parquet.write_table(arrow_table(types, rows), source)
    return scored_file(scorer, source)


def arrow_table(types: Types, rows: Rows) -> pa.Table:
    return pa.table({field: column_of(types[field], rows.pools[field], picks) for field, picks in rows.picks.items()})


def score_arrow(types: Types, scorer: Scorer, rows: Rows, _: Path) -> pa.Table:
    return scored_table(scorer, arrow_table(types, rows))


def score_arrow_reader(types: Types, scorer: Scorer, rows: Rows, _: Path) -> pa.Table:
    return scored_table(scorer, arrow_table(types, rows).to_reader(max_chunksize=777))


def score_polars(types: Types, scorer: Scorer, rows: Rows, _: Path) -> pa.Table:
    frame = pl.DataFrame(arrow_table(types, rows))
    return scored_table(scorer, frame.with_columns(pl.col(r"^(language|device_type)$").cast(pl.Categorical)))


def score_duckdb(types: Types, scorer: Scorer, rows: Rows, _: Path) -> pa.Table:
    with duckdb.connect() as connection:
        relation = connection.from_arrow(arrow_table(types, rows))
        kinds = {"user_id": "HUGEINT", "scroll_events": "HUGEINT", "mouse_movement": "FLOAT"}
        columns = (f"CAST({name} AS {kinds[name]}) AS {name}" if name in kinds else name for name in relation.columns)
        return scored_table(scorer, relation.project(", ".join(columns)))


def score_pandas(dtypes: dict[str, str], types: Types, scorer: Scorer, rows: Rows, _: Path) -> pa.Table:
    """Score a frame with these dtypes and a repeated index."""

    def series(field: str) -> "pd.Series[Any]":
        values = column_of(types[field], rows.pools[field], rows.picks[field]).to_pylist()
        return pd.Series(values, dtype=dtypes[field])

    frame = pd.DataFrame({field: series(field) for field in rows.picks})
    return scored_frame(scorer, frame.set_axis(np.arange(len(rows)) // 2))


def score_objects(scorer: Scorer, rows: Rows, _: Path) -> pa.Table:
    """Score a frame of Python's objects of many kinds, which Arrow refuses."""

    def write(cell: Cell) -> Any:
        if cell.gap is not None:
            return (None, np.nan, pd.NaT, pd.NA, np.datetime64("NaT", "s"), Decimal("NaN"))[cell.gap]
        if cell.field == DATE and cell.is_valid:
            moment = np.datetime64(as_moment(cell.value))
            return (cell.value, moment, moment.astype("datetime64[us]"))[len(cell.value) % 3]
        if cell.field in NUMBERS and type(cell.value) in {int, float}:
            return (Decimal(repr(cell.value)), np.float64(cell.value), cell.value)[len(repr(cell.value)) % 3]
        return cell.value

    columns = rows.columns(write)
    return scored_frame(
        scorer, pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in columns.items()})
    )


# ------------------------------------------------------------------------------------------------ the sources


@dataclass(frozen=True)
class Source:
    """A kind of source: how it writes gaps, the faults that it can express, and what scores rows of it.

    A row with a fault, or with a value, that a source cannot express is left out of it.
    """

    name: str
    gaps: str
    faults: frozenset[Fault]
    score: Score
    types: Types | None = None  # of its columns; None where each value has its own
    has_empty_text: bool = True

    def can_express(self, cell: Cell) -> bool:
        if cell.fault is not None and cell.fault not in self.faults:
            return False
        if cell.value == "" and not self.has_empty_text:
            return False
        return self.types is None or holds(self.types[cell.field], cell)


FLOATS = dict.fromkeys(NUMBERS, pa.float64())
TEXTS = dict.fromkeys((*CATEGORIES, DATE, *IDENTITIES), pa.string())
PLAIN: Final[Types] = FLOATS | TEXTS
WIDE: Final[Types] = {
    "click_events": pa.int8(), "scroll_events": pa.int16(), "touch_events": pa.uint8(), "keyboard_events": pa.uint64(),
    "mouse_movement": pa.int64(), "device_motion": pa.float32(), "time_on_page": pa.decimal128(38, 18),
    "timezone_offset": pa.int32(), "transaction_amount": pa.decimal256(50, 20),
    "device_type": pa.dictionary(pa.int8(), pa.string()), "screen_size": pa.large_string(),
    "browser_info": pa.string_view(), "language": pa.dictionary(pa.int32(), pa.large_string()),
    "device_orientation": pa.binary(), "geolocation_city": pa.large_binary(), DATE: pa.timestamp("us"),
    "user_id": pa.string_view(), "session_id": pa.int64(),
}  # fmt: skip
RUNS: Final[Types] = {
    **FLOATS, "device_motion": pa.float16(), "mouse_movement": pa.float32(), "scroll_events": pa.uint32(),
    "time_on_page": pa.dictionary(pa.int16(), pa.float64()),
    **dict.fromkeys(CATEGORIES, pa.run_end_encoded(pa.int32(), pa.string())),
    DATE: pa.timestamp("ns", "Asia/Kolkata"), "user_id": pa.decimal128(38, 0), "session_id": pa.large_string(),
}  # fmt: skip
DAYS: Final[Types] = PLAIN | {DATE: pa.date32(), "user_id": pa.float64()}
NULLS: Final[Types] = PLAIN | {"session_id": pa.null()}
OFFSETS: Final[Types] = PLAIN | {DATE: pa.timestamp("s", "+05:30"), "session_id": pa.int64()}
DATABASE: Final[Types] = PLAIN | {
    "scroll_events": pa.int64(), "mouse_movement": pa.float32(), "time_on_page": pa.decimal128(38, 18),
    "user_id": pa.int64(), DATE: pa.timestamp("us"),
}  # fmt: skip

OLD_DTYPES: Final = {
    **dict.fromkeys(NUMBERS, "float64"), **dict.fromkeys(CATEGORIES, "object"), "device_type": "category",
    DATE: "datetime64[ns]", **dict.fromkeys(IDENTITIES, "float64"),
}  # fmt: skip
OLD_TYPES: Final[Types] = PLAIN | {DATE: pa.timestamp("ns"), **dict.fromkeys(IDENTITIES, pa.float64())}
NEW_DTYPES: Final = {
    **dict.fromkeys(NUMBERS, "Float64"), "click_events": "Int64", "time_on_page": "double[pyarrow]",
    "mouse_movement": "int32[pyarrow]", **dict.fromkeys(CATEGORIES, "string[pyarrow]"), "language": "string[python]",
    "device_type": "category", DATE: "datetime64[s]", "user_id": "Int64", "session_id": "string[pyarrow]",
}  # fmt: skip
NEW_TYPES: Final[Types] = PLAIN | {
    "click_events": pa.int64(), "mouse_movement": pa.int32(), DATE: pa.timestamp("s"), "user_id": pa.int64(),
}  # fmt: skip
ARROW_DTYPES: Final = NEW_DTYPES | {DATE: "timestamp[us][pyarrow]"}
DAY_DTYPES: Final = NEW_DTYPES | {DATE: "date32[pyarrow]"}

JSON: Final = "an absent key, null"
ARROW: Final = "null, NaN"
SOURCES: Final = [
    Source("JSON", JSON, frozenset(Fault), score_json),
    Source("dicts", "an absent key, None", frozenset(Fault) - {Fault.NAN_LITERAL}, score_dicts),
    Source("JSON Lines", JSON, frozenset(Fault), score_json_lines),
    Source("CSV", "an empty cell", OUT_OF_RANGE | OF_ROWS | {Fault.TEXT, Fault.BAD_DATE}, score_csv,
           has_empty_text=False),
    *(Source(f"Parquet, {name}", ARROW, TYPED, partial(score_parquet, types), types)
      for name, types in (("plain", PLAIN), ("wide", WIDE), ("days", DAYS))),
    *(Source(f"Arrow, {name}", ARROW, TYPED, partial(score_arrow, types), types)
      for name, types in (
          ("plain", PLAIN), ("wide", WIDE), ("runs", RUNS), ("days", DAYS), ("nulls", NULLS), ("offsets", OFFSETS)
      )),
    Source("Arrow reader", ARROW, TYPED, partial(score_arrow_reader, PLAIN), PLAIN),
    Source("polars", ARROW, TYPED, partial(score_polars, DATABASE), DATABASE),
    Source("duckdb", ARROW, TYPED, partial(score_duckdb, DATABASE), DATABASE),
    *(Source(f"pandas, {name}", "None, NaN, NaT, NA", TYPED, partial(score_pandas, dtypes, types), types)
      for name, dtypes, types in (
          ("old dtypes", OLD_DTYPES, OLD_TYPES),
          ("new dtypes", NEW_DTYPES, NEW_TYPES),
          ("Arrow times", ARROW_DTYPES, NEW_TYPES | {DATE: pa.timestamp("us")}),
          ("Arrow dates", DAY_DTYPES, NEW_TYPES | {DATE: pa.date32()}),
      )),
    Source("pandas, objects", "None, NaN, NaT, NA", WRONG_TYPES | OUT_OF_RANGE | {Fault.BAD_DATE}, score_objects),
]  # fmt: skip


# --------------------------------------------------------------------------------------------------- the tests


@pytest.fixture(scope="module")
def rows() -> Rows:
    return random_rows(1, ROWS)


@pytest.fixture(scope="module")
def reference(rows: Rows, pairs_scorer: Scorer) -> pa.Table:
    """The answers on the rows as JSON."""
    return answers(pairs_scorer, as_json(rows))


def test_the_reference_is_the_oracles(rows: Rows, reference: pa.Table, pairs: list[Pair]) -> None:
    sample = np.arange(len(rows)) < 2_000
    events, scored = as_json(rows.take(sample)), pairs[0].scorer.score_many(as_json(rows.take(sample)))
    assert as_table(scored) == reference.slice(0, 2_000)
    for event, said in zip(events, scored, strict=True):
        assert_agrees(said, scoring.judge(pairs[0].model, event))


def test_the_rows_have_every_kind_of_fault_and_gap(reference: pa.Table) -> None:
    faults = set(zip(reference["error_code"].to_pylist(), reference["error_field"].to_pylist(), strict=True))
    assert {("wrong_type", field) for field in FIELDS} < faults
    assert {("out_of_range", field) for field in NUMBERS} < faults
    assert faults > {("bad_date", DATE), ("not_json", None), ("not_an_object", None), (None, None)}
    gaps = {field for fields in reference["imputed_fields"].to_pylist() for field in fields or ()}
    assert gaps == set(MODEL_FIELDS)
    assert 0.5 < reference["error_code"].null_count / len(reference) < 0.9
    assert set(reference["risk_level"].to_pylist()) == {"Low", "Medium", "High", None}


@pytest.mark.parametrize("source", SOURCES, ids=[source.name for source in SOURCES])
def test_every_source_gives_the_same_answers(
    source: Source, rows: Rows, reference: pa.Table, pairs_scorer: Scorer, tmp_path: Path
) -> None:
    mask = rows.where(source.can_express, source.faults)
    assert mask.sum() > ROWS / 1000
    expressed = rows.take(mask)

    answered = source.score(pairs_scorer, expressed, tmp_path)

    assert_same(answered, reference.filter(pa.array(mask)), expressed)
    fewer, absent = expressed.take(np.arange(len(expressed)) < 1000), ("touch_events", "language", DATE)
    expected = answers(pairs_scorer, as_json(fewer.drop(absent)))
    assert_same(source.score(pairs_scorer, fewer.drop(absent), tmp_path), expected, fewer)


def assert_same(answered: pa.Table, expected: pa.Table, rows: Rows) -> None:
    assert answered.schema == expected.schema
    if answered.equals(expected):
        return
    assert len(answered) == len(expected)
    for row, (said, wanted) in enumerate(zip(answered.to_pylist(), expected.to_pylist(), strict=True)):
        event = {field: rows.pools[field][picks[row]] for field, picks in rows.picks.items()}
        assert said == wanted, f"row {row}: {list(event.values())}"
