"""Events that look wrong and are right, by name: each must read like its plain twin."""

import json
from typing import Any, NamedTuple

import pytest

from scoring import Scorer
from tests.scoring.conftest import QUIET, quiet
from tests.support.artifacts.sets import small_set
from tests.support.oracle import scoring
from tests.support.oracle.reading import DATE, MODEL_FIELDS, hour_of


class Odd(NamedTuple):
    """An odd spelling of one field, after which the event must read like `same_as` with nothing odd."""

    name: str
    members: str
    same_as: dict[str, Any]


MOBILE = {"device_type": "Mobile", "touch_events": 20}
NO_MOBILE = {"device_type": "Tablet", "touch_events": 20}
NUMBERS = [
    Odd("a count as a fraction of nothing", '"click_events": 30.0', {"click_events": 30}),
    Odd("a count in scientific spelling", '"click_events": 3e1', {"click_events": 30}),
    Odd("a count with a negative exponent", '"click_events": 3000E-2', {"click_events": 30}),
    Odd("a fraction of a count", '"click_events": 29.5', {"click_events": 29.5}),
    Odd("minus zero", '"click_events": -0', {"click_events": 0}),
    Odd("minus nought point nought", '"click_events": -0.0', {"click_events": 0}),
    Odd("a number of many digits", f'"click_events": 30.{"0" * 400}', {"click_events": 30}),
    Odd("a long integer that is a small number", f'"click_events": 3{"0" * 30}e-29', {"click_events": 30}),
    Odd("a number too small for a double", '"click_events": 1e-400', {"click_events": 0}),
    Odd("the largest number", '"transaction_amount": 1000000000000', {"transaction_amount": 1e12}),
    Odd("the largest number, negative", '"transaction_amount": -1e12', {"transaction_amount": -1e12}),
    Odd("a refund", '"transaction_amount": -20.5', {"transaction_amount": -20.5}),
    Odd("a negative offset", '"timezone_offset": -480.25', {"timezone_offset": -480.25}),
]
KEYS = [
    Odd("an escaped key", r'"click\u005fevents": 30', {"click_events": 30}),
    Odd("a key escaped throughout", '"' + "".join(f"\\u{ord(c):04X}" for c in DATE) + '": null', {DATE: None}),
    Odd("the same key twice", '"click_events": 3, "click_events": 30', {"click_events": 30}),
    Odd("the same key twice, the last a gap", '"click_events": 30, "click_events": null', {"click_events": None}),
    Odd("the same key twice, the first a gap", '"click_events": null, "click_events": 30', {"click_events": 30}),
    Odd("a null date after a date", f'"{DATE}": "2025-04-18", "{DATE}": null', {DATE: None}),
    Odd("a key of another case", '"Click_Events": "many"', {}),
    Odd("a key with a blank", '"click_events ": "many"', {}),
    Odd("an empty key", '"": {"": ""}', {}),
    Odd("an escaped value", r'"device_type": "\u004dobile", "touch_events": 20', MOBILE),
    Odd("blanks of all four kinds", ' \t\r\n"click_events" \t\r\n : \t\r\n 30 \t\r\n ', {"click_events": 30}),
]  # fmt: skip
IGNORED = [
    Odd("a number too large for a double in an ignored field", '"referrer": 1e400', {}),
    Odd("an integer of 5000 digits in an ignored field", f'"referrer": {"9" * 5000}', {}),
    Odd("a negative one", f'"referrer": -{"9" * 400}', {}),
    Odd("an ignored field twice", '"referrer": 1, "referrer": "one"', {}),
    Odd("a model field within an ignored one", '"referrer": {"click_events": "many"}', {}),
    Odd("a label of the wrong type", '"label": "fraud"', {}),
    Odd("a surrogate pair", r'"referrer": "\ud83d\ude00"', {}),
    Odd("a pair written as UTF-8", '"referrer": "😀"', {}),
    Odd("the last code point", '"referrer": "\U0010ffff"', {}),
    Odd("a NUL by its escape", r'"referrer": "\u0000"', {}),
    Odd("a delete character", '"referrer": "\x7f"', {}),
    Odd("line separators of Unicode", '"referrer": "\u2028\u2029"', {}),
    Odd("an escaped slash", r'"referrer": "\/\b\f\n\r\t\"\\"', {}),
    Odd("what looks like a surrogate's escape", r'"referrer": "\\ud800"', {}),
    Odd("a hundred levels", '"referrer": ' + "[" * 99 + "]" * 99, {}),
    Odd("a hundred levels of objects", '"referrer": ' + '{"a": ' * 99 + "null" + "}" * 99, {}),
    Odd("a noncharacter", '"referrer": "\uffff\ufdd0"', {}),
]
CATEGORIES = [
    Odd("an empty category", '"device_type": "", "touch_events": 20', NO_MOBILE),
    Odd("a category of another case", '"device_type": "mobile", "touch_events": 20', NO_MOBILE),
    Odd("a category with a blank", '"device_type": "Mobile ", "touch_events": 20', NO_MOBILE),
    Odd("a category with a NUL", r'"device_type": "Mobile\u0000", "touch_events": 20', NO_MOBILE),
    Odd("a category of a megabyte", f'"browser_info": "{"x" * 1_000_000}"', {"browser_info": "X"}),
    Odd("the word null", '"browser_info": "null"', {"browser_info": "X"}),
    Odd("the class for all else by its name", '"browser_info": "unknown"', {"browser_info": "X"}),
]  # fmt: skip
IDENTITIES = [
    Odd("an identity of 4300 digits", f'"user_id": {"9" * 4300}', {}),
    Odd("a negative identity", '"user_id": -7', {}),
    Odd("an identity of nothing", '"user_id": "", "session_id": null', {}),
]
ODD = [*NUMBERS, *KEYS, *IGNORED, *CATEGORIES, *IDENTITIES]

HOURS = {
    "2025-04-18": 0,
    "2025-04-18Z": 0,
    "2025-04-18+05:30": 0,
    "2025-04-18-0800": 0,
    "2025-04-18T03:59": 3,
    "2025-04-18 03:59": 3,
    "2025-04-18 23:59:59": 23,
    "2025-04-18T01:00:00.1": 1,
    "2025-04-18T01:59:59.999999999": 1,
    "2025-04-18T02:30Z": 2,
    "2025-04-18T02:30+0530": 2,  # the hour as written: an offset does not shift it
    "2025-04-18T00:30:00-02:00": 0,
    "2025-04-18T03:30:00.5-23:59": 3,
    "2025-04-18 04:00:00+00:00": 4,
    "2025-04-18 01:00:00-00:00": 1,
    "2024-02-29": 0,
    "2000-02-29T02:00": 2,
    "0001-01-01T01:01:01": 1,
    "9999-12-31T03:59:59.999999999Z": 3,
}


def written(odd: Odd) -> bytes:
    """The quiet event with the odd members in place of its own of the same name."""
    members = [json.dumps(key) + ":" + json.dumps(value) for key, value in QUIET.items() if key not in odd.same_as]
    return ("{" + ",".join([*members, odd.members]) + "}").encode()


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_an_odd_event_is_scored_like_its_plain_twin(pairs_scorer: Scorer, odd: Odd) -> None:
    assert pairs_scorer.score(written(odd)) == pairs_scorer.score(quiet(**odd.same_as))


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_the_oracle_scores_it_alike(odd: Odd) -> None:
    said, twin = scoring.judge(ORACLE, written(odd)), scoring.judge(ORACLE, quiet(**odd.same_as))

    assert isinstance(said, scoring.Verdict)
    assert isinstance(twin, scoring.Verdict)
    assert (said.anomaly_score, said.reason_codes, said.imputed_fields) == (
        twin.anomaly_score,
        twin.reason_codes,
        twin.imputed_fields,
    )


@pytest.mark.parametrize(("text", "hour"), HOURS.items())
def test_of_a_date_only_the_hour_as_written_counts(all_high: Scorer, text: str, hour: int) -> None:
    reasons = all_high.score(quiet(transaction_amount=10000.01, transaction_date=text)).reason_codes

    assert hour_of(text) == hour
    assert ("large_amount_odd_hour" in reasons) == (hour in (1, 2, 3))


def test_an_event_of_gaps_alone_is_scored_and_names_them_all(all_high: Scorer) -> None:
    for raw in (b"{}", b' { "user_id" : null } ', json.dumps(dict.fromkeys(MODEL_FIELDS)).encode()):
        assert all_high.score(raw).imputed_fields == list(MODEL_FIELDS)


def test_gaps_are_named_in_the_order_of_the_table_not_of_the_event(all_high: Scorer) -> None:
    event = {DATE: None, "geolocation_city": None, "mouse_movement": None, "click_events": None}

    assert all_high.score(quiet(**event)).imputed_fields == [
        "click_events", "mouse_movement", "geolocation_city", "transaction_date",
    ]  # fmt: skip


ORACLE = small_set(0, trees=5).for_oracle()
