"""Session events in the formats of a schema registry, whole and broken."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import fastavro
from confluent_kafka.schema_registry import Schema as ClientSchema
from confluent_kafka.schema_registry import SchemaRegistryClient
from google.protobuf.message_factory import GetMessageClass

from consumer.formats import protobuf
from consumer.formats.schema import RegisteredSchema
from scoring.contract import DATE, IDENTITIES, MODEL_FIELDS
from training.synthetic.invalid_events import InvalidSample

_PRODUCERS: Final = Path(__file__).parents[2] / "deploy" / "producers"
_AVRO_ID: Final = '"user_id", "type": ["null", "{}"]'
_JSON_ID: Final = '"user_id": {{"type": ["{}"'
SCHEMAS: Final = {
    name: (schema_type, (_PRODUCERS / file).read_text().replace(number, text))
    for name, schema_type, file, number, text in (
        ("avro", "AVRO", "session.avsc", _AVRO_ID.format("long"), _AVRO_ID.format("string")),
        ("protobuf", "PROTOBUF", "session.proto", "int64 user_id", "string user_id"),
        ("json-schema", "JSON", "session.schema.json", _JSON_ID.format("integer"), _JSON_ID.format("string")),
    )
}
"""The producers' schemas, but with text for user_id: generated events have that."""
FIRST_MESSAGE: Final = b"\0"  # the indices of a Protobuf message

Event = Mapping[str, Any]
Breaks = Callable[[bytes, Event], bytes]
"""Makes a broken value of a good one and its event."""


@dataclass(frozen=True)
class Format:
    """A format: how it is registered and how an event becomes a value of it."""

    name: str
    frame: bytes
    encode: Callable[[Event], bytes]

    def value(self, event: Event) -> bytes:
        """Return the value of an event, with its frame."""
        known = {name: each for name, each in event.items() if name in (*MODEL_FIELDS, *IDENTITIES)}
        return self.frame + self.encode(known)


def register(url: str, subject: str, name: str, text: str | None = None) -> bytes:
    """Register a schema; return the frame of its values."""
    schema_type, usual = SCHEMAS[name]
    with SchemaRegistryClient({"url": url, "timeout": 30}) as client:
        number = client.register_schema(subject, ClientSchema(text or usual, schema_type))
    return b"\0" + int(number).to_bytes(4, "big")


def registered(url: str, subject: str, name: str) -> Format:
    """Return a format whose schema is registered."""
    return Format(name, register(url, subject, name), _encoder(name))


def _encoder(name: str) -> Callable[[Event], bytes]:
    if name == "json-schema":
        return lambda event: json.dumps(event).encode()
    if name == "protobuf":
        file = protobuf._compile(RegisteredSchema(1, *SCHEMAS[name]))
        message = GetMessageClass(file.message_types_by_name["Session"])
        return lambda event: FIRST_MESSAGE + message(**event).SerializeToString()  # which takes None for absent
    parsed = fastavro.parse_schema(json.loads(SCHEMAS[name][1]))

    def encode(event: Event) -> bytes:
        file = io.BytesIO()
        fastavro.schemaless_writer(file, parsed, dict(event))
        return file.getvalue()

    return encode


def broken(of: Format, other: bytes, events: Iterator[Event]) -> Iterator[InvalidSample]:
    """Yield broken values without end, each kind in turn. `other` is the frame of a schema of another type."""
    for kind, (code, field, change) in cycle(_kinds(of, other).items()):
        event = next(events)
        yield InvalidSample(kind, change(of.value(event), event), code, field)


def _kinds(of: Format, other: bytes) -> dict[str, tuple[str, str | None, Breaks]]:
    def with_field(field: str, value: Any) -> Breaks:
        return lambda _, event: of.value({**event, field: value})

    def with_end(end: bytes) -> Breaks:
        return lambda good, _: good + end

    def with_payload(start: bytes) -> Breaks:
        return lambda good, _: good[:5] + start + good[5:]

    code = {"avro": "not_avro", "protobuf": "not_protobuf", "json-schema": "not_json"}[of.name]
    framing: dict[str, Breaks] = {
        "other_magic_byte": lambda good, _: b"\1" + good[1:],
        "no_frame": lambda good, _: b"{" + good[5:],
        "negative_id": lambda good, _: b"\0\xff" + good[2:],
        "frame_twice_cut": lambda good, _: b"\2" + good[:4] + good,
    }
    of_schema: dict[str, Breaks] = {
        "unknown_id": lambda good, _: b"\0\0\7\7\7" + good[5:],
        "another_type": lambda good, _: other + good[5:],
    }
    payloads: dict[str, dict[str, Breaks]] = {
        "avro": {
            "cut_1": lambda good, _: good[:-1],
            "cut_7": lambda good, _: good[:-7],
            "byte_left": with_end(b"\0"),
            "record_left": lambda good, _: good + good[5:],
            "union_of_3": with_payload(b"\4"),
            "negative_union": with_payload(b"\1"),
            "endless_varint": with_payload(b"\xff" * 12),
            "json": with_payload(b'{"click_events":1}'),
            "text": with_payload(b"hello"),
            "not_utf8": lambda good, _: good[:-2] + b"\xff" + good[-1:],
            "negative_length": lambda good, event: good[: -len(str(event["session_id"])) - 1] + b"\x03",
        },
        "protobuf": {
            "cut_1": lambda good, _: good[:-1],
            "wrong_wire_type": with_end(b"\x0f"),
            "field_zero": with_end(b"\0\1"),
            "length_beyond_the_end": with_end(b"\x52\x7fa"),
            "endless_varint": with_end(b"\xff" * 12),
            "not_utf8": with_end(b"\x52\2\xff\xff"),
            "cut_double": with_end(b"\x31\0\0"),
            "end_of_group": with_end(b"\x0c"),
            "cut_varint": with_end(b"\x80"),
            "text": lambda good, _: good[:6] + b"hello" + good[6:],
        },
        "json-schema": {
            "cut_1": lambda good, _: good[:-1],
            "cut_7": lambda good, _: good[:-7],
            "frame_twice": lambda good, _: good[:5] + good,
            "text": with_payload(b"hello"),
            "brace_left": with_end(b"}"),
            "record_left": lambda good, _: good + good[5:],
            "not_utf8": lambda good, _: good[:-1] + b',"note":"\xff"}',
            "single_quotes": lambda good, _: good.replace(b'"', b"'"),
            "mark": with_payload(b"\xef\xbb\xbf"),
            "nul": with_end(b"\0"),
        },
    }
    if of.name == "protobuf":
        framing |= {
            "no_such_message": lambda good, _: good[:5] + b"\2\6" + good[6:],
            "negative_index": lambda good, _: good[:5] + b"\1" + good[6:],
            "endless_index": lambda good, _: good[:5] + b"\2" + b"\xff" * 9 + good[6:],
        }
    nan = ("not_json", None) if of.name == "json-schema" else ("out_of_range", "time_on_page")
    return {
        **{name: ("bad_framing", None, change) for name, change in framing.items()},
        **{name: ("unknown_schema", None, change) for name, change in of_schema.items()},
        **{name: (code, None, change) for name, change in payloads[of.name].items()},
        "negative": ("out_of_range", "click_events", with_field("click_events", -1)),
        "large": ("out_of_range", "transaction_amount", with_field("transaction_amount", 1e13)),
        "not_finite": (*nan, with_field("time_on_page", float("nan"))),
        "no_such_day": ("bad_date", DATE, with_field(DATE, "2026-02-30")),
        "no_such_hour": ("bad_date", DATE, with_field(DATE, "2026-02-03T24:00")),
    }
