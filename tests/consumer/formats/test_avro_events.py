"""Events in Avro, in schemas with any order of fields and any types that hold them, are those of the same mappings."""

import io
import json
import struct
from typing import Any

import fastavro
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.formats.avro import avro_reader
from consumer.formats.schema import RegisteredSchema
from scoring import InvalidEvent
from scoring.columns import Columns
from scoring.contract import CATEGORIES, DATE, IDENTITIES, MODEL_FIELDS, NUMERIC
from scoring.decoding import Decoded, decode_any, decode_joined, join_values

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DATES = st.sampled_from(["2026-02-03T04:05", "2026-02-03", "2024-02-29 23:59:59.123456789+05:30", "2026-02-30"])


def mostly(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 19).flatmap(lambda number: usual if number else other)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": mostly(st.integers(0, 100), st.integers(-(2**31), 2**31 - 1)),
    "long": mostly(st.integers(0, 2**40 - 1), st.integers(-(2**63), 2**63 - 1)),
    "float": mostly(st.floats(0, 100, width=32), st.floats(width=32)),
    "double": mostly(st.floats(0, 1e12), st.floats()),
    "string": TEXTS,
    "boolean": st.booleans(),
}


def types_of(field: str) -> dict[str, st.SearchStrategy[Any]]:
    """Return the types that a field may have in a schema, and their values."""
    if field in NUMERIC:
        return {name: VALUES[name] for name in ("int", "long", "float", "double")}
    if field == DATE:
        return {"string": DATES}
    return {
        name: VALUES[name] for name in (("string", "boolean") if field in CATEGORIES else ("string", "long", "double"))
    }


@st.composite
def events(draw: st.DrawFn) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Draw a schema, an event as fastavro writes it, and the event."""
    fields, written, event = [], {}, {}
    for name in draw(st.permutations([*MODEL_FIELDS, *IDENTITIES]).map(lambda names: names[: len(names) // 2])):
        types = types_of(name)
        kind = draw(mostly(st.sampled_from(list(types)[: 4 if name in NUMERIC else 1]), st.sampled_from(list(types))))
        form: Any = draw(st.sampled_from([kind, ["null", kind], [kind, "null"], ["bytes", "null", kind]]))
        value = None if "null" in form and draw(st.booleans()) else draw(types[kind])
        fields.append({"name": name, "type": form})
        written[name] = (kind, value) if isinstance(form, list) and value is not None else value
        event[name] = (
            struct.unpack("<f", struct.pack("<f", value))[0] if kind == "float" and value is not None else value
        )
    return {"type": "record", "name": "Session", "fields": fields}, written, event


def contents(decoded: Decoded, faults: dict[int, InvalidEvent]) -> Any:
    """Return what scoring has of one event, or its fault."""
    if faults:
        return [(fault.code, fault.field) for fault in faults.values()]
    columns: Columns = decoded.columns
    categories = [
        texts[code] if code >= 0 else None for texts, (code,) in zip(columns.strings, columns.codes, strict=True)
    ]
    identities = [columns.text[start:end].tobytes() for ((start,), (end,)) in columns.identities]
    return np.nan_to_num(columns.numbers, nan=-1).tolist(), categories, columns.hours.tolist(), identities


@settings(deadline=None)
@given(events())
def test_an_event_in_avro_is_the_event(drawn: tuple[Any, dict[str, Any], dict[str, Any]]) -> None:
    schema, written, event = drawn
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schema), written)

    read = avro_reader(RegisteredSchema(7, "AVRO", json.dumps(schema)))(join_values([file.getvalue()]))

    decoded, expected = decode_joined(read.joined), decode_any([event])
    assert contents(decoded, decoded.invalid | read.faults) == contents(expected, expected.invalid)
