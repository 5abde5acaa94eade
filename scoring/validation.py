"""Validate the values of events, and find what is wrong with JSON that the decoder refuses.

Refused JSON is read again, slowly, field by field in the contract's order.
"""

import json
import re
from datetime import date, datetime
from decimal import Decimal
from numbers import Real
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np

from scoring.contract import (
    CATEGORIES,
    DATE,
    IDENTITIES,
    LIMIT,
    MODEL_FIELDS,
    MOST_DIGITS,
    MOST_LEVELS,
    NUMERIC,
    expected,
    least,
)
from scoring.errors import ErrorCode, InvalidEvent
from scoring.local_time import is_local_time

_skim: Final = msgspec.json.Decoder(msgspec.Raw).decode
_LONGEST_DATE: Final = len("YYYY-MM-DDTHH:MM:SS.123456789")
_TOO_LONG: Final = 10**MOST_DIGITS
_POSITION: Final = re.compile(r"\(byte ([0-9]+)\)")  # the position is all that msgspec's message says of the value
_CASE: Final = np.uint8(ord("[") ^ ord("{"))  # the bit in which [ and {, ] and } differ
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'[]{}"'))
_KINDS: Final = ((bool, "true or false"), (str, "a string"), (int | float, "a number"), (list, "an array"))
_PANDAS_MISSING: Final = {"NaTType": "NaT", "NAType": "NA"}


class _Object(list[tuple[str, Any]]):
    """The members of a JSON object, repeated keys and all."""


def _integer(text: str) -> int:
    return int(text) if len(text.lstrip("-")) <= MOST_DIGITS else _TOO_LONG


_read: Final = json.JSONDecoder(object_pairs_hook=_Object, parse_int=_integer).decode


def find_fault(refused: bytes) -> InvalidEvent:
    """Return the fault of refused JSON: its depth or syntax first, then the fields in the contract's order."""
    try:
        event = _read_members(refused)
    except InvalidEvent as of_syntax:
        return of_syntax
    for field in (*MODEL_FIELDS, *IDENTITIES):
        for fault in (find_value_fault(field, value) for name, value in event if name == field):
            if fault is not None:
                return fault
    return InvalidEvent("not_json", None, "not JSON")  # reached only if the decoder refuses what the contract allows


def _read_members(text: bytes) -> _Object:
    """Read a JSON object. Raises InvalidEvent."""
    too_deep = InvalidEvent("too_deep", None, f"nested too deep to parse safely, more than {MOST_LEVELS} levels")
    try:
        letters = text.decode()
    except UnicodeDecodeError as error:
        raise InvalidEvent("not_json", None, f"not UTF-8 at byte {error.start}") from None
    if is_too_deep(text):
        raise too_deep
    try:
        _skim(text)
        value = _read(letters)
    except RecursionError:  # the caller's stack is deep
        raise too_deep from None
    except (msgspec.DecodeError, ValueError) as error:
        at = _POSITION.search(str(error))
        fault = f"not JSON, broken at byte {at[1]}" if at else "not JSON, it is not whole"
        raise InvalidEvent("not_json", None, fault) from None
    if not isinstance(value, _Object):
        raise InvalidEvent("not_an_object", None, f"expected an object, got {describe_kind(value)}")
    return value


def is_too_deep(text: bytes) -> bool:
    """Return whether arrays and objects, closed or not, are nested in more than `MOST_LEVELS` levels."""
    letters = np.frombuffer(text, np.uint8)
    if np.count_nonzero(letters | _CASE == ord("{")) <= MOST_LEVELS:
        return False
    unescaped = text.replace(rb"\\", b"").replace(rb"\"", b"")
    signs = np.frombuffer(unescaped.translate(None, _NOT_STRUCTURE), np.uint8)
    in_string = (signs == ord('"')).cumsum() % 2 == 1
    brackets = signs[(signs != ord('"')) & ~in_string] | _CASE
    steps = np.where(brackets == ord("{"), 1, -1)
    return bool(steps.cumsum().max(initial=0) > MOST_LEVELS)


def validated(field: str, value: object) -> Any:
    """Check one value of a mapping; return it as msgspec would read it from JSON. Raises InvalidEvent."""
    plain = plain_value(field, value)
    if (fault := find_value_fault(field, plain)) is not None:
        raise _with_hint(fault, field, plain)
    if field in IDENTITIES and isinstance(plain, str) and not has_utf8(plain):
        raise _fault("wrong_type", field, "a string with a lone surrogate, which UTF-8 cannot hold")
    if field in IDENTITIES:  # of a subclass its plain value, which msgspec can encode
        return str.__str__(plain) if isinstance(plain, str) else plain if plain is None else int.__int__(plain)  # type: ignore[arg-type]  # an int, as checked
    return float(plain) if field in NUMERIC and plain is not None else plain  # type: ignore[arg-type]  # a number, as checked


def plain_value(field: str, value: object) -> object:
    """Convert numpy's scalars to Python's, and moments to text by their own wall clock; return all else unchanged.

    Raises InvalidEvent for a numpy duration, which is an integer for Python.
    """
    if isinstance(value, np.timedelta64):
        raise _with_hint(wrong_type(field, value), field, value)
    if missing_kind(value) is not None:
        return value
    if isinstance(value, np.datetime64):
        return _local_time(value) if field == DATE else value
    if field == DATE and isinstance(value, date):
        return (value.replace(tzinfo=None) if isinstance(value, datetime) else value).isoformat()
    return value.item() if isinstance(value, np.generic) else value


def _local_time(moment: np.datetime64) -> str:
    """Return a moment as the contract writes dates: an hour with its minutes, a fraction of at most nine digits."""
    unit, _ = np.datetime_data(moment.dtype)
    return f"{moment}:00" if unit == "h" else str(moment)[:_LONGEST_DATE]


def _with_hint(fault: InvalidEvent, field: str, value: object) -> InvalidEvent:
    """Add what to do about a value that Python programs often pass by mistake."""
    if missing_kind(value) is not None:
        hint = "a missing value is None, or no such key"
    elif field in IDENTITIES and isinstance(value, UUID):
        hint = "pass str(value)"
    elif field in IDENTITIES and isinstance(value, float | Decimal):
        hint = "pass int(value) or str(value)"
    else:
        return fault
    return InvalidEvent(fault.code, fault.field, f"{fault.message}; {hint}")


def has_utf8(text: str) -> bool:
    """Return True when `text` can be encoded: a lone surrogate has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_value_fault(field: str, value: object) -> InvalidEvent | None:
    """Check one value of `field`, a plain Python object: return its fault, or None for a valid one or a gap."""
    if value is None:
        return None
    if field in CATEGORIES:
        return None if isinstance(value, str) else wrong_type(field, value)
    if field == DATE:
        return _fault_of_date(value)
    if field in IDENTITIES:
        return _fault_of_identity(field, value)
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return wrong_type(field, value)
    return None if least(field) <= _as_float(value) <= LIMIT else out_of_range(field, missing_kind(value))


def _fault_of_date(value: object) -> InvalidEvent | None:
    if not isinstance(value, str):
        return wrong_type(DATE, value)
    return None if is_local_time(value) else _fault("bad_date", DATE, "another text")


def _fault_of_identity(field: str, value: object) -> InvalidEvent | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return None if abs(value) < _TOO_LONG else out_of_range(field)
    return None if isinstance(value, str) else wrong_type(field, value)


def _as_float(value: Real | Decimal) -> float:
    """Convert to float; NaN for what has no finite double: it lies within no bounds."""
    try:
        return float(value)
    except (OverflowError, ValueError):  # an int too large, a signalling NaN
        return float("nan")


def wrong_type(field: str, value: object) -> InvalidEvent:
    """Return the fault of a value of a kind that `field` does not take."""
    return _fault("wrong_type", field, describe_kind(value))


def out_of_range(field: str, missing: str | None = None) -> InvalidEvent:
    """Return the fault of a number outside the bounds of `field`; `missing` is the kind of NaN, if it is one."""
    return _fault("out_of_range", field, missing or "a number beyond that")


def _fault(code: ErrorCode, field: str, kind: str) -> InvalidEvent:
    return InvalidEvent(code, field, f"{field}: expected {expected(field)}, got {kind}")


def missing_kind(value: object) -> str | None:
    """Return the name of a missing value, NaN, NaT or NA; None for any other. Does not need pandas."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return "NaT" if np.isnat(value) else None
    if isinstance(value, Decimal):
        return "NaN" if value.is_nan() else None
    if isinstance(value, float | np.floating):
        return "NaN" if value != value else None  # noqa: PLR0124 - NaN alone differs from itself
    return _PANDAS_MISSING.get(type(value).__name__)


def describe_kind(value: object) -> str:
    """Return the kind of a value, in JSON's words where it has them; never the value itself."""
    if value is None:
        return "null"
    if (missing := missing_kind(value)) is not None:
        return missing
    kinds = (words for kind, words in _KINDS if isinstance(value, kind))
    return next(kinds, "an object" if isinstance(value, _Object | dict) else type(value).__name__)
