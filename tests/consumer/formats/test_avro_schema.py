"""Avro schemas are read as teams write them."""

import json
from typing import Any

import pytest

from consumer.formats.avro_schema import parse_schema, record_types
from consumer.formats.schema import RegisteredSchema


def fields_of(*fields: Any) -> dict[str, Any]:
    """Return the types of these fields by name, as they are parsed."""
    text = json.dumps({"type": "record", "name": "Session", "namespace": "shop", "fields": fields})
    (record,) = record_types(*parse_schema(RegisteredSchema(7, "AVRO", text)))
    return {each["name"]: each["type"] for each in record["fields"]}


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("long", None),
        ("long", "0"),
        ({"type": "double"}, 0),
        ("double", float("nan")),
        (["string", "null"], None),
        ([{"type": "long"}, "null"], None),
        ({"type": "map", "values": "int"}, []),
    ],
)
def test_defaults_do_not_matter(kind: Any, default: Any) -> None:
    field = {"name": "f", "type": kind}
    assert fields_of({**field, "default": default, "aliases": "g", "doc": 7}) == fields_of(field)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "long", "logicalType": 7},
        {"type": "long", "logicalType": None},
        {"type": "long", "logicalType": ["date"]},
        {"type": "long", "logicalType": "date"},
        {"type": "int", "logicalType": "timestamp-millis"},
        {"type": "string", "logicalType": "timestamp-millis"},
        {"type": "string", "logicalType": "decimal"},
        {"type": "bytes", "logicalType": "decimal", "scale": -1},
        {"type": "bytes", "logicalType": "decimal", "scale": 128},
        {"type": "bytes", "logicalType": "decimal", "scale": "2"},
    ],
)
def test_a_logical_type_that_does_not_fit_is_ignored(schema: Any) -> None:
    assert fields_of({"name": "f", "type": schema}) == {"f": {"type": schema["type"]}}


@pytest.mark.parametrize("scale", [None, 0, 127])
def test_a_decimal_has_a_scale(scale: int | None) -> None:
    decimal = {"type": "bytes", "logicalType": "decimal"}
    assert fields_of({"name": "f", "type": {**decimal, "scale": scale}}) == {"f": {**decimal, "scale": scale or 0}}


def test_a_name_may_be_written_as_a_type() -> None:
    city = {"type": "enum", "name": "City", "symbols": ["Ulm"]}
    fields = fields_of(
        {"name": "f", "type": city}, {"name": "g", "type": {"type": "City"}}, {"name": "h", "type": "City"}
    )
    assert fields["g"] == fields["h"] == "shop.City"


def test_a_schema_that_fastavro_has_parsed_is_read() -> None:
    field = {"name": "f", "type": "long"}
    text = json.dumps({"type": "record", "name": "S", "fields": [field], "__fastavro_parsed": True})
    parsed, _ = parse_schema(RegisteredSchema(7, "AVRO", text))
    assert parsed["fields"] == [field]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("shop.City", "UnknownType: shop.City"),
        ({"type": "record", "name": "S"}, "KeyError: 'fields'"),
        ({"type": "record", "name": "S", "fields": [{"name": 7, "type": "int"}]}, "the name of a field is no text"),
        ({"type": "fixed", "name": "F", "size": "4"}, "the size of a fixed is no number from 0"),
        ({"type": "fixed", "name": "F", "size": -4}, "the size of a fixed is no number from 0"),
        ({"type": "enum", "name": "E", "symbols": "AB"}, "the symbols of an enum are no list"),
        ({"__fastavro_parsed": True}, "KeyError: 'type'"),
    ],
)
def test_a_refused_schema_has_its_reason(schema: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^not an Avro schema \(") as raised:
        parse_schema(RegisteredSchema(7, "AVRO", json.dumps(schema)))
    assert reason in str(raised.value)
