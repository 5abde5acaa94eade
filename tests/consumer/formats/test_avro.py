"""Avro records are read by the compiled loop as by fastavro, whole ones and broken ones."""

import io
import itertools
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.errors import WorkerError
from consumer.formats import avro, avro_loop
from consumer.formats.avro import avro_reader
from consumer.formats.avro_loop import AvroKernels
from consumer.formats.avro_program import compile_schema
from consumer.formats.avro_schema import parse_schema
from consumer.formats.schema import RegisteredSchema
from scoring.decoding import join_values
from scoring.kernels.compiler import compile_kernels

NUMBERS = itertools.count()
"""Of the names of records and enums, which must differ within a schema."""
Read = tuple[list[Any], dict[int, str]]

numbers = st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-99, 99),
    "float": st.floats(width=32),
    "double": numbers,
    "string": texts,
}
logical: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("int", "date"): st.dates(),
    ("long", "timestamp-millis"): st.datetimes(timezones=st.just(UTC)),
    ("long", "timestamp-micros"): st.datetimes(timezones=st.just(UTC)),
    ("long", "local-timestamp-millis"): st.datetimes(),
    ("long", "local-timestamp-micros"): st.datetimes(),
    ("bytes", "decimal"): st.decimals(-(10**15), 10**15, places=2),
}


@pytest.fixture(scope="module", params=["compiled", "checked", "python"], autouse=True)
def kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "python":
        wrapping = np.errstate(over="ignore")  # words wrap around
        built = AvroKernels(wrapping(avro_loop.write_records), wrapping(avro_loop.insert_numbers))
    else:
        wanted = [avro_loop._WRITE, avro_loop._INSERT]
        built = AvroKernels(*compile_kernels(wanted, checked=request.param == "checked"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avro, "compiled_avro", lambda: built)
        yield


def encoded(schema: Any, value: Any) -> bytes:
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schema), value)
    return file.getvalue()


def read(schema: Any, records: list[bytes]) -> Read:
    return decoded(avro_reader(RegisteredSchema(7, "AVRO", json.dumps(schema))), records)


def read_slowly(schema: Any, records: list[bytes]) -> Read:
    made = RegisteredSchema(7, "AVRO", json.dumps(schema))
    return decoded(avro._SlowReader(made, *parse_schema(made)).read_all, records)


def read_by_fastavro(schema: Any, record: bytes) -> Any:
    """Return the record as JSON has it."""
    value = fastavro.schemaless_reader(io.BytesIO(record), fastavro.parse_schema(schema), None)
    return json.loads(orjson.dumps(value, as_text, orjson.OPT_PASSTHROUGH_DATETIME))


def as_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
        return value.replace(tzinfo=None).isoformat(timespec=precision) + ("Z" if value.tzinfo else "")
    if isinstance(value, time):
        return value.isoformat("microseconds" if value.microsecond % 1000 else "milliseconds")
    return str(value)


def decoded(reader: Callable[..., Any], records: list[bytes]) -> Read:
    """Return the JSON of each record, None for those with a fault, and the code and message of each fault."""
    read = reader(join_values(records))
    texts = [read.joined.value(row) for row in range(len(records))]
    assert [row for row, text in enumerate(texts) if not text] == sorted(read.faults)
    values = [json.loads(text) if text else None for text in texts]
    return values, {row: f"{fault.code}: {fault.message}" for row, fault in read.faults.items()}


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    """Draw a schema that the loop can read, and the values of it."""
    kinds = ["primitive", "primitive", "logical", "enum", "union", *(["record"] if depth else [])]
    match draw(st.sampled_from(kinds)):
        case "logical":
            kind, name = draw(st.sampled_from(sorted(logical)))
            extra = {"precision": 18, "scale": 2} if name == "decimal" else {}
            return {"type": kind, "logicalType": name, **extra}, logical[kind, name]
        case "enum":
            symbols = draw(
                st.lists(st.from_regex("[A-Z][a-z]{0,3}", fullmatch=True), min_size=1, max_size=3, unique=True)
            )
            return {"type": "enum", "name": f"E{next(NUMBERS)}", "symbols": symbols}, st.sampled_from(symbols)
        case "union":
            names = draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=3, unique=True))
            return names, st.one_of(*(st.tuples(st.just(name), values[name]) for name in names))
        case "record":
            return draw(records(depth - 1))
    name = draw(st.sampled_from(sorted(values)))
    return name, values[name]


@st.composite
def records(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    """Draw the schema of a record, and its values."""
    fields = draw(st.lists(schemas(depth), max_size=5))
    names = [f"f{i}" for i in range(len(fields))]
    members = [{"name": name, "type": schema} for name, (schema, _) in zip(names, fields, strict=True)]
    schema = {"type": "record", "name": f"R{next(NUMBERS)}", "fields": members}
    return schema, st.fixed_dictionaries({name: each for name, (_, each) in zip(names, fields, strict=True)})


@settings(deadline=None)
@given(st.data())
def test_records_are_read_as_by_fastavro(data: st.DataObject) -> None:
    schema, strategy = data.draw(records())
    given_records = [encoded(schema, data.draw(strategy)) for _ in range(data.draw(st.integers(0, 4)))]

    expected = [read_by_fastavro(schema, record) for record in given_records]
    assert read(schema, given_records) == read_slowly(schema, given_records) == (expected, {})


@settings(deadline=None)
@given(st.data())
def test_broken_records_have_the_faults_of_the_slow_reader(data: st.DataObject) -> None:
    schema, strategy = data.draw(records())
    broken = []
    for _ in range(data.draw(st.integers(1, 4))):
        record = bytearray(encoded(schema, data.draw(strategy)))
        for _ in range(data.draw(st.integers(0, 2))):
            at = data.draw(st.integers(0, len(record)))
            record[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        broken.append(bytes(record))

    assert read(schema, broken) == read_slowly(schema, broken)


def field(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "S", "fields": [{"name": "f", "type": kind}]}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "map", "values": "string"}, {"a": "b"}, {"a": "b"}),
        ("bytes", b"\0\xff", "\0\xff"),
        ({"type": "int", "logicalType": "time-millis"}, time(1, 2, 3), "01:02:03.000"),
        ({"type": "array", "items": {"type": "int", "logicalType": "date"}}, [date(2024, 2, 29)], ["2024-02-29"]),
        ({"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"}, UUID(int=1).bytes, str(UUID(int=1))),
        ({"type": "fixed", "name": "F", "size": 2, "logicalType": "uuid"}, b"ab", "ab"),
        ({"type": "string", "logicalType": "uuid"}, UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"type": "int", "logicalType": "date"}, date(1969, 12, 31), "1969-12-31"),
        ("double", math.inf, None),
        ("float", 1e-40, 9.999946101114759e-41),
    ],
)
def test_values_of_other_types_are_read(kind: Any, value: Any, expected: Any) -> None:
    assert read(field(kind), [encoded(field(kind), {"f": value})]) == ([{"f": expected}], {})


def test_a_number_of_the_contract_must_be_finite() -> None:
    schema = {"type": "record", "name": "S", "fields": [{"name": "time_on_page", "type": "double"}]}
    records = [encoded(schema, {"time_on_page": number}) for number in (1.5, math.nan)]

    values, faults = read(schema, records)

    assert values == [{"time_on_page": 1.5}, None]
    assert faults[1].startswith("out_of_range: time_on_page")


def test_the_first_fault_is_that_of_the_contract() -> None:
    fields = {"transaction_amount": "double", "language": ["null", "string"], "click_events": "int"}
    schema = {"type": "record", "name": "S", "fields": [{"name": name, "type": kind} for name, kind in fields.items()]}
    record = encoded(schema, {"transaction_amount": math.nan, "language": None, "click_events": -1})

    assert read(schema, [record])[1][0].startswith("out_of_range: click_events")


@pytest.mark.parametrize("record", [b"", b"\2", b"\4a", b"\2a ", b"\1a", b"\2\xff", b"\x80" * 11])
def test_other_bytes_are_not_avro(record: bytes) -> None:
    values, faults = read(field("string"), [record, encoded(field("string"), {"f": "é"})])

    assert values == [None, {"f": "é"}]
    assert faults[0].startswith("not_avro: not a record of schema 7: ")


@pytest.mark.parametrize("kind", ["timestamp-millis", "timestamp-micros", "timestamp-nanos"])
@pytest.mark.parametrize("nullable", [False, True])
def test_a_date_without_a_wall_clock_is_refused(kind: str, nullable: bool) -> None:
    moment: Any = {"type": "long", "logicalType": kind}
    schema = field(["null", moment] if nullable else moment)
    schema["fields"][0]["name"] = "transaction_date"

    with pytest.raises(
        WorkerError, match=f"^schema 7: transaction_date is a {kind}, which has no wall clock.*local-timestamp-millis"
    ):
        avro_reader(RegisteredSchema(7, "AVRO", json.dumps(schema)))


@pytest.mark.parametrize(
    ("kind", "number", "expected"),
    [
        ("timestamp-nanos", 1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
        ("local-timestamp-nanos", 1_700_000_000_123_000_001, "2023-11-14T22:13:20.123000001"),
        ("local-timestamp-nanos", 1_700_000_000_123_000_000, "2023-11-14T22:13:20.123"),
        ("local-timestamp-nanos", -1, "1969-12-31T23:59:59.999999999"),
    ],
)
def test_times_may_have_nanoseconds(kind: str, number: int, expected: str) -> None:
    schema, record = field({"type": "long", "logicalType": kind}), encoded(field("long"), {"f": number})

    assert read(schema, [record]) == read_slowly(schema, [record]) == ([{"f": expected}], {})


MOMENT: Any = {"name": "transaction_date", "type": {"type": "long", "logicalType": "timestamp-millis"}}
SESSION: Any = {"type": "record", "name": "shop.Session", "fields": [MOMENT]}


@pytest.mark.parametrize("text", ['"shop.Session"', '["null", "shop.Session"]', json.dumps(["string", SESSION])])
def test_a_date_without_a_wall_clock_is_refused_in_each_record(text: str) -> None:
    references = {} if "fields" in text else {"shop.Session": json.dumps(SESSION)}

    for function in (avro_reader, avro.field_kinds):
        with pytest.raises(WorkerError, match=r"^schema 7: transaction_date is a timestamp-millis"):
            function(RegisteredSchema(7, "AVRO", text, references))


def test_the_kinds_of_a_union_are_those_of_its_records() -> None:
    reference = {"type": "record", "name": "A", "fields": [{"name": "x", "type": ["null", "int"]}]}
    own = {"type": "record", "name": "B", "fields": [{"name": "x", "type": "string"}, {"name": "y", "type": "boolean"}]}

    kinds = avro.field_kinds(RegisteredSchema(7, "AVRO", json.dumps(["A", own]), {"A": json.dumps(reference)}))

    assert kinds == {"x": {"null", "number", "string"}, "y": {"boolean"}}


def nested(levels: int, leaf: str) -> Any:
    """Return a schema of two records of two records and so on, each written out once."""
    schema: Any = leaf
    for level in range(levels):
        again = f"R{level - 1}" if level else leaf
        fields = [{"name": "a", "type": schema}, {"name": "b", "type": again}]
        schema = {"type": "record", "name": f"R{level}", "fields": fields}
    return schema


def in_list(schema: Any) -> Any:
    return {"type": "array", "items": schema}


@pytest.mark.parametrize(
    ("schema", "record"),
    [
        (nested(40, "null"), b""),
        (nested(40, "boolean"), b"\0"),
        (in_list(in_list("null")), b"\xd0\x0f" + b"\xfe\xff\x7f\0" * 1000 + b"\0"),
        (in_list({"type": "record", "name": "E", "fields": []}), b"\xfe\xff\xff\xff\x0f\0"),
    ],
)
def test_values_without_bytes_are_bounded(schema: Any, record: bytes) -> None:
    assert read(schema, [record])[1][0].startswith("not_avro: not a record of schema 7: ")


def test_the_symbols_of_an_enum_are_stored_once() -> None:
    symbols = [f"S{i}" for i in range(1000)]
    first = {"name": "f0", "type": {"type": "enum", "name": "E", "symbols": symbols}}
    fields = [first, *({"name": f"f{i}", "type": "E"} for i in range(1, 100))]
    parsed, named = parse_schema(RegisteredSchema(7, "AVRO", json.dumps({**SESSION, "fields": fields})))

    program = compile_schema(parsed, named)

    assert len(program.pieces) < 10_000
    assert program.most_bytes < 10_000


def test_records_of_a_schema_in_itself_are_read() -> None:
    schema = {"type": "record", "name": "S", "fields": [{"name": "next", "type": ["null", "S"]}]}

    assert read(schema, [b"\2\2\0"]) == ([{"next": {"next": {"next": None}}}], {})


def test_a_record_of_many_levels_is_too_deep() -> None:
    schema = {"type": "record", "name": "S", "fields": [{"name": "next", "type": ["null", "S"]}]}

    assert read(schema, [b"\2" * 100_000 + b"\0"]) == ([None], {0: "too_deep: nested too deep to read safely"})


DECIMALS = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (b"", b"0.00"),
        (b"\5", b"0.05"),
        (b"\xfb", b"-0.05"),
        (b"\x04\xe2", b"12.50"),
        (b"\x7f" + b"\xff" * 7, b"92233720368547758.07"),
        (b"\x80" + b"\0" * 7, b"-92233720368547758.08"),
        (b"\1" + b"\0" * 15, b"13292279957849158729038070602803445.76"),
        (b"\1" + b"\0" * 62, b"%d.%02d" % divmod(256**62, 100)),
    ],
)
def test_decimals_have_all_their_digits(number: bytes, expected: bytes) -> None:
    record = bytes([2 * len(number)]) + number

    values = avro_reader(RegisteredSchema(7, "AVRO", json.dumps(field(DECIMALS))))(join_values([record]))

    assert values.joined.value(0) == b'{"f":%b}' % expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\xff\x1f\0"),
        ({"type": "map", "values": "null"}, b"\2\x80"),
        (DECIMALS, b"\x80\x80\x01" + bytes(8192)),
        ("bytes", b"\1a"),
    ],
)
def test_a_hostile_record_is_not_avro(kind: Any, value: bytes) -> None:
    values, faults = read(field(kind), [value])

    assert (values, [fault[:8] for fault in faults.values()]) == ([None], ["not_avro"])


def test_references_are_read_in_their_order() -> None:
    references = {
        "City": '{"type": "enum", "name": "City", "symbols": ["Ulm"]}',
        "Place": '{"type": "record", "name": "Place", "fields": [{"name": "city", "type": "City"}]}',
    }
    text = '{"type": "record", "name": "S", "fields": [{"name": "place", "type": "Place"}]}'

    assert decoded(avro_reader(RegisteredSchema(7, "AVRO", text, references)), [b"\0"]) == (
        [{"place": {"city": "Ulm"}}],
        {},
    )


@pytest.mark.parametrize("text", ["", "{", "[]]", '"other"', '{"type": "record"}', "7"])
def test_other_text_is_no_schema(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not an Avro schema"):
        avro_reader(RegisteredSchema(7, "AVRO", text))


EVERYTHING: Any = {
    "type": "record",
    "name": "S",
    "fields": [
        {
            "name": "list",
            "type": {"type": "array", "items": ["null", "double", {"type": "int", "logicalType": "date"}]},
        },
        {"name": "map", "type": {"type": "map", "values": {"type": "long", "logicalType": "timestamp-micros"}}},
        {"name": "fixed", "type": {"type": "fixed", "name": "F", "size": 3, "logicalType": "decimal", "scale": 1}},
        {"name": "time", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "decimal", "type": DECIMALS},
        {"name": "next", "type": ["null", "S"]},
    ],
}


@given(st.lists(st.binary(max_size=12), max_size=6).map(b"".join) | st.binary(max_size=60))
def test_any_bytes_are_a_record_or_not_avro(record: bytes) -> None:
    values, faults = read(EVERYTHING, [record])

    assert (values == [None]) == bool(faults)
    assert all(fault.startswith("not_avro: not a record of schema 7: ") for fault in faults.values())
