"""Invalid events that differ from one another, and odd ones that are valid: what JSON's edges look like on the wire.

The codes and fields are written by hand, from the contract.
"""

import json
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from training.synthetic.dataset import STREAM, events
from training.synthetic.invalid_events import InvalidSample, invalid_samples

NOT_JSON, OUT_OF_RANGE, WRONG_TYPE = "not_json", "out_of_range", "wrong_type"
DEEP: Final = 20_000


def _last(tail: bytes) -> Callable[[bytes], bytes]:
    """The event with `tail` as its last member, which of the same key twice is the one that counts."""
    return lambda event: event[:-1] + b"," + tail + b"}"


def _first(head: bytes) -> Callable[[bytes], bytes]:
    return lambda event: b"{" + head + b"," + event[1:]


def _before(head: bytes) -> Callable[[bytes], bytes]:
    return lambda event: head + event


def _after(tail: bytes) -> Callable[[bytes], bytes]:
    return lambda event: event + tail


# kind -> code, field, how an event becomes one
EDGES: Final[dict[str, tuple[str, str | None, Callable[[bytes], bytes]]]] = {
    "objects_too_deep": ("too_deep", None, _last(b'"note":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP)),
    "number_beyond_a_double": (OUT_OF_RANGE, "click_events", _last(b'"click_events":1e400')),
    "negative_beyond_a_double": (OUT_OF_RANGE, "timezone_offset", _last(b'"timezone_offset":-1e999')),
    "integer_of_400_digits": (OUT_OF_RANGE, "transaction_amount", _last(b'"transaction_amount":' + b"9" * 400)),
    "integer_of_5000_digits": (OUT_OF_RANGE, "time_on_page", _last(b'"time_on_page":' + b"1" * 5000)),
    "overlong_utf8": (NOT_JSON, None, _last(b'"note":"\xc0\x80"')),
    "surrogate_as_utf8": (NOT_JSON, None, _last(b'"note":"\xed\xa0\x80"')),
    "cut_utf8": (NOT_JSON, None, _last(b'"note":"\xf0\x9f\x98"')),
    "utf8_beyond_unicode": (NOT_JSON, None, _last(b'"note":"\xf4\x90\x80\x80"')),
    "bad_utf8_in_a_key": (NOT_JSON, None, _last(b'"n\xffte":1')),
    "utf16_with_its_mark": (NOT_JSON, None, lambda event: event.decode().encode("utf-16")),
    "utf32": (NOT_JSON, None, lambda event: event.decode().encode("utf-32-le")),
    "two_marks": (NOT_JSON, None, _before(b"\xef\xbb\xbf\xef\xbb\xbf")),
    "mark_at_the_end": (NOT_JSON, None, _after(b"\xef\xbb\xbf")),
    "key_twice_first_bad": (WRONG_TYPE, "click_events", _first(b'"click_events":"12"')),
    "key_twice_last_bad": (WRONG_TYPE, "device_type", _last(b'"device_type":[]')),
    "key_thrice_one_negative": (OUT_OF_RANGE, "touch_events", _first(b'"touch_events":-1,"touch_events":2')),
    "low_surrogate_alone": (NOT_JSON, None, _last(rb'"note":"\udc00"')),
    "surrogates_in_the_wrong_order": (NOT_JSON, None, _last(rb'"note":"\ude00\ud83d"')),
    "lone_surrogate_in_a_key": (NOT_JSON, None, _last(rb'"n\ud800te":1')),
    "lone_surrogate_in_an_identity": (NOT_JSON, None, _last(rb'"user_id":"u\ud800"')),
    "nul_in_a_string": (NOT_JSON, None, _last(b'"note":"a\x00b"')),
    "nul_at_the_end": (NOT_JSON, None, _after(b"\x00")),
    "nul_at_the_beginning": (NOT_JSON, None, _before(b"\x00")),
    "line_feed_in_a_string": (NOT_JSON, None, _last(b'"note":"a\nb"')),
    "single_quotes": (NOT_JSON, None, lambda event: event.replace(b'"', b"'")),
    "comment": (NOT_JSON, None, _before(b"/* v2 */")),
    "leading_zero": (NOT_JSON, None, _last(b'"click_events":07')),
    "leading_plus": (NOT_JSON, None, _last(b'"click_events":+7')),
    "no_digit_after_the_point": (NOT_JSON, None, _last(b'"click_events":7.')),
    "hexadecimal": (NOT_JSON, None, _last(b'"click_events":0x7')),
    "unknown_escape": (NOT_JSON, None, _last(rb'"note":"\x41"')),
    "key_without_quotes": (NOT_JSON, None, _last(b"note:1")),
    "missing_colon": (NOT_JSON, None, _last(b'"note" 1')),
    "json_lines": (NOT_JSON, None, lambda event: event + b"\n" + event),
    "text_beside_it": (NOT_JSON, None, _before(b"data: ")),
    "a_string": ("not_an_object", None, lambda event: json.dumps(event.hex()).encode()),
    "a_number": ("not_an_object", None, lambda event: str(int.from_bytes(event[-40:])).encode()),
    "object_in_an_array": ("not_an_object", None, lambda event: b"[" + event + b"]"),
}

ODD: Final = (
    _last(b'"note":' + b"[" * 98 + b"]" * 98),  # 99 levels with the event's own
    _last(rb'"note":"\u0000 \ud83d\ude00"'),
    _last(b'"ignored":1e400'),
    _last(b'"ignored":' + b"9" * 400),
    _last(b'"note":1,"note":"2","note":null'),
    _first(b'"click_events":3'),
    _before(b" \t\r\n"),
    _after(b"\n \n"),
    _last(b'"click_events":3.0'),
    _last('"note":"\U0001f600 \ufeff \u2028 \x7f"'.encode()),
)
"""How a valid event becomes one that a parser may stumble over, and is still valid."""


def distinct(seed: int, count: int) -> list[InvalidSample]:
    """Return distinct invalid events: each kind of `synthetic.invalid_events`, and each edge above, in turn."""
    found: dict[bytes, InvalidSample] = {}
    for one in chain.from_iterable(zip(invalid_samples(seed), _edges(seed), strict=True)):
        found.setdefault(one.value, one)
        if len(found) == count:
            break
    return list(found.values())


def odd(seed: int) -> Iterator[bytes]:
    """Valid events without end, each with something odd in it."""
    for number, event in enumerate(events(seed, world=STREAM)):
        yield ODD[number % len(ODD)](event)


def _edges(seed: int) -> Iterator[InvalidSample]:
    kinds = list(EDGES.items())
    for number, event in enumerate(events(seed + 1, world=STREAM)):
        kind, (code, field, apply) = kinds[number % len(kinds)]
        yield InvalidSample(kind, apply(event), code, field)
