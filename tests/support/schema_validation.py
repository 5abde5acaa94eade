"""Whether messages are what their schemas say. jsonschema-rs, so that every one can be looked at: a few µs each."""

import functools
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn, cast

import orjson
from confluent_kafka import Message
from jsonschema_rs import Draft7Validator, ValidationError

from consumer.records import Headers
from scoring.contract import IDENTITIES
from tests.support.message_schemas import SCHEMAS, Schema, result_headers


def close(schema: Schema) -> Schema:
    """Return the schema with its lists of codes closed: what this release writes, where readers accept any code."""
    closed = {name: close(each) if isinstance(each, dict) else each for name, each in schema.items()}
    if schema.get("type") == "string" and "examples" in schema:
        closed["enum"] = schema["examples"]
    if schema.get("type") == "array":
        closed["uniqueItems"] = True
    return closed


EVENT: Final = Draft7Validator(SCHEMAS["event"])
RESULT: Final = Draft7Validator(close(SCHEMAS["result"]))
ALERT: Final = Draft7Validator(close(SCHEMAS["alert"]))
RESULT_HEADERS: Final = Draft7Validator(result_headers())
LETTER_HEADERS: Final = Draft7Validator(close(SCHEMAS["dead-letter-headers"]))
OF_A_FIELD: Final = frozenset({"wrong_type", "out_of_range", "bad_date"})
# the names that the consumer's topics have by default, and those of tests/support/kafka/topics.py
_KIND: Final = re.compile("(?:session-(results|alerts|dead-letters)|(results|alerts|dead-letters)-[0-9a-f]{12})")

Check = Callable[[bytes | None, Headers], None]


def hold_all(messages: Iterable[Message]) -> None:
    """`hold` for each message as it was read."""
    for message in messages:
        hold(message.topic() or "", message.value(), cast("Headers", message.headers() or []))


def hold(topic: str, value: bytes | None, headers: Headers) -> None:
    """Fails when a message is not what the schemas say; what it must be is told by the name of its topic."""
    check = check_of(topic)
    if check is not None:
        check(value, headers)


@functools.cache
def check_of(topic: str) -> Check | None:
    """How to look at the messages of a topic; None for what the consumer does not write."""
    checks: dict[str, Check] = {"results": hold_result, "alerts": hold_alert, "dead-letters": hold_letter}
    found = _KIND.fullmatch(topic)
    return checks[found[1] or found[2]] if found else None


def hold_result(value: bytes | None, headers: Headers) -> None:
    """The event in it is held to the schema of events, too: so whatever was scored, that schema takes."""
    _hold_fields(RESULT, read_json(value or b"null"))
    _hold(RESULT_HEADERS, as_text(headers))


def hold_alert(value: bytes | None, headers: Headers) -> None:
    """As a result."""
    alert = read_json(value or b"null")
    _hold_fields(ALERT, alert)
    assert alert["risk_level"] == "High", "risk_level: an alert's is High"
    _hold(RESULT_HEADERS, as_text(headers))


def read_json(value: bytes) -> Any:
    """Parse JSON with the standard library and with orjson, which must agree where numbers fit 64 bits.

    orjson refuses a number beyond a double, such as 1e400, which an event may have in a field that is ignored.
    """
    wide: list[str] = []

    def integer(text: str) -> int:
        number = int(text)
        if not -(2**63) <= number < 2**64:
            wide.append(text)
        return number

    def real(text: str) -> float:
        number = float(text)
        if math.isinf(number):
            wide.append(text)
        return number

    read = json.loads(value, parse_int=integer, parse_float=real)
    assert wide or orjson.loads(value) == read, "orjson reads another message"
    return read


def _hold_fields(validator: Draft7Validator, result: Any) -> None:
    """Hold a result or an alert to its schema, and to what the schema leaves out for the sake of code generators."""
    _hold(validator, result)
    assert ("event" in result) != ("event_bytes" in result), "event: either it or event_bytes is there"


def hold_letter(value: bytes | None, headers: Headers) -> None:
    """The schema of events refuses what the consumer refused for one of its fields (but an identity like 7.0, which is
    an integer for JSON Schema)."""
    said = as_text(headers)
    _hold(LETTER_HEADERS, said)
    if said["dead_letter.code"] in OF_A_FIELD and said.get("dead_letter.field") not in IDENTITIES and value is not None:
        assert not takes(value), f"the schema of events takes what is {said['dead_letter.code']}"


def takes(value: bytes) -> bool:
    """Whether a strict parser and then the schema take this event. Of a key that is there twice each value counts."""
    try:
        found = _read(value.decode())
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate has no UTF-8
    except (ValueError, RecursionError):
        return False
    return isinstance(found, _Object) and all(EVENT.is_valid({name: each}) for name, each in found)


class _Object(list[tuple[str, Any]]):
    """The members of a JSON object, repeated keys and all."""


def _no_number(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


_read: Final = json.JSONDecoder(object_pairs_hook=_Object, parse_constant=_no_number).decode


def as_text(headers: Headers) -> dict[str, str | None]:
    """Headers as the schemas see them: by name, the values as text."""
    return {name: None if value is None else value.decode("utf-8", "replace") for name, value in headers}


def _hold(validator: Draft7Validator, found: object) -> None:
    try:
        validator.validate(found)
    except ValidationError as error:
        raise AssertionError(f"{'.'.join(map(str, error.instance_path))}: {error.message}"[:2000]) from None
