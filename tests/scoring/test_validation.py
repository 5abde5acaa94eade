"""Every kind of invalid event by name: the bytes, and the code and field that they are refused with."""

import json
from typing import Any, NamedTuple

import pytest

from scoring import InvalidEvent, Scorer
from tests.support.artifacts.sets import small_set
from tests.support.edge_values import NO_DATES
from tests.support.oracle import scoring
from tests.support.oracle.reading import DATE


class Bad(NamedTuple):
    name: str
    raw: bytes
    code: str
    field: str | None = None


def not_json(name: str, raw: bytes) -> Bad:
    return Bad(name, raw, "not_json")


def with_field(field: str, value: str, code: str, name: str = "") -> Bad:
    return Bad(name or f"{field} {value}"[:60], f'{{"{field}": {value}}}'.encode(), code, field)


NOT_JSON = [
    not_json("nothing at all", b""),
    not_json("a blank", b" "),
    not_json("a byte order mark before an object", b"\xef\xbb\xbf{}"),
    not_json("UTF-16", '{"click_events": 3}'.encode("utf-16")),
    not_json("UTF-16 without a mark", b"{\0}\0"),
    not_json("an object cut short", b'{"click_events": 3'),
    not_json("a string cut short", b'{"device_type": "Mob'),
    not_json("a closing brace too many", b'{"click_events": 3}}'),
    not_json("two objects", b'{"click_events": 3} {"click_events": 3}'),
    not_json("a NUL after the object", b'{"click_events": 3}\0'),
    not_json("a half word", b"nul"),
    not_json("a word of another language", b'{"click_events": None}'),
    not_json("single quotes", b"{'click_events': 3}"),
    not_json("a key without quotes", b"{click_events: 3}"),
    not_json("a trailing comma", b'{"click_events": 3,}'),
    not_json("a missing comma", b'{"click_events": 3 "scroll_events": 3}'),
    not_json("a missing colon", b'{"click_events" 3}'),
    not_json("a comment", b'{"click_events": 3 /* three */}'),
    not_json("NaN", b'{"click_events": NaN}'),
    not_json("Infinity", b'{"click_events": Infinity}'),
    not_json("minus Infinity", b'{"timezone_offset": -Infinity}'),
    not_json("NaN in a field that the model ignores", b'{"referrer": NaN}'),
    not_json("NaN deep in a field that the model ignores", b'{"referrer": [{"a": NaN}]}'),
    not_json("NaN alone", b"NaN"),
    not_json("a leading zero", b'{"click_events": 03}'),
    not_json("a leading zero in an ignored field", b'{"referrer": 03}'),
    not_json("a plus sign", b'{"click_events": +3}'),
    not_json("no digit before the point", b'{"click_events": .5}'),
    not_json("no digit after the point", b'{"click_events": 3.}'),
    not_json("no digit after the point in an ignored field", b'{"referrer": [3.]}'),
    not_json("no digits in the exponent", b'{"click_events": 3e}'),
    not_json("a minus alone", b'{"click_events": -}'),
    not_json("hexadecimal", b'{"click_events": 0x10}'),
    not_json("an underscore between digits", b'{"click_events": 1_000}'),
    not_json("digits of another script", '{"click_events": ٣}'.encode()),
    not_json("a byte that UTF-8 has not", b'{"device_type": "\xff"}'),
    not_json("such a byte in an ignored field", b'{"referrer": "\xff"}'),
    not_json("such a byte deep in an ignored field", b'{"referrer": {"a": ["\xff"]}}'),
    not_json("such a byte in a key", b'{"\xff": 1}'),
    not_json("Latin-1", '{"geolocation_city": "Zürich"}'.encode("latin-1")),
    not_json("a character cut short", b'{"geolocation_city": "\xe0\xa4"}'),
    not_json("an overlong slash", b'{"referrer": "\xc0\xaf"}'),
    not_json("a surrogate as UTF-8", b'{"referrer": "\xed\xa0\x80"}'),
    not_json("a surrogate pair as UTF-8", b'{"referrer": "\xed\xa0\xbd\xed\xb8\x80"}'),
    not_json("beyond the last code point", b'{"referrer": "\xf4\x90\x80\x80"}'),
    not_json("a lone high surrogate", rb'{"device_type": "\ud800"}'),
    not_json("a lone low surrogate", rb'{"device_type": "\udc00"}'),
    not_json("a surrogate pair turned round", rb'{"device_type": "\ude00\ud83d"}'),
    not_json("two high surrogates, the second one paired", rb'{"device_type": "\ud83d\ud83d\ude00"}'),
    not_json("a high surrogate, then an escape", rb'{"device_type": "\ud83d\n"}'),
    not_json("a lone surrogate in an ignored field", rb'{"referrer": "\ud800"}'),
    not_json("a lone surrogate deep in an ignored field", rb'{"referrer": [{"a": ["\uDfff"]}]}'),
    not_json("a lone surrogate in a key", rb'{"\ud800": 1}'),
    not_json("a lone surrogate in a key deep within", rb'{"referrer": {"\ud800": 1}}'),
    not_json("a lone surrogate in an identity", rb'{"user_id": "\ud800"}'),
    not_json("a lone surrogate in a value that a later key replaces", rb'{"referrer": "\ud800", "referrer": 1}'),
    not_json("a lone surrogate in an array", rb'["\ud800"]'),
    not_json("an escape that JSON has not", rb'{"device_type": "\x41"}'),
    not_json("such an escape in an ignored field", rb'{"referrer": "\x41"}'),
    not_json("a short escape", rb'{"device_type": "\u12"}'),
    not_json("a short escape in an ignored field", rb'{"referrer": "\u12G4"}'),
    not_json("a line break within a string", b'{"device_type": "a\nb"}'),
    not_json("a tab within a string of an ignored field", b'{"referrer": "a\tb"}'),
    not_json("a tab within a key", b'{"a\tb": 1}'),
    not_json("a NUL within a string", b'{"device_type": "a\0b"}'),
    not_json("a form feed between", b'{\f"click_events": 3}'),
    not_json("a no-break space between", b'{\xc2\xa0"click_events": 3}'),
    not_json("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"),
    not_json("a schema registry's magic byte", b'\x00\x00\x00\x00\x01{"click_events": 3}'),
    not_json("not JSON in an ignored field", b'{"referrer": {"a": }}'),
]
NOT_AN_OBJECT = [
    Bad(f"{text.strip()[:20]!r} alone", text.encode(), "not_an_object")
    for text in ("null", "true", "3", "-0", "1e400", '"Mobile"', '  "x" ', "[]", '[{"click_events": 3}]', '""', '"{}"')
]
DEEP = 100_000
TOO_DEEP = [
    Bad("arrays", b"[" * DEEP + b"]" * DEEP, "too_deep"),
    Bad("objects", b'{"a":' * DEEP + b"1" + b"}" * DEEP, "too_deep"),
    Bad("in an ignored field", b'{"referrer": ' + b"[" * DEEP + b"]" * DEEP + b"}", "too_deep"),
    Bad("in a model field", b'{"click_events": ' + b"[" * DEEP + b"]" * DEEP + b"}", "too_deep"),
    Bad("one level too many", b'{"referrer":' + b"[" * 500 + b"]" * 500 + b"}", "too_deep"),
    Bad("never closed", b'{"referrer": "]]", "a\\"]": ' + b"[" * 500, "too_deep"),
    Bad("after a wrong field", b'{"click_events": "x", "a": ' + b"[" * DEEP + b"]" * DEEP + b"}", "too_deep"),
]
WRONG_TYPE = [
    *(with_field("click_events", value, "wrong_type") for value in ('"3"', '""', "true", "false", "[3]", "[]", "{}")),
    with_field("mouse_movement", '"1e3"', "wrong_type"),
    with_field("device_motion", '"NaN"', "wrong_type"),
    with_field("time_on_page", "true", "wrong_type"),
    with_field("timezone_offset", '"-330"', "wrong_type"),
    with_field("transaction_amount", '"12,000"', "wrong_type"),
    with_field("transaction_amount", '{"value": 3}', "wrong_type"),
    *(with_field("device_type", value, "wrong_type") for value in ("0", "1.5", "true", "false", '["Mobile"]', "{}")),
    with_field("geolocation_city", "1e400", "wrong_type"),
    with_field("language", "9" * 5000, "wrong_type", "a category of 5000 digits"),
    with_field("user_id", "9" * 5000, "out_of_range", "an identity of 5000 digits"),
    *(with_field("transaction_date", value, "wrong_type") for value in ("0", "1745020800", "true", "[]", "{}", "1.5")),
    *(
        with_field("user_id", value, "wrong_type")
        for value in ("1.0", "1e5", "-0.0", "true", "false", "[]", "{}", "1e400")
    ),
    with_field("session_id", "0.5", "wrong_type"),
    with_field("session_id", '["s-1"]', "wrong_type"),
]
OUT_OF_RANGE = [
    *(with_field(field, "-1", "out_of_range") for field in ("click_events", "touch_events", "mouse_movement")),
    with_field("scroll_events", "-0.5", "out_of_range"),
    with_field("keyboard_events", "-1e-300", "out_of_range"),
    with_field("device_motion", "-0.01", "out_of_range"),
    with_field("time_on_page", "-1", "out_of_range"),
    with_field("click_events", "1000000000001", "out_of_range"),
    with_field("transaction_amount", "1.000001e12", "out_of_range"),
    with_field("transaction_amount", "-1000000000001", "out_of_range"),
    with_field("timezone_offset", "-1e13", "out_of_range"),
    with_field("transaction_amount", "1e308", "out_of_range"),
    with_field("transaction_amount", "1e400", "out_of_range"),
    with_field("timezone_offset", "-1e400", "out_of_range"),
    with_field("transaction_amount", "18446744073709551616", "out_of_range"),
    with_field("transaction_amount", "-9223372036854775809", "out_of_range"),
    with_field("device_motion", "9" * 400, "out_of_range", "400 digits"),
    with_field("click_events", "1" + "0" * 5000, "out_of_range", "5001 digits"),
    with_field("click_events", "1e999999999999999999999", "out_of_range"),
]
BAD_DATE = [
    Bad(f"date {text!r}", json.dumps({"transaction_date": text}).encode(), "bad_date", DATE)
    for text in (*NO_DATES, "2024-02-30", "1900-02-29", "2025-00-10", "2025-01-00", "-2025-01-01", "12025-01-01",
                 "2025-04-18T10:00:00+0", "2025-04-18T10:00:00+05:3", "2025-04-18T10:00:00ZZ", "2025-04-18T-1:00",
                 "2025-04-18T10:00:00\0", "2025-04-18T10:00:00+05:30Z", "2025-W16-5", "2025-108", "null", "NaT", "now")
]  # fmt: skip
TWO_FAULTS = [
    Bad("syntax before fields", b'{"click_events": "x", "a": }', "not_json"),
    Bad("a lone surrogate before fields", rb'{"click_events": "x", "a": "\ud800"}', "not_json"),
    Bad("bad UTF-8 after a wrong field", b'{"click_events": "x", "a": "\xff"}', "not_json"),
    Bad("trailing text after a wrong field", b'{"click_events": "x"} x', "not_json"),
    Bad("trailing text after an array", b"[] x", "not_json"),
    Bad("the table's order", b'{"transaction_date": "x", "scroll_events": "x"}', "wrong_type", "scroll_events"),
    Bad("mouse before device motion", b'{"device_motion": -1, "mouse_movement": "x"}', "wrong_type", "mouse_movement"),
    Bad("motion before time", b'{"time_on_page": "x", "device_motion": -1}', "out_of_range", "device_motion"),
    Bad("numbers before categories", b'{"device_type": 1, "time_on_page": 1e13}', "out_of_range", "time_on_page"),
    Bad("categories in the table's order", b'{"geolocation_city": 1, "screen_size": 1}', "wrong_type", "screen_size"),
    Bad("the date before identities", b'{"user_id": true, "transaction_date": ""}', "bad_date", DATE),
    Bad("user before session", b'{"session_id": true, "user_id": []}', "wrong_type", "user_id"),
    Bad("the first of two of the same key", b'{"click_events": "x", "click_events": 3}', "wrong_type", "click_events"),
    Bad("the last of two of the same key", b'{"click_events": 3, "click_events": -1}', "out_of_range", "click_events"),
    Bad("a bad one before a gap", b'{"click_events": true, "click_events": null}', "wrong_type", "click_events"),
    Bad("a key in two spellings", rb'{"click_events": "x", "\u0063lick_events": 3}', "wrong_type", "click_events"),
    Bad("an escaped key", rb'{"click\u005fevents": "x"}', "wrong_type", "click_events"),
    Bad("a repeated date", b'{"transaction_date": "x", "transaction_date": "2025-01-01"}', "bad_date", DATE),
    Bad("a repeated identity", b'{"user_id": 1.5, "user_id": "u"}', "wrong_type", "user_id"),
]  # fmt: skip
ALL = [*NOT_JSON, *NOT_AN_OBJECT, *TOO_DEEP, *WRONG_TYPE, *OUT_OF_RANGE, *BAD_DATE, *TWO_FAULTS]


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
def test_an_invalid_event_is_refused_with_its_code_and_field(all_high: Scorer, bad: Bad) -> None:
    with pytest.raises(InvalidEvent) as refused:
        all_high.score(bad.raw)

    assert (refused.value.code, refused.value.field) == (bad.code, bad.field)


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
def test_the_oracle_refuses_it_alike(bad: Bad) -> None:
    assert scoring.judge(ORACLE, bad.raw) == (bad.code, bad.field)


def test_invalid_events_leave_the_valid_ones_of_their_batch_unharmed(all_high: Scorer) -> None:
    good = b'{"click_events": 31}'
    values = [value for bad in ALL for value in (good, bad.raw)] + [good]

    said = all_high.score_many(values)

    assert said[::2] == [all_high.score(good)] * (len(ALL) + 1)
    assert [getattr(each, "code", "scored") for each in said[1::2]] == [bad.code for bad in ALL]


NESTED = b'{"click_events": 3, "referrer":' + b"[" * 499 + b"]" * 499
FULL = NESTED + b', "a": "' + rb"[\"{" * 99 + b'"}'


@pytest.mark.parametrize("frames", [0, 350])
@pytest.mark.parametrize(("value", "code"), [(FULL, None), (FULL.replace(b"[]", b"[[]]"), "too_deep")])
def test_the_limit_of_levels_does_not_depend_on_the_stack_of_the_caller(
    all_high: Scorer, frames: int, value: bytes, code: str | None
) -> None:
    def score(frames: int) -> Any:
        return score(frames - 1) if frames else all_high.score_many([value])[0]

    assert getattr(score(frames), "code", None) == code


@pytest.mark.parametrize("secret", ["s3cret-payload", "4929123456781234"])
@pytest.mark.parametrize("field", ["click_events", "transaction_date", "device_type", "user_id"])
def test_a_message_says_what_was_expected_but_never_holds_the_value(all_high: Scorer, field: str, secret: str) -> None:
    wrong: dict[str, Any] = {field: [secret] if field in ("device_type", "user_id") else secret}

    with pytest.raises(InvalidEvent) as refused:
        all_high.score(json.dumps(wrong).encode())

    assert field in refused.value.message
    assert secret not in refused.value.message + str(refused.value) + repr(refused.value)
    assert "\n" not in refused.value.message


ORACLE = small_set(0, trees=1, depth=1).for_oracle()
