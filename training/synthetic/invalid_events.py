"""Events that must end as dead letters, by kind, each with the code and the field that the contract gives it.

The codes are written here by hand, from the contract, and not asked of the decoder: demo and tests check it by them.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from training.synthetic.dataset import STREAM, events

Fields = dict[str, Any]
WORLD: Final = replace(STREAM, first_user=300_001)  # so that no session_id stands in the good stream too


class Breakage(NamedTuple):
    """A way to break an event, and what its dead letter must say."""

    kind: str
    code: str
    field: str | None
    apply: Callable[[Fields], bytes]


class Broken(NamedTuple):
    """An invalid event."""

    kind: str
    value: bytes
    code: str
    field: str | None


def _put(kind: str, code: str, field: str, value: object) -> Breakage:
    return Breakage(kind, code, field, lambda event: _json({**event, field: value}))


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _with_tail(event: Fields, tail: bytes) -> bytes:
    """The event as JSON with `tail` before its closing brace."""
    return _json(event)[:-1] + b"," + tail + b"}"


BREAKAGES: Final = (
    Breakage("truncated", "not_json", None, lambda event: _json(event)[:-20]),
    Breakage("trailing_comma", "not_json", None, lambda event: _json(event)[:-1] + b",}"),
    Breakage("two_objects", "not_json", None, lambda event: _json(event) * 2),
    Breakage("python_repr", "not_json", None, lambda event: repr(event).encode()),
    Breakage("nan", "not_json", None, lambda event: _with_tail(event, b'"device_motion":NaN')),
    Breakage("infinity", "not_json", None, lambda event: _with_tail(event, b'"transaction_amount":-Infinity')),
    Breakage("not_utf8", "not_json", None, lambda event: _with_tail(event, b'"note":"caf\xe9"')),
    Breakage("lone_surrogate", "not_json", None, lambda event: _with_tail(event, rb'"note":"\ud83d"')),
    Breakage("byte_order_mark", "not_json", None, lambda event: b"\xef\xbb\xbf" + _json(event)),
    Breakage("empty", "not_json", None, lambda _: b""),
    Breakage("array", "not_an_object", None, lambda event: _json([event])),
    Breakage("quoted_object", "not_an_object", None, lambda event: _json(_json(event).decode())),
    Breakage("too_deep", "too_deep", None, lambda event: _with_tail(event, b'"note":' + b"[" * 20_000 + b"]" * 20_000)),
    _put("count_as_text", "wrong_type", "click_events", "12"),
    _put("amount_as_boolean", "wrong_type", "transaction_amount", True),  # noqa: FBT003 - a value of an event
    _put("motion_as_array", "wrong_type", "device_motion", [0.1, 0.2, 0.3]),
    _put("city_as_object", "wrong_type", "geolocation_city", {"name": "Delhi"}),
    _put("device_as_number", "wrong_type", "device_type", 2),
    _put("date_as_number", "wrong_type", "transaction_date", 1_793_000_000),
    _put("fractional_user_id", "wrong_type", "user_id", 17.5),
    _put("negative_count", "out_of_range", "scroll_events", -1),
    _put("negative_duration", "out_of_range", "time_on_page", -0.5),
    _put("amount_beyond_bounds", "out_of_range", "transaction_amount", 1.1e12),
    _put("no_such_day", "bad_date", "transaction_date", "2026-02-30T10:00:00"),
    _put("day_first", "bad_date", "transaction_date", "23/11/2026 10:00"),
    _put("hour_24", "bad_date", "transaction_date", "2026-11-23T24:00:00"),
    _put("empty_date", "bad_date", "transaction_date", ""),
)


def broken(seed: int) -> Iterator[Broken]:
    """Invalid events without end: every kind once, in an order of its own, then all again in another."""
    random = Random(seed)  # noqa: S311 - an order, not a secret
    stream = events(seed, world=WORLD)
    while True:
        for breakage in random.sample(BREAKAGES, len(BREAKAGES)):
            fields: Fields = msgspec.json.decode(next(stream))
            yield Broken(breakage.kind, breakage.apply(fields), breakage.code, breakage.field)
