"""What is wrong with an event that the decoder refused: read again, slowly, field by field in the table's order."""

import json
import re
from decimal import Decimal
from numbers import Real
from typing import Any, Final

import msgspec
import numpy as np

from scoring.contract import CATEGORIES, DATE, IDENTITIES, LIMIT, MODEL_FIELDS, MOST_DIGITS, expected, least
from scoring.errors import ErrorCode, InvalidEvent
from scoring.local_time import is_local_time

_skim: Final = msgspec.json.Decoder(msgspec.Raw).decode
_TOO_LONG: Final = 10**MOST_DIGITS
_POSITION: Final = re.compile(r"\(byte ([0-9]+)\)")  # all that msgspec's message tells of the value
_KINDS: Final = ((bool, "true or false"), (str, "a string"), (int | float, "a number"), (list, "an array"))
_PANDAS_MISSING: Final = {"NaTType": "NaT", "NAType": "NA"}


class _Object(list[tuple[str, Any]]):
    """The members of a JSON object, repeated keys and all."""


def _integer(text: str) -> int:
    return int(text) if len(text.lstrip("-")) <= MOST_DIGITS else _TOO_LONG


_read: Final = json.JSONDecoder(object_pairs_hook=_Object, parse_int=_integer).decode


def explain(value: bytes) -> InvalidEvent:
    """Why this JSON is no valid event. Broken syntax anywhere comes first, then the fields in the table's order."""
    try:
        text = value.decode()
        _skim(value)
        found = _read(text)
    except UnicodeDecodeError as error:
        return InvalidEvent("not_json", None, f"not UTF-8 at byte {error.start}")
    except RecursionError:
        return InvalidEvent("too_deep", None, "nested too deep to parse safely")
    except (msgspec.DecodeError, ValueError) as error:
        at = _POSITION.search(str(error))
        return InvalidEvent(
            "not_json", None, f"not JSON, broken at byte {at[1]}" if at else "not JSON, it is not whole"
        )
    if not isinstance(found, _Object):
        return InvalidEvent("not_an_object", None, f"expected an object, got {kind_of(found)}")
    for field in (*MODEL_FIELDS, *IDENTITIES):
        for fault in (fault_of(field, each) for name, each in found if name == field):
            if fault is not None:
                return fault
    return InvalidEvent("not_json", None, "not JSON")  # never seen: the decoder refused what the table takes


def fault_of(field: str, value: object) -> InvalidEvent | None:
    """What is wrong with one value of `field`, a Python object; None for a valid one or a gap."""
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
    return None if is_local_time(value) else bad_date()


def _fault_of_identity(field: str, value: object) -> InvalidEvent | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return None if abs(value) < _TOO_LONG else out_of_range(field)
    return None if isinstance(value, str) else wrong_type(field, value)


def _as_float(value: Real | Decimal) -> float:
    """NaN for what has no finite double: it lies within no bounds."""
    try:
        return float(value)
    except (OverflowError, ValueError):  # an int too large, a signalling NaN
        return float("nan")


def wrong_type(field: str, value: object) -> InvalidEvent:
    """`value` is of a kind that `field` does not take."""
    return _fault("wrong_type", field, kind_of(value))


def out_of_range(field: str, missing: str | None = None) -> InvalidEvent:
    """Return that a number is not within the bounds of `field`; `missing` says that it is NaN."""
    return _fault("out_of_range", field, missing or "a number beyond that")


def bad_date() -> InvalidEvent:
    """A text is no date."""
    return _fault("bad_date", DATE, "another text")


def _fault(code: ErrorCode, field: str, came: str) -> InvalidEvent:
    return InvalidEvent(code, field, f"{field}: expected {expected(field)}, got {came}")


def missing_kind(value: object) -> str | None:
    """Return NaN, NaT or NA when it is one of these, which are no value; else None. pandas need not be there."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return "NaT" if np.isnat(value) else None
    if isinstance(value, Decimal):
        return "NaN" if value.is_nan() else None
    if isinstance(value, float | np.floating):
        return "NaN" if value != value else None  # noqa: PLR0124 - NaN alone differs from itself
    return _PANDAS_MISSING.get(type(value).__name__)


def kind_of(value: object) -> str:
    """What kind of value this is, in the words of JSON where it has them; never the value itself."""
    if value is None:
        return "null"
    if (missing := missing_kind(value)) is not None:
        return missing
    kinds = (words for kind, words in _KINDS if isinstance(value, kind))
    return next(kinds, "an object" if isinstance(value, _Object | dict) else type(value).__name__)
