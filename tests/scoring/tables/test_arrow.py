"""decode_table against the contract, value by value: any type of Arrow, any layout in memory."""

import datetime as dt
import json
import math
import zoneinfo
from collections.abc import Callable, Iterator
from decimal import Context, Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import InvalidEvent, Scorer, TableError
from scoring.contract import CATEGORIES, DATE, IDENTITIES, NUMERIC
from scoring.decoding import Decoded, decode
from scoring.local_time import NO_HOUR, hour_as_written
from scoring.tables import CHUNK_ROWS as CHUNK
from scoring.tables.arrow import Column, decode_table
from scoring.tables.threads import core_count
from scoring.validation import validated
from tests.scoring.conftest import quiet
from tests.support.edge_values import NEAR_MISSES, NO_DATES
from tests.support.strategies import TEXTS, dates

AMOUNT: Final = "transaction_amount"
FIELDS: Final = ("click_events", AMOUNT, "language", DATE, "user_id")
Values = list[Any]


# ------------------------------------------------------------------------------------------------ what is expected


def expected(name: str, value: Any) -> Any:
    """Return what one value of a table means: None for a gap, a tuple of code and field for a fault."""
    if isinstance(value, bytes):  # bytes are text where they are UTF-8
        value = text_of(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if name in IDENTITIES and (is_whole_float(value) or is_without_places(value)):
        value = int(value)
    try:
        valid = validated(name, value)
    except InvalidEvent as fault:
        return fault.code, fault.field
    return hour_as_written(valid) if name == DATE else "" if name in IDENTITIES else valid


def is_whole_float(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def is_without_places(value: Any) -> bool:
    return isinstance(value, Decimal) and value == value.to_integral_value() and value.as_tuple().exponent >= 0  # type: ignore[operator]  # no NaN


def text_of(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def meanings(decoded: Decoded, name: str, rows: int) -> list[Any]:
    """Return what decode_table says of each row, in the words of `expected`; identities are not decoded."""
    columns = decoded.columns
    if name in NUMERIC:
        valid = [None if np.isnan(value) else value for value in columns.numbers[NUMERIC.index(name)].tolist()]
    elif name in CATEGORIES:
        valid = list(columns.category_column(CATEGORIES.index(name)))
    elif name == DATE:
        valid = [None if hour == NO_HOUR else hour for hour in columns.hours.tolist()]
    else:
        valid = [""] * len(columns)
    by_row: dict[int, Any] = dict(zip(decoded.positions, valid, strict=True))
    by_row |= {row: (fault.code, fault.field) for row, fault in decoded.invalid.items()}
    return [by_row[row] for row in range(rows)]


def assert_decodes(name: str, column: Column, values: Values) -> None:
    decoded = decode_table({name: column}, len(values))
    wanted = [expected(name, value) for value in values]
    if name in IDENTITIES:
        wanted = ["" if meaning is None else meaning for meaning in wanted]
    assert meanings(decoded, name, len(values)) == wanted


# ---------------------------------------------------------------------------------------------------- any type


class Type(NamedTuple):
    """A type of Arrow, its values as Python writes them, and the integer that an array holds for one, if not itself."""

    kind: pa.DataType
    values: st.SearchStrategy[Any]
    stored: Callable[[Any], int] | None = None


def integers(bits: int, *, signed: bool = True) -> Type:
    kind = getattr(pa, f"{'' if signed else 'u'}int{bits}")()
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    numbers = st.integers(least, most)
    return Type(kind, numbers | st.sampled_from([n for n in (0, 1, 7, 2**53, 2**53 + 1, 10**12, most) if n <= most]))


def floats(bits: int) -> Type:
    return Type(getattr(pa, f"float{bits}")(), st.floats(width=bits) | st.sampled_from((-0.0, 1.0, 2.5, float("nan"))))  # type: ignore[arg-type]  # 16, 32, 64


def decimals(kind: pa.DataType) -> Type:
    most = 10**kind.precision - 1

    def exact(digits: int) -> Decimal:
        return Decimal(digits).scaleb(-kind.scale, Context(prec=100))

    return Type(kind, st.integers(-most, most).map(exact) | st.integers(0, min(most, 10**5)).map(exact))


def times(unit: str, zone: str | None, minutes: int = 0) -> Type:
    """Return timestamps; their Python values are the moments by the wall clock of the zone."""
    shift = np.timedelta64(minutes, "m").astype(f"timedelta64[{unit}]")
    limit = 2**63 // 2

    def wall_clock(ticks: int) -> Any:
        return np.array(ticks).astype(f"datetime64[{unit}]")[()] + shift

    ticks = st.integers(-limit, limit) | st.integers(-(10**10), 10**10) | st.integers(-(10**16), 10**16)
    return Type(pa.timestamp(unit, zone), ticks.map(wall_clock), lambda moment: int((moment - shift).astype(np.int64)))


def other(kind: pa.DataType, values: st.SearchStrategy[Any]) -> Type:
    return Type(kind, values)


ANY_TEXT = TEXTS | dates() | st.sampled_from((*NEAR_MISSES, *NO_DATES, "7", "NaN", "nan"))
ANY_BYTES = ANY_TEXT.map(str.encode) | st.binary(max_size=8)
ENTITY = st.integers(-5, 5)
TYPES: Final = [
    *(integers(bits, signed=signed) for bits in (8, 16, 32, 64) for signed in (True, False)),
    *map(floats, (16, 32, 64)),
    decimals(pa.decimal128(38, 18)), decimals(pa.decimal128(5, -3)), decimals(pa.decimal128(38, 0)),
    decimals(pa.decimal128(9, 2)), decimals(pa.decimal256(76, 40)),
    *(other(kind, ANY_TEXT) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *(other(kind, ANY_BYTES) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    other(pa.binary(3), st.binary(min_size=3, max_size=3) | st.sampled_from((b"abc", b"\xff12"))),
    *(times(unit, None) for unit in ("s", "ms", "us", "ns")),
    times("s", "UTC"), times("us", "+05:30", 330), times("ns", "-08:00", -480), times("ms", "Etc/GMT-3", 180),
    Type(pa.date32(), st.integers(-(2**31), 2**31 - 1).map(lambda day: np.datetime64(day, "D")),
         lambda day: int(day.astype(np.int64))),
    other(pa.date32(), st.dates()),
    other(pa.date64(), st.dates()),
    other(pa.bool_(), st.booleans()),
    other(pa.time32("s"), st.times().map(lambda time: time.replace(microsecond=0))), other(pa.time64("us"), st.times()),
    Type(pa.time64("ns"), st.integers(0, 9).map(lambda n: np.timedelta64(n, "ns")), lambda n: int(n.astype(np.int64))),
    other(pa.duration("s"), st.timedeltas(dt.timedelta(0), dt.timedelta(9)).map(lambda t: dt.timedelta(t.days))),
    Type(pa.duration("ns"), ENTITY.map(lambda n: np.timedelta64(n, "ns")), lambda n: int(n.astype(np.int64))),
    other(pa.month_day_nano_interval(), st.tuples(ENTITY, ENTITY, ENTITY)),
    other(pa.list_(pa.int64()), st.lists(ENTITY, max_size=2)),
    other(pa.list_(pa.string(), 1), st.lists(st.just("Mobile"), min_size=1, max_size=1)),
    other(pa.large_list(pa.string()), st.lists(st.text("ab"), max_size=2)),
    other(pa.struct([("a", pa.int64())]), st.fixed_dictionaries({"a": ENTITY})),
    other(pa.map_(pa.string(), pa.int64()), st.just([("a", 1)])),
    other(pa.null(), st.none()),
]  # fmt: skip


def array_of(each: Type, values: Values) -> pa.Array:
    if each.stored is None:
        if each.kind == pa.float16():  # pyarrow 18 takes numpy's only
            values = [None if value is None else np.float16(value) for value in values]
        return pa.array(values, each.kind)
    numbers = [None if value is None else each.stored(value) for value in values]
    return pa.array(numbers, pa.int32() if each.kind == pa.date32() else pa.int64()).view(each.kind)


Layout = Callable[[pa.Array], pa.Array]


def sliced(array: pa.Array) -> pa.Array:
    """Return the array at an offset within a longer one."""
    return pa.concat_arrays([array.slice(0, 1), array, array.slice(0, 1)]).slice(len(array.slice(0, 1)), len(array))


def dictionary(array: pa.Array) -> pa.Array:
    """Return a dictionary with repeated values, nulls among them, and values that nothing uses."""
    values = pa.concat_arrays([array.slice(0, 1), array, array])
    indices = [i + 1 + (len(array) if i % 2 else 0) for i in range(len(array))]
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int16()), values)


def dictionary_with_null_indices(array: pa.Array) -> pa.Array:
    indices = [i if array[i].is_valid else None for i in range(len(array))]
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.uint32()), array)


def runs(array: pa.Array) -> pa.Array:
    """Return a run for each value."""
    ends = pa.array(range(1, len(array) + 1), pa.int32())
    return pa.RunEndEncodedArray.from_arrays(ends, array)


def sliced_runs(array: pa.Array) -> pa.Array:
    """Return runs of three rows of which the first and the last are cut."""
    values = pa.concat_arrays([array.slice(0, 1), array])
    ends = pa.array([2, *range(3, len(array) + 3)], pa.int64())
    return pa.RunEndEncodedArray.from_arrays(ends, values).slice(2, len(array))


def plain(array: pa.Array) -> pa.Array:
    return array


def extension(array: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.opaque(array.type, "any", "none"), array)


LAYOUTS: Final[list[Layout]] = [
    plain, sliced, dictionary, dictionary_with_null_indices, runs, sliced_runs, extension
]  # fmt: skip


@pytest.mark.parametrize("kind", range(len(TYPES)), ids=[str(each.kind) for each in TYPES])
@settings(max_examples=12)
@given(st.data())
def test_columns_of_every_type(kind: int, data: st.DataObject) -> None:
    each = TYPES[kind]
    values = data.draw(st.lists(st.none() | each.values, min_size=1, max_size=6))
    layout = data.draw(st.sampled_from(LAYOUTS))
    array = array_of(each, values)

    for name in FIELDS:
        assert_decodes(name, layout(array), values)


@pytest.mark.parametrize("each", TYPES, ids=[str(each.kind) for each in TYPES])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_empty_and_null_columns(each: Type, layout: Layout) -> None:
    for name in (AMOUNT, "language", DATE, "user_id"):
        assert_decodes(name, pa.array([], each.kind), [])
        assert_decodes(name, layout(pa.nulls(3, each.kind)), [None] * 3)


@pytest.mark.parametrize("name", FIELDS)
def test_nan_is_a_gap_in_every_field(name: str) -> None:
    for kind in (pa.float16(), pa.float32(), pa.float64()):
        column = pa.array(np.array([np.nan, 1.0], kind.to_pandas_dtype()))
        assert_decodes(name, column, [np.nan, 1.0])


def test_times_of_years_that_no_date_has_are_bad_dates() -> None:
    seconds = [-62_135_596_801, -62_135_596_800, 253_402_300_799, 253_402_300_800, 2**62, -(2**62), None]
    wanted = ["bad_date", None, None, "bad_date", "bad_date", "bad_date", None]
    days = [-719_163, -719_162, 2_932_896, 2_932_897, 2**31 - 1, -(2**31), None]
    for column in (pa.array(seconds, pa.timestamp("s")), pa.array(days, pa.int32()).view(pa.date32())):
        assert codes({DATE: column}) == wanted


def test_a_fault_is_found_beside_times_that_python_has_not() -> None:
    """A year beyond datetime's, and nanoseconds, stand in columns that are read before the fault is."""
    strange = [pa.array([2**62, 1], pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")]
    strange += [pa.array([2**62, 1], pa.duration("s"))]
    strange += [pa.array([1, 2], kind) for kind in (pa.time64("ns"), pa.duration("ns"))]
    for column in strange:
        assert codes({"click_events": column}) == ["wrong_type"] * 2
        assert codes({"user_id": column}) == ["wrong_type"] * 2
    nanoseconds = pa.array([1, 2], pa.timestamp("ns", "Asia/Kolkata"))
    assert codes({DATE: nanoseconds, "user_id": pa.array([True, None])}) == ["wrong_type", None]


def codes(columns: dict[str, Column]) -> list[str | None]:
    """Return the code of the fault of each row, None for a valid one."""
    rows = len(next(iter(columns.values())))
    invalid = decode_table(columns, rows).invalid
    return [invalid[row].code if row in invalid else None for row in range(rows)]


def test_unions_are_read_value_by_value() -> None:
    kinds, numbers, texts = pa.array([0, 1, 0], pa.int8()), pa.array([1, None, None]), pa.array([None, "x", None])
    sparse = pa.UnionArray.from_sparse(kinds, [numbers, texts])
    dense = pa.UnionArray.from_dense(kinds, pa.array([0, 1, 1], pa.int32()), [numbers, texts])
    for column in (sparse, dense):
        for name in FIELDS:
            assert_decodes(name, column, [1, "x", None])


def test_booleans_and_uuids_of_extension_types_are_no_numbers_and_no_text() -> None:
    booleans = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8()))
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef", bytes(16), None], pa.binary(16)))
    for name in FIELDS:
        assert codes({name: booleans}) == ["wrong_type", "wrong_type", None]
        assert codes({name: uuids}) == ["wrong_type", "wrong_type", None]


def test_decimals_without_places_are_identities() -> None:
    for kind in (pa.decimal128(38, 0), pa.decimal256(76, 0), pa.decimal128(5, -3)):
        assert codes({"user_id": pa.array([Decimal(7000), None], kind)}) == [None, None]
    assert codes({"user_id": pa.array([Decimal(7), Decimal("7.5"), None], pa.decimal128(9, 2))}) == [
        "wrong_type", "wrong_type", None,
    ]  # fmt: skip
    whole = pa.array([Decimal(7)], pa.decimal128(38, 0))
    assert decode_table({"user_id": whole, "session_id": pa.array([True])}, 1).invalid[0].field == "session_id"


# ------------------------------------------------------------------------------------------------------- text

DIGITS = st.text("0123456789", min_size=1, max_size=400)
NEAR_NUMBERS = st.from_regex(r"[-+ ]?(0|[0-9]{1,25})?(\.[0-9]{0,30})?([eE][-+]?[0-9]{0,4})?[ \n\x00]?", fullmatch=True)
NUMBER_CELLS = st.one_of(
    NEAR_NUMBERS,
    DIGITS,
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(
        ("01", "-01", "+1", "1.", ".5", "1e5", "1E+2", "-0", " 1", "1 ", "1e400", "-1e400", "1e-400", "NaN", "Infinity",
         "-Infinity", "nan", "inf", "0x1", "1_0", "\u0661", "1,5", "--1", "-", "e1", "true", "null", "1e12",
          "1000000000000.0001",
         "0." + "9" * 400, "1" + "0" * 5000, "9007199254740993e-4", "é")
    ),
)  # fmt: skip


@given(st.lists(st.none() | NUMBER_CELLS, min_size=1, max_size=8))
def test_text_numbers_are_those_of_json(cells: list[str | None]) -> None:
    """A cell is a number where JSON has that number; all else is a string, and an empty one a gap."""
    for name in ("click_events", AMOUNT):
        events = [f'{{"{name}":{json_cell(cell)}}}'.encode() for cell in cells]
        wanted = meanings(decode(events), name, len(cells))
        for column in (pa.array(cells, pa.string()), sliced(pa.array(cells, pa.string()))):
            assert meanings(decode_table({name: column}, len(cells), is_text=True), name, len(cells)) == wanted


def json_cell(cell: str | None) -> str:
    if not cell:
        return "null"
    try:
        json.loads(cell, parse_int=str, parse_float=str, parse_constant=json.loads)  # NaN and Infinity are no JSON
    except ValueError:
        return json.dumps(cell)
    return cell if cell[-1] in "0123456789" and cell[0] in "-0123456789" else json.dumps(cell)


@given(st.lists(st.none() | ANY_TEXT, min_size=1, max_size=8))
def test_text_of_other_fields(cells: list[str | None]) -> None:
    values = [cell or None for cell in cells]
    for name in ("language", DATE):
        decoded = decode_table({name: sliced(pa.array(cells, pa.string()))}, len(cells), is_text=True)
        assert meanings(decoded, name, len(cells)) == [expected(name, value) for value in values]


@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1), min_size=1, max_size=20), st.integers(26, 38))
def test_decimals_are_read_to_the_nearest_double(digits: list[int], places: int) -> None:
    exact = [Decimal(number).scaleb(-places, Context(prec=100)) for number in digits]
    decoded = decode_table({AMOUNT: pa.array(exact, pa.decimal128(38, places))}, len(exact))
    assert decoded.columns.numbers[NUMERIC.index(AMOUNT)].tolist() == [float(value) for value in exact]


def raw_strings(parts: list[bytes | None], kind: pa.DataType, *, garbage: bytes = b"") -> pa.Array:
    """Return strings as their bytes are, UTF-8 or not; at nulls stands `garbage`."""
    stored = [garbage if part is None else part for part in parts]
    offsets = np.cumsum([0, *map(len, stored)], dtype=np.int64 if pa.types.is_large_string(kind) else np.int32)
    valid = np.packbits([part is not None for part in parts], bitorder="little")
    buffers = [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(b"".join(stored))]
    return pa.Array.from_buffers(kind, len(parts), buffers)


@given(st.lists(st.none() | ANY_BYTES, min_size=1, max_size=6))
def test_strings_that_are_no_utf8(parts: list[bytes | None]) -> None:
    for kind in (pa.string(), pa.large_string()):
        column = raw_strings(parts, kind, garbage=b"\xff{7")
        for layout in (plain, sliced, dictionary_with_null_indices):
            for name in FIELDS:
                assert_decodes(name, layout(column), parts)


def test_views_that_are_no_utf8() -> None:
    column = pa.array([b"a", b"\xff", None, b"\xfe" * 20], pa.binary_view()).view(pa.string_view())
    for name in FIELDS:
        assert_decodes(name, column, [b"a", b"\xff", None, b"\xfe" * 20])


def test_what_stands_at_nulls_is_ignored() -> None:
    valid = pa.py_buffer(np.packbits([True, False, True, False], bitorder="little"))
    stored = {
        pa.int64(): np.array([1, 10**15, 2, -1]),
        pa.float64(): np.array([1, np.inf, np.nan, -1.0]),
        pa.float32(): np.array([1, np.inf, 2, -1], np.float32),
        pa.timestamp("s"): np.array([0, 2**62, 3600, -(2**62)]),
        pa.timestamp("s", "Asia/Kolkata"): np.array([0, 2**62, 3600, -(2**62)]),
        pa.date32(): np.array([0, 2**31 - 1, 1, -(2**31)], np.int32),
    }
    for kind, numbers in stored.items():
        column = pa.Array.from_buffers(kind, 4, [valid, pa.py_buffer(numbers)])
        for name in FIELDS:
            assert codes({name: column})[1::2] == [None, None]


# ------------------------------------------------------------------------------------------------------ times


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "UTC", "Etc/GMT+12"])
@given(st.lists(st.integers(-631_152_000, 2_114_380_800), min_size=1, max_size=9))
def test_times_with_a_zone_are_read_by_its_clock(zone: str, seconds: list[int]) -> None:
    aware = [dt.datetime.fromtimestamp(second, dt.UTC) for second in seconds]
    hours = [moment.astimezone(zoneinfo.ZoneInfo(zone)).hour for moment in aware]
    for unit in ("us", "ns"):
        decoded = decode_table({DATE: pa.array(aware, pa.timestamp(unit, zone))}, len(aware))
        assert decoded.columns.hours.tolist() == hours


def test_an_unknown_zone_is_one_line(pairs_scorer: Scorer) -> None:
    column = pa.array([0, None], pa.timestamp("s", "Mars/Base\n"))
    with pytest.raises(TableError, match=r"^transaction_date: the time zone 'Mars/Base\\n' is unknown here$"):
        decode_table({DATE: column}, 2)
    table = pa.Table.from_pylist([quiet(), quiet()]).drop([DATE]).append_column(DATE, column)
    with pytest.raises(TableError, match=r"^transaction_date: the time zone"):
        pairs_scorer.score_table(table)


# ------------------------------------------------------------------------------------------------ whole tables


def table_of(events: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(events)


def test_tables_in_chunks_and_slices_are_scored_alike(pairs_scorer: Scorer) -> None:
    events = [quiet(click_events=n, language=["english", None, "x"][n % 3], time_on_page=n - 1) for n in range(50)]
    whole = table_of(events)
    chunked = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 0), whole.slice(1, 20), whole.slice(21)])
    dictionaries = chunked.set_column(
        whole.schema.get_field_index("language"), "language", chunked["language"].dictionary_encode()
    )

    scored = pairs_scorer.score_table(whole)

    assert scored["error_code"].to_pylist() == ["out_of_range", *[None] * 49]
    assert pairs_scorer.score_table(chunked) == scored
    assert pairs_scorer.score_table(dictionaries) == scored
    assert pairs_scorer.score_table(whole.slice(7, 11)).to_pylist() == scored.slice(7, 11).to_pylist()
    assert pairs_scorer.score_table(whole.combine_chunks().to_batches()[0]) == scored
    assert pairs_scorer.score_table(whole.to_struct_array().combine_chunks()) == scored


def test_empty_tables_and_batches(pairs_scorer: Scorer) -> None:
    table = table_of([quiet(click_events=n) for n in range(3)])
    batches = [*table.slice(0, 0).to_batches(), *table.to_batches(), *table.slice(0, 0).to_batches()]
    empty = pa.RecordBatch.from_pylist([], schema=table.schema)

    assert len(pairs_scorer.score_table(table.slice(0, 0))) == 0
    assert len(pairs_scorer.score_table(pa.table({}))) == 0
    reader = pa.RecordBatchReader.from_batches(table.schema, [empty, *batches, empty])
    assert pairs_scorer.score_table(reader).read_all() == pairs_scorer.score_table(table)


def test_a_reader_is_read_as_its_verdicts_are(pairs_scorer: Scorer) -> None:
    batch = table_of([quiet(click_events=n % 20) for n in range(CHUNK)]).to_batches()[0]
    pulled = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal pulled
        for _ in range(50):
            pulled += 1
            yield batch

    verdicts = pairs_scorer.score_table(pa.RecordBatchReader.from_batches(batch.schema, batches()))
    assert isinstance(verdicts, pa.RecordBatchReader)
    assert pulled == 0
    for n in range(1, 20):
        assert len(verdicts.read_next_batch()) == CHUNK
        assert n <= pulled <= n + 3 * core_count()
    verdicts.close()


def test_an_exception_of_a_source_comes_through(pairs_scorer: Scorer) -> None:
    batch = table_of([quiet()]).to_batches()[0]

    def batches() -> Iterator[pa.RecordBatch]:
        yield batch
        raise ZeroDivisionError("the source")

    verdicts = pairs_scorer.score_table(pa.RecordBatchReader.from_batches(batch.schema, batches()))
    with pytest.raises(ZeroDivisionError, match="the source"):
        verdicts.read_all()


def test_a_repeated_field_is_refused_and_a_repeated_other_column_is_not(pairs_scorer: Scorer) -> None:
    table = table_of([quiet(label=1)])
    repeated = table.append_column("label", pa.array([2]))
    assert pairs_scorer.score_table(repeated) == pairs_scorer.score_table(table)
    with pytest.raises(TableError, match="the table has the column language more than once"):
        pairs_scorer.score_table(table.append_column("language", pa.array(["x"])))


@pytest.mark.parametrize("data", [quiet(), [quiet()], b"{}", None, np.zeros((2, 16)), pa.array([1]).to_numpy()])
def test_what_is_no_table_is_one_line(pairs_scorer: Scorer, data: Any) -> None:
    with pytest.raises(TypeError, match=r"^expected a table of .*, got \w+; for events use score_many$"):
        pairs_scorer.score_table(data)


def test_a_lazy_frame_is_to_be_collected(pairs_scorer: Scorer) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame([quiet()])
    assert pairs_scorer.score_table(frame).num_rows == 1
    with pytest.raises(TypeError, match=r"got LazyFrame: collect\(\) it first$"):
        pairs_scorer.score_table(frame.lazy())


def test_an_array_without_members_is_no_table(pairs_scorer: Scorer) -> None:
    for array in (pa.array([1, 2]), pa.chunked_array([[1, 2]])):
        with pytest.raises(TypeError, match=r"^expected a table"):
            pairs_scorer.score_table(array)
