"""Generate invalid events by kind, with the code and field of their dead letters.

The codes are copied from the contract by hand, so that demo and tests can check the decoder with them.
"""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from training.synthetic.dataset import STREAM, events

Fields = dict[str, Any]
WORLD: Final = replace(STREAM, first_user=300_001)  # no session_id is also in the stream of valid events


class Breakage(NamedTuple):
    """A way to break an event, with the code and field of its dead letter."""

    kind: str
    code: str
    field: str | None = None
    value: object = None  # of the field

    def apply(self, event: Fields) -> bytes:
        """Return the broken event."""
        return _malformed(self.kind, event) if self.field is None else _json({**event, self.field: self.value})


class InvalidSample(NamedTuple):
    """An invalid event."""

    kind: str
    value: bytes
    code: str
    field: str | None


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


_TAILS: Final = {  # before the closing brace
    "trailing_comma": b"",
    "nan": b'"device_motion":NaN',
    "infinity": b'"transaction_amount":-Infinity',
    "not_utf8": b'"note":"caf\xe9"',
    "lone_surrogate": rb'"note":"\ud83d"',
    "too_deep": b'"note":' + b"[" * 20_000 + b"]" * 20_000,
}


def _malformed(kind: str, event: Fields) -> bytes:
    """Return the event as bytes that are no JSON object."""
    value = _json(event)
    match kind:
        case "truncated":
            value = value[:-20]
        case "two_objects":
            value *= 2
        case "python_repr":
            value = repr(event).encode()
        case "byte_order_mark":
            value = b"\xef\xbb\xbf" + value
        case "empty":
            value = b""
        case "array":
            value = _json([event])
        case "quoted_object":
            value = _json(value.decode())
        case _:
            value = value[:-1] + b"," + _TAILS[kind] + b"}"
    return value


BREAKAGES: Final = (
    Breakage("truncated", "not_json"),
    Breakage("trailing_comma", "not_json"),
    Breakage("two_objects", "not_json"),
    Breakage("python_repr", "not_json"),
    Breakage("nan", "not_json"),
    Breakage("infinity", "not_json"),
    Breakage("not_utf8", "not_json"),
    Breakage("lone_surrogate", "not_json"),
    Breakage("byte_order_mark", "not_json"),
    Breakage("empty", "not_json"),
    Breakage("array", "not_an_object"),
    Breakage("quoted_object", "not_an_object"),
    Breakage("too_deep", "too_deep"),
    Breakage("count_as_text", "wrong_type", "click_events", "12"),
    Breakage("amount_as_boolean", "wrong_type", "transaction_amount", True),  # noqa: FBT003 - a value of an event
    Breakage("motion_as_array", "wrong_type", "device_motion", [0.1, 0.2, 0.3]),
    Breakage("city_as_object", "wrong_type", "geolocation_city", {"name": "Delhi"}),
    Breakage("device_as_number", "wrong_type", "device_type", 2),
    Breakage("date_as_number", "wrong_type", "transaction_date", 1_793_000_000),
    Breakage("fractional_user_id", "wrong_type", "user_id", 17.5),
    Breakage("negative_count", "out_of_range", "scroll_events", -1),
    Breakage("negative_duration", "out_of_range", "time_on_page", -0.5),
    Breakage("amount_beyond_bounds", "out_of_range", "transaction_amount", 1.1e12),
    Breakage("no_such_day", "bad_date", "transaction_date", "2026-02-30T10:00:00"),
    Breakage("day_first", "bad_date", "transaction_date", "23/11/2026 10:00"),
    Breakage("hour_24", "bad_date", "transaction_date", "2026-11-23T24:00:00"),
    Breakage("empty_date", "bad_date", "transaction_date", ""),
)


def invalid_samples(seed: int) -> Iterator[InvalidSample]:
    """Yield endless invalid events: every kind once in random order, then all again in another order."""
    random = Random(seed)  # noqa: S311 - an order, not a secret
    stream = events(seed, world=WORLD)
    while True:
        for breakage in random.sample(BREAKAGES, len(BREAKAGES)):
            fields: Fields = msgspec.json.decode(next(stream))
            yield InvalidSample(breakage.kind, breakage.apply(fields), breakage.code, breakage.field)
