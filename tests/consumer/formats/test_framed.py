"""Values are cut into schema ids and payloads, and read by the schemas that they name."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import UnavailableError
from consumer.formats.framed import FramedValues, ReadPayloads, field_kinds, json_reader
from consumer.formats.framing import HEADER
from consumer.formats.schema import RegisteredSchema, SchemaId
from consumer.formats.values import JsonValues, read_each
from consumer.records import Batch, Headers
from scoring import InvalidEvent
from scoring.decoding import JoinedValues

GUID = UUID(int=7)


class Registry:
    """Schemas by id, and how often each was asked for."""

    def __init__(self, *ids: SchemaId, schema_type: str = "JSON") -> None:
        self.schemas = {each: RegisteredSchema(each, schema_type, "{}") for each in ids}
        self.asked: list[SchemaId] = []
        self.now = 0.0

    def schema(self, schema_id: SchemaId) -> RegisteredSchema | None:
        self.asked.append(schema_id)
        return self.schemas.get(schema_id)

    def clock(self) -> float:
        return self.now

    def values(self, *, make_reader: object = json_reader, schema_type: str = "JSON") -> FramedValues:
        return FramedValues(self.schema, schema_type, make_reader, self.clock)  # type: ignore[arg-type]  # of two kinds


def framed(schema_id: int, payload: bytes) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big") + payload


def batch(values: Sequence[bytes], headers: Sequence[Headers] | None = None) -> Batch:
    n = len(values)
    return Batch("t", [0] * n, list(range(n)), [1] * n, [None] * n, list(values), list(headers or [[]] * n))


def texts(values: JsonValues) -> list[bytes]:
    return [values.joined.value(row) for row in range(len(values.joined.ends))]


def upper_case(_: RegisteredSchema) -> ReadPayloads:
    """Return a reader that is no JSON reader: its events are not the values."""

    def read(payload: bytes) -> bytes:
        if payload == b"broken":
            raise InvalidEvent("not_avro", None, "broken")
        return payload.upper()

    def read_payloads(payloads: JoinedValues) -> JsonValues:
        return read_each(payloads, read)

    return read_payloads


@pytest.mark.parametrize("payloads", [[], [b"{}"], [b'{"a":1}', b"", b"x" * 900]])
def test_values_of_one_schema_are_cut(payloads: list[bytes]) -> None:
    registry = Registry(7)

    read = registry.values().read(batch([framed(7, payload) for payload in payloads]))

    assert (texts(read), read.faults) == (payloads, {})
    assert list(read.origins or ()) == [b',"event_schema_id":7'] * len(payloads)
    assert registry.asked == [7] * bool(payloads)


def test_each_schema_is_fetched_once() -> None:
    registry = Registry(1, 2**31 - 1)
    values = registry.values()

    for _ in range(2):
        read = values.read(batch([framed(1, b"a"), framed(2**31 - 1, b"b"), framed(1, b"c")]))

    assert texts(read) == [b"a", b"b", b"c"]
    assert read.origins == [b',"event_schema_id":1', b',"event_schema_id":2147483647', b',"event_schema_id":1']
    assert registry.asked == [1, 2**31 - 1]


@given(st.lists(st.tuples(st.sampled_from((1, 2, 3)), st.binary(max_size=5), st.booleans()), max_size=8))
def test_mixed_values_are_read_as_alone(rows: list[tuple[int, bytes, bool]]) -> None:
    values = [framed(schema_id, payload) if is_framed else payload for schema_id, payload, is_framed in rows]

    def read(some: Sequence[bytes]) -> list[tuple[bytes, bytes, str]]:
        read = Registry(1, 2).values(make_reader=upper_case, schema_type="JSON").read(batch(some))
        faults = [str(read.faults.get(row, "")) for row in range(len(some))]
        return list(zip(texts(read), read.origins or (), faults, strict=True))

    together = read(values)

    for row, value in enumerate(values):
        [(text, origin, fault)] = read([value])
        assert (together[row][0], together[row][2]) == (text, fault)
        assert together[row][1] == origin or fault


def test_an_event_that_is_not_the_value_has_its_hash() -> None:
    registry = Registry(7, schema_type="AVRO")
    value = framed(7, b"a")

    read = registry.values(make_reader=upper_case, schema_type="AVRO").read(batch([value]))

    digest = hashlib.sha256(value).hexdigest()
    assert json.loads(b'{"event":0%b}' % (read.origins or [b""])[0]) == {
        "event": 0,
        "event_schema_id": 7,
        "event_sha256": digest,
    }


@pytest.mark.parametrize(
    ("header", "schema_id", "start"),
    [
        (b"\0\0\0\0\7", 7, b""),
        (b"\0\0\0\0\7\2\1", 7, b"\2\1"),  # the indices of a Protobuf message
        (b"\1" + GUID.bytes, GUID, b""),
        (b"\1" + GUID.bytes + b"\0", GUID, b"\0"),
    ],
)
def test_the_id_may_stand_in_a_header(header: bytes, schema_id: SchemaId, start: bytes) -> None:
    headers: list[Headers] = [[("a", None), (HEADER, header)], []]

    read = Registry(7, GUID).values().read(batch([b"{}", framed(7, b"[]")], headers))

    assert texts(read) == [start + b"{}", b"[]"]
    member = {"event_schema_id": 7} if schema_id == 7 else {"event_schema_guid": str(GUID)}
    assert json.loads(b'{"event":0%b}' % (read.origins or [b""])[0]) == {"event": 0} | member


@pytest.mark.parametrize(
    ("value", "headers", "message"),
    [
        (b"", [], "begin with a schema's id: 0 and 4 bytes"),
        (b"\0\0\0\0", [], "begin with a schema's id"),
        (b"\1\0\0\0\7{}", [], "begin with a schema's id"),
        (b"\0\xff\xff\xff\xff{}", [], "begin with a schema's id"),
        (b'{"a":1}', [], "it may be plain JSON (--input-format json)"),
        (b"\0\0\0\0\7{}", [(HEADER, b"")], "header __value_schema_id is no schema's id"),
        (b"\0\0\0\0\7{}", [(HEADER, None)], "header __value_schema_id is no schema's id"),
        (b"\0\0\0\0\7{}", [(HEADER, b"\1" + bytes(15))], "header __value_schema_id is no schema's id"),
    ],
)
def test_a_value_without_an_id_is_bad_framing(value: bytes, headers: Headers, message: str) -> None:
    read = Registry(7).values().read(batch([framed(7, b"{}"), value], [[], headers]))

    assert texts(read) == [b"{}", b""]
    assert (read.faults[1].code, message in read.faults[1].message) == ("bad_framing", True)


def test_an_unknown_schema_is_asked_for_again_after_a_second() -> None:
    registry = Registry()
    values = registry.values()

    first = values.read(batch([framed(7, b"{}")]))
    assert (first.faults[0].code, str(first.faults[0])) == ("unknown_schema", "the schema registry has no schema 7")
    values.read(batch([framed(7, b"{}")]))
    assert registry.asked == [7]

    registry.schemas[7] = RegisteredSchema(7, "JSON", "{}")
    registry.now = 1.0
    assert texts(values.read(batch([framed(7, b"{}")]))) == [b"{}"]
    assert registry.asked == [7, 7]


def test_the_last_of_two_headers_counts() -> None:
    headers: Headers = [(HEADER, b"\0\0\0\0\1"), (HEADER, b"\0\0\0\0\7")]

    read = Registry(7).values().read(batch([b"{}"], [headers]))

    assert texts(read) == [b"{}"]


def test_values_without_frames_do_not_keep_the_worker_busy() -> None:
    registry = Registry()
    values = registry.values()
    unframed = batch([framed(number, b"{}") for number in range(100)])

    def slow(schema_id: SchemaId) -> None:
        registry.asked.append(schema_id)
        registry.now += 0.2

    values._schema = slow
    for _ in range(2):
        with pytest.raises(UnavailableError, match="the schema registry needs more than 5 s for a batch's schemas"):
            values.read(unframed)
    while len(set(registry.asked)) < 100:
        with suppress(UnavailableError):
            values.read(unframed)

    assert {fault.code for fault in values.read(unframed).faults.values()} == {"unknown_schema"}
    assert len(registry.asked) < 200
    registry.now += 200
    for _ in range(2):
        values.read(batch([framed(200, b"{}")]))
        registry.now += 1
    assert registry.asked.count(200) == 2


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("{}", {}),
        ('{"properties": {"a": true, "b": {"type": "integer"}, "c": {"type": ["string", "null"]}, "d": {"oneOf": []}}}',
         {"a": set(), "b": {"number"}, "c": {"string", "null"}, "d": set()}),
        ('{"$ref": "#/definitions/S", "definitions": {"S": {"properties": {"a": {"type": "string"}}}, "T": true}}',
         {"a": {"string"}}),
        ('{"$ref": "#/$defs/S", "$defs": {"S": {"properties": {"a": {"type": "string"}}}}}', {"a": {"string"}}),
        ('{"$ref": "#/$defs/T", "$defs": {"T": true}}', {}),
    ],
)  # fmt: skip
def test_a_json_schema_names_kinds(text: str, kinds: dict[str, set[str]]) -> None:
    assert field_kinds(RegisteredSchema(7, "JSON", text)) == kinds


@pytest.mark.parametrize("text", ["", "[]", '{"properties": 7}'])
def test_other_text_is_no_json_schema(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a JSON schema"):
        field_kinds(RegisteredSchema(7, "JSON", text))


def test_a_schema_of_another_type_is_refused() -> None:
    read = Registry(7, schema_type="AVRO").values().read(batch([framed(7, b"{}")]))

    assert (read.faults[0].code, str(read.faults[0])) == ("unknown_schema", "schema 7 is of type AVRO, not JSON")


def test_a_schema_that_cannot_be_read_is_refused() -> None:
    def refuse(_: RegisteredSchema) -> ReadPayloads:
        raise ValueError("no")

    read = Registry(7).values(make_reader=refuse).read(batch([framed(7, b"{}")]))

    assert str(read.faults[0]) == "schema 7 cannot be used: no"
