"""The reading half of the oracle: is this event valid, and what does it say? See tests/support/oracle/scoring.py."""

import datetime as dt
import json
import math
import re
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, NamedTuple

COUNTS = ("click_events", "scroll_events", "touch_events", "keyboard_events", "mouse_movement")
NUMBERS = (*COUNTS, "device_motion", "time_on_page", "timezone_offset", "transaction_amount")
CATEGORIES = ("device_type", "screen_size", "browser_info", "language", "device_orientation", "geolocation_city")
DATE = "transaction_date"
MODEL_FIELDS = (*NUMBERS, *CATEGORIES, DATE)
IDENTITIES = ("user_id", "session_id")
NEVER_NEGATIVE = (*COUNTS, "device_motion", "time_on_page")
LARGEST = 1e12
MOST_DIGITS = 4300  # of an identity: docs/decisions/0003
MOST_LEVELS = 500

DATE_FORM = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)?)?"
    r"(?:Z|[+-]([0-9]{2}):?([0-9]{2}))?"
)


class Invalid(NamedTuple):
    code: str
    field: str | None


class _Number(NamedTuple):
    """A JSON number as it was written: its digits must survive in an identity."""

    text: str
    whole: bool


class _Pairs(NamedTuple):
    """A JSON object with its repeated keys still in it."""

    items: list[tuple[str, Any]]


class InvalidEventError(Exception):
    def __init__(self, code: str, field: str | None = None) -> None:
        self.verdict = Invalid(code, field)


def read(event: bytes | dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The model's fields that are no gaps (numbers as floats, the date as its hour), and the identities as written."""
    return _validated(_parse(event) if isinstance(event, bytes) else list(event.items()))


def _parse(raw: bytes) -> list[tuple[str, Any]]:
    try:
        text = raw.decode("utf-8", errors="strict")
        if _levels(text) > MOST_LEVELS:
            raise InvalidEventError("too_deep")
        value = json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_int=lambda text: _Number(text, whole=True),
            parse_float=lambda text: _Number(text, whole=False),
            parse_constant=_refuse_constant,
        )
    except ValueError:  # JSONDecodeError and UnicodeDecodeError are among them
        raise InvalidEventError("not_json") from None
    if any("\ud800" <= character <= "\udfff" for text in _strings(value) for character in text):
        raise InvalidEventError("not_json")
    if not isinstance(value, _Pairs):
        raise InvalidEventError("not_an_object")
    return value.items


def _levels(text: str) -> int:
    """The most brackets that are open at once, outside strings."""
    level = most = 0
    in_string = False
    for part in re.findall(r'\\[\\"]|[\[\]{}"]', text):
        if part == '"':
            in_string = not in_string
        elif len(part) == 1 and not in_string:
            level += 1 if part in "[{" else -1
            most = max(most, level)
    return most


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _strings(value: Any) -> Iterator[str]:
    """Every string and key at any depth; a stack of our own, since the value may be deeper than Python recurses."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, _Pairs):
            waiting.extend(key for key, _ in value.items)
            waiting.extend(member for _, member in value.items)


def _validated(pairs: list[tuple[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    for field in (*MODEL_FIELDS, *IDENTITIES):
        for key, value in pairs:
            if key == field:  # of the same key twice each must be valid, and the last one counts
                values[field] = None if value is None else _checked(field, value)
    kept = {field: value for field, value in values.items() if value is not None}
    return {f: v for f, v in kept.items() if f in MODEL_FIELDS}, {f: v for f, v in kept.items() if f in IDENTITIES}


def _checked(field: str, value: Any) -> float | str:
    if field in NUMBERS:
        return _checked_number(field, value)
    if field in IDENTITIES:
        return _checked_identity(field, value)
    if field == DATE:
        return checked_hour(value)
    if not isinstance(value, str):
        raise InvalidEventError("wrong_type", field)
    return value


def _checked_number(field: str, value: Any) -> float:
    if isinstance(value, _Number):
        number = float(value.text)  # one that overflows a double reads as infinite, which is out of range too
    elif _is_number(value, Real):
        number = _as_float(value)
    else:
        raise InvalidEventError("wrong_type", field)
    if not abs(number) <= LARGEST or (field in NEVER_NEGATIVE and number < 0):
        raise InvalidEventError("out_of_range", field)
    return number


def _is_number(value: Any, kind: type) -> bool:
    """numpy's scalars are registered as numbers, its booleans are not; Python's own boolean is an Integral."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _checked_identity(field: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, _Number) and value.whole:
        if len(value.text.lstrip("-")) > MOST_DIGITS:
            raise InvalidEventError("out_of_range", field)
        return value.text
    if _is_number(value, Integral):
        return str(int(value))
    raise InvalidEventError("wrong_type", field)


def checked_hour(value: Any) -> float:
    if isinstance(value, dt.datetime) and not math.isnan(value.hour):  # NaT is a datetime whose hour is nan
        return float(value.hour)
    if not isinstance(value, str):
        raise InvalidEventError("wrong_type", DATE)
    hour = hour_of(value)
    if hour is None:
        raise InvalidEventError("bad_date", DATE)
    return float(hour)


def hour_of(text: str) -> int | None:
    """The hour as written, or None when this is no date."""
    form = DATE_FORM.fullmatch(text)
    if form is None:
        return None
    year, month, day, hour, minute, second, offset_hour, offset_minute = (int(part or 0) for part in form.groups())
    try:
        dt.date(year, month, day)
    except ValueError:
        return None
    real = hour <= 23 and minute <= 59 and second <= 59 and offset_hour <= 23 and offset_minute <= 59
    return hour if real else None
