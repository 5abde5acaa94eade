"""Read Avro schemas: of each type what decides how its bytes are read, with all names resolved by fastavro."""

import json
from collections.abc import Mapping
from typing import Any, Final

import fastavro

from consumer.formats.schema import RegisteredSchema
from consumer.printable import shortened

UNITS: Final = {"millis": 1, "micros": 1000, "nanos": 1_000_000}
"""The units of times, each with how many of it a millisecond has."""
_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_TYPES: Final = _PRIMITIVES | {"record", "enum", "fixed", "array", "map"}
_LOGICAL: Final = {
    "int": {"date", "time-millis"},
    "long": {"time-micros", *(f"{name}-{unit}" for name in ("timestamp", "local-timestamp") for unit in UNITS)},
    "bytes": {"decimal"},
    "fixed": {"decimal", "uuid"},
}
"""The logical types whose values are not those of their type. On other types they do not count, as Avro defines it."""
_MOST_SCALE: Final = 127  # of Oracle's numbers without precision, as Kafka Connect writes them
_UUID_BYTES: Final = 16


def parse_schema(schema: RegisteredSchema) -> tuple[Any, dict[str, Any]]:
    """Return the schema as fastavro parses it, and the schemas of all names in it. Raises ValueError.

    The logical types in it fit their types. Defaults, which are no part of a record, are not looked at: many schemas
    have some of another type.
    """
    named: dict[str, Any] = {}
    try:
        for text in (*schema.references.values(), schema.text):
            parsed = fastavro.parse_schema(_essential(json.loads(text)), named)
    except Exception as error:  # fastavro's own, and those of Python for a schema of another shape
        raise ValueError(f"not an Avro schema ({type(error).__name__}: {shortened(str(error))})") from error
    return parsed, named


def record_types(parsed: Any, named: Mapping[str, Any]) -> list[Any]:
    """Return the records that a value of the schema can be: itself, one that it refers to, or those of its union."""
    parsed = named.get(parsed, parsed) if isinstance(parsed, str) else parsed
    branches = parsed if isinstance(parsed, list) else [parsed]
    resolved = [named.get(branch, branch) if isinstance(branch, str) else branch for branch in branches]
    return [branch for branch in resolved if isinstance(branch, dict) and branch["type"] == "record"]


def _essential(schema: Any) -> Any:
    """Return the schema without what does not matter to the bytes. Raises TypeError and KeyError."""
    if isinstance(schema, list):
        return [_essential(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema["type"]
    if not isinstance(kind, str) or kind not in _TYPES:  # {"type": "shop.City"}
        return _essential(kind)
    kept = {name: schema[name] for name in ("type", "name", "namespace", "symbols", "size") if name in schema}
    kept |= {name: _essential(schema[name]) for name in ("items", "values") if name in schema}
    if kind == "record":
        kept["fields"] = [{"name": each["name"], "type": _essential(each["type"])} for each in schema["fields"]]
        _require(all(isinstance(each["name"], str) for each in kept["fields"]), "the name of a field is no text")
    elif kind == "enum":
        _require(isinstance(schema["symbols"], list), "the symbols of an enum are no list")
    elif kind == "fixed":
        _require(type(schema["size"]) is int and schema["size"] >= 0, "the size of a fixed is no number from 0")
    return kept | _logical_type(kind, schema)


def _logical_type(kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    logical, scale = schema.get("logicalType"), schema.get("scale") or 0
    fits = isinstance(logical, str) and logical in _LOGICAL.get(kind, ())
    if logical == "decimal" and fits:
        return {"logicalType": logical, "scale": scale} if type(scale) is int and 0 <= scale <= _MOST_SCALE else {}
    if logical == "uuid" and fits and schema["size"] != _UUID_BYTES:
        return {}
    return {"logicalType": logical} if fits else {}


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - the condition itself
    if not condition:
        raise TypeError(message)
