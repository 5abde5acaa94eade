"""The JSON Schemas of all that goes over the wire, made of the tables that the program itself goes by.

Draft 7: what AsyncAPI 3 and the schema registries take, and what there are validators of in every language. Patterns
keep to what their engines have in common: no look-ahead, which Go's has not.

Programs also generate types from these schemas (tests/codegen):
- Every object and every field of several types has a title: it becomes the name of a type.
- No combination of schemas (`oneOf` and its kin) stands at the root: generators make a nameless union of it.
- A list of codes that may grow stands in `examples`, not in `enum`: a generated enum refuses a code it does not know.
- No `const`, which Modelina writes as broken Python and as Java that ignores the message; no `uniqueItems`, which it
  writes as a set, without order.
- An identity has no `type`: for "integer" generators choose 64 bits, and an identity may have more digits.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from consumer.records import DEAD_LETTER_CODES
from consumer.stream.dead_letters import ATTEMPTS
from consumer.stream.serialization import SCHEMA_VERSION, SOURCE_TIMESTAMP
from scoring import InvalidEvent
from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.schemas import event_schema, verdict_fields
from scoring.verdicts import MOST_CONTRIBUTIONS

Schema = dict[str, Any]

TOPIC: Final = "[a-zA-Z0-9._-]{1,249}"
RECORD: Final = f"^{TOPIC}-[0-9]+-[0-9]+$"
TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
SHA256: Final = "^[0-9a-f]{64}$"


def result(event: Schema) -> Schema:
    """Return the schema of a result; `event` is the schema of the event in it.

    It does not say that either the event or its size and hash is there: generators make a nameless union of that.
    """
    words = "One for each valid event. Later releases may add fields: accept unknown ones."
    optional = ("session_id", "user_id", *_embedded(event))
    fields = {**_identities(), **_verdict(), **_origin(), **_embedded(event)}
    return {
        "title": "Result",
        **_object(words, fields, optional),
        "dependencies": {
            "event_bytes": ["event_sha256"],
            "key_bytes": ["key_sha256", "event_bytes"],
            "key_sha256": ["key_bytes"],
        },
    }


def alert(event: Schema) -> Schema:
    """An alert; `event` is the schema of the event in it."""
    made = result(event)
    own = {
        "alert_id": _text("Equal to result_id.", RECORD),
        "base_rate": _share(
            "The score without any features; adding the contributions of all features gives the score."
        ),
        "contributions": {
            "description": "The features that moved the score most, largest first.",
            "type": "array",
            "items": _contribution(),
            "maxItems": MOST_CONTRIBUTIONS,
        },
    }
    return made | {
        "title": "Alert",
        "description": "A High result and the features that moved its score most. Later releases may add fields.",
        "properties": {**made["properties"], **own},
        "required": [*made["required"], *own],
    }


def result_headers() -> Schema:
    """The headers of a result or an alert."""
    fields = {"model_version": _text("As in the value."), SOURCE_TIMESTAMP: _source_timestamp()}
    words = "The event's headers; these replace headers of the same names."
    return {"title": "Result headers", **_object(words, fields, [SOURCE_TIMESTAMP])}


def dead_letter_headers() -> Schema:
    """The headers of a dead letter: UTF-8 text all."""
    connect = {
        "topic": _text("The input topic.", f"^{TOPIC}$"),
        "partition": _digits("The input partition."),
        "offset": _digits("The offset in that partition."),
        "connector.name": _text("The consumer group."),
        "stage": _code(
            "The step that failed: the parser, or a check of a field or a size.", ["VALUE_CONVERTER", "TRANSFORMATION"]
        ),
        "exception.class.name": _code("A constant.", [f"{InvalidEvent.__module__}.{InvalidEvent.__qualname__}"]),
        "exception.message": _text("The expected kind of value and the actual kind, never the value."),
    }
    ours = {
        "dead_letter.code": _code("The error code.", list(DEAD_LETTER_CODES)),
        "dead_letter.field": _code("The invalid field.", [*MODEL_FIELDS, *IDENTITIES]),
        ATTEMPTS: _digits("Number of attempts to score this record; a redrive adds one."),
        "dead_letter.value_bytes": _digits("Size of a value that did not fit; the dead letter's value is then null."),
        "dead_letter.value_sha256": _text("SHA-256 of that value.", SHA256),
        "dead_letter.headers_bytes": _digits(
            "Encoded size of the event's headers, if they did not fit and were left out."
        ),
        "dead_letter.headers_sha256": _text("SHA-256 of those headers as encoded.", SHA256),
        "dead_letter.key_bytes": _digits(
            "Size of a key that did not fit; the dead letter's key is null, or its SHA-256."
        ),
        "dead_letter.key_sha256": _text("SHA-256 of that key.", SHA256),
        SOURCE_TIMESTAMP: _source_timestamp(),
    }
    lost = [f"dead_letter.{part}_{what}" for part in ("value", "headers", "key") for what in ("bytes", "sha256")]
    optional = ("dead_letter.field", *lost, SOURCE_TIMESTAMP)
    words = (
        "The event's headers (one with a name below as `original.<name>`) and these; "
        "the first seven are Kafka Connect's."
    )
    named = {f"__connect.errors.{name}": schema for name, schema in connect.items()}
    return {"title": "Dead letter headers", **_object(words, named | ours, optional)}


def _identities() -> Schema:
    version = {**_count("Version of the format; changes when a field changes its meaning."), "minimum": SCHEMA_VERSION}
    as_it_came = "Copied from the event, a string or an integer; absent if the event has none."
    return {
        "schema_version": {**version, "maximum": SCHEMA_VERSION},
        "result_id": _text("Identifies the input record; the same each time it is scored.", RECORD),
        "session_id": _identity("Session id", as_it_came, otherwise="string"),
        "user_id": _identity("User id", as_it_came, otherwise="string"),
    }


def _verdict() -> Schema:
    return {**verdict_fields(), "model_version": _text("The artifact set that scored the event.")}


def _origin() -> Schema:
    place = {
        "topic": _text("The input topic.", f"^{TOPIC}$"),
        "partition": _count("The input partition."),
        "offset": _count("The offset in that partition."),
        "timestamp": {**_time("The record's timestamp; null if it has none."), "type": ["string", "null"]},
    }
    return {
        "source": {"title": "Source", **_object("The input record.", place)},
        "scored_at": _time("Time of scoring."),
    }


def _embedded(event: Schema) -> Schema:
    return {
        "event": event,
        "event_schema_id": _count("The registry's id of the event's schema, with --input-format other than json."),
        "event_schema_guid": _text("The GUID of that schema, if the record names it so."),
        "event_bytes": _count("Size of an event that did not fit."),
        "event_sha256": _text(
            "SHA-256 of the record's value, if the event did not fit, or is Avro or Protobuf.", SHA256
        ),
        "key_bytes": _count("Size of a key that did not fit; the input's headers are left out, too."),
        "key_sha256": _text(
            "SHA-256 of that key; the record's key is null, or this hash if the topic is compacted.", SHA256
        ),
    }


def _contribution() -> Schema:
    fields = {
        "feature": _text("A column of the artifact set."),
        "value": {
            "title": "Contribution value",
            "description": "The value before scaling; the string of a category.",
            "type": ["number", "string"],
        },
        "contribution": {"description": "How much the feature raises (+) or lowers (-) the score.", "type": "number"},
    }
    return {"title": "Contribution", **_object("One feature and how far it moved the score.", fields)}


def _identity(title: str, description: str, otherwise: str | list[str]) -> Schema:
    """Return the schema of a string or an integer for which generators choose a type that holds every integer.

    Validators apply the condition; generators leave it out and take any value.
    """
    return {
        "title": title,
        "description": description,
        "if": {"type": "number"},
        "then": {"type": "integer"},
        "else": {"type": otherwise},
    }


def _object(description: str, fields: Schema, optional: Iterable[str] = ()) -> Schema:
    """Fields that are not named may be there, too."""
    required = [name for name in fields if name not in set(optional)]
    made = {"description": description, "type": "object", "properties": fields}
    return made | {"required": required} if required else made


def _list(description: str, values: list[str]) -> Schema:
    return {"description": description, "type": "array", "items": {"type": "string", "examples": values}}


def _code(description: str, known: list[str]) -> Schema:
    """Return the schema of a code; later releases may add to those that are known."""
    return {**_text(description), "examples": known}


def _text(description: str, pattern: str | None = None) -> Schema:
    return {"description": description, "type": "string", **({"pattern": pattern} if pattern else {})}


def _count(description: str) -> Schema:
    """Return the schema of a whole number; the format keeps generators from 32 bits."""
    return {"description": description, "type": "integer", "format": "int64", "minimum": 0}


def _digits(description: str) -> Schema:
    """A whole number in digits: the value of a header is text."""
    return _text(description, "^[0-9]+$")


def _source_timestamp() -> Schema:
    return _text("The event's timestamp in ms, if Kafka might refuse it.", "^-?[0-9]+$")


def _time(description: str) -> Schema:
    return {**_text(description, TIME), "format": "date-time"}


def _share(description: str) -> Schema:
    return {"description": description, "type": "number", "minimum": 0, "maximum": 1}


SCHEMAS: Final[Mapping[str, Schema]] = {
    "event": event_schema(),
    "result": result(event_schema()),
    "alert": alert(event_schema()),
    "dead-letter-headers": dead_letter_headers(),
}
"""By the name of the file, each complete in itself."""
