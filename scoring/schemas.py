"""JSON Schemas of the Scorer's input and output, generated from the contract's types.

They are valid in draft 7 and in 2020-12, which OpenAPI uses. Programs generate types from them:
- A list of codes that may grow is in `examples`, not in `enum`, which a generated type makes closed.
- An identity has no `type`: generators read "integer" as 64 bits, and an identity may have more digits.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from scoring.contract import IDENTITIES, MODEL_FIELDS, Event, expected
from scoring.errors import ErrorCode
from scoring.rules import LEVELS, REASON_CODES
from scoring.verdicts import WIRE_FIELDS, Verdict

Schema = dict[str, Any]

_END_OF_TEXT: Final = r"(?![\s\S])"  # Python's `$` lets a line feed through; that of JSON Schema does not
_OPEN: Final = {"reason_codes": REASON_CODES, "imputed_fields": MODEL_FIELDS}
EXAMPLE: Final = {
    "user_id": "user_198",
    "session_id": "session_2890",
    "device_type": "Mobile",
    "click_events": 36,
    "time_on_page": 42.5,
    "transaction_amount": 12000.5,
    "transaction_date": "2026-11-23T02:15:00",
}


def json_schemas() -> dict[str, Schema]:
    """Return JSON Schemas by name: `SessionEvent`, the `Verdict` that `as_dict` gives, and `InvalidEvent`."""
    sample = {"examples": [EXAMPLE]}
    return {"SessionEvent": event_schema() | sample, "Verdict": _verdict(), "InvalidEvent": _invalid_event()}


def event_schema() -> Schema:
    """Return the schema of a session event, as far as JSON Schema can express it."""
    generated = _schema_of(Event)
    fields = {name: _event_field(name, field) for name, field in generated["properties"].items()}
    head = {"title": "Session event", "description": generated["description"], "type": "object"}
    return head | {"properties": fields}


def _schema_of(contract: type) -> Schema:
    _, components = msgspec.json.schema_components([contract])
    schema: Schema = components[contract.__name__]
    return schema


def _event_field(name: str, field: Mapping[str, Any]) -> Schema:
    """Turn msgspec's anyOf of single types into one schema of several types."""
    description = f"{field['description']}: {expected(name)}."
    if name in IDENTITIES:
        return _identity(name, f"{description} An integer may have many digits.")
    types = [variant["type"] for variant in field["anyOf"]]
    bounds = {keyword: value for variant in field["anyOf"] for keyword, value in variant.items() if keyword != "type"}
    if "pattern" in bounds:
        bounds["pattern"] = bounds["pattern"].removesuffix(_END_OF_TEXT) + "$"
    return {"description": description, "type": types, **bounds}


def _identity(name: str, description: str) -> Schema:
    """Return a schema with a condition, which validators apply and generators ignore."""
    return {
        "title": name.replace("_", " ").capitalize(),
        "description": description,
        "if": {"type": "number"},
        "then": {"type": "integer"},
        "else": {"type": ["string", "null"]},
    }


def verdict_fields() -> Schema:
    """Return the schemas of the fields that `Verdict.as_dict` gives."""
    generated = _schema_of(Verdict)["properties"]
    fields = {name: {**generated[name], "description": f"{generated[name]['description']}."} for name in WIRE_FIELDS}
    for name, known in _OPEN.items():
        fields[name]["items"] = {"type": "string", "examples": list(known)}
    label = {"description": fields["predicted_label"]["description"], "type": "integer", "minimum": 0, "maximum": 1}
    level = {"title": "Risk level", **fields["risk_level"], "type": "string", "enum": list(LEVELS)}
    return fields | {"predicted_label": label, "risk_level": level}


def _verdict() -> Schema:
    head = {"title": "Verdict", "description": Verdict.__doc__, "type": "object"}
    return head | {"properties": verdict_fields(), "required": list(WIRE_FIELDS)}


def _invalid_event() -> Schema:
    fields = {
        "code": {"description": "The error code.", "type": "string", "examples": list(get_args(ErrorCode))},
        "field": {"description": "The invalid field, if it is one field.", "type": ["string", "null"]},
        "message": {
            "description": "The expected kind of value and the actual kind, never the value.",
            "type": "string",
        },
    }
    head = {"title": "Invalid event", "description": "Why an event cannot be scored.", "type": "object"}
    return head | {"properties": fields, "required": list(fields)}
