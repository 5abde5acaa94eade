"""JSON bytes, or dicts, to columns; each invalid event aside, by its position, with code, field and message.

msgspec parses and validates in one pass in C. What it leaves open is checked here: the UTF-8 of fields that it skips,
the date, and that an identity is a string or an integer.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, DATE, IDENTITIES, MODEL_FIELDS, NO_ID, NUMERIC, Event, expected
from scoring.errors import InvalidEvent
from scoring.localtime import hour_as_written

NO_HOUR: Final = -1


@dataclass(frozen=True, slots=True)
class Columns:
    """n valid events, field by field, in the order of the contract's table; gaps not yet filled."""

    numbers: NDArray[np.float64]  # (9, n), NaN for a gap
    categories: Sequence[Sequence[str | None]]  # six of n, None for a gap
    hours: NDArray[np.int64]  # (n,), NO_HOUR for a gap
    user_ids: list[bytes]  # JSON text as it came, b"" where there is none
    session_ids: list[bytes]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The valid events as columns, where each stood in the input, and what was wrong with the others."""

    columns: Columns
    positions: list[int]
    invalid: dict[int, InvalidEvent]


T = TypeVar("T")
_decode: Final = msgspec.json.Decoder(Event).decode
_skim: Final = msgspec.json.Decoder(msgspec.Raw).decode
_numbers: Final = attrgetter(*NUMERIC)
_categories: Final = attrgetter(*CATEGORIES)
_INTEGER: Final = re.compile(rb"-?[0-9]+")
_FIELD: Final = re.compile(r" - at `\$\.(\w+)`$")
_CAME: Final = re.compile(r"got `(\w+)`")


def decode(values: Sequence[bytes]) -> Decoded:
    """Decode values of one JSON object each."""
    return _gather(values, _from_json)


def decode_any(events: Sequence[object]) -> Decoded:
    """Decode events that are JSON (bytes or str) or dicts of Python or numpy values, mixed as they come."""
    return _gather(events, _from_any)


def _gather(values: Iterable[T], read: Callable[[T], Event]) -> Decoded:
    events: list[Event] = []
    hours: list[int] = []
    positions: list[int] = []
    invalid: dict[int, InvalidEvent] = {}
    for position, value in enumerate(values):
        try:
            event = read(value)
            hour = NO_HOUR if event.transaction_date is None else _hour(event.transaction_date)
        except InvalidEvent as error:
            invalid[position] = error
        else:
            events.append(event)
            hours.append(hour)
            positions.append(position)
    return Decoded(_columns(events, hours), positions, invalid)


def _columns(events: list[Event], hours: list[int]) -> Columns:
    numbers = np.array([_numbers(event) for event in events], dtype=np.float64).reshape(-1, len(NUMERIC)).T
    categories = list(zip(*map(_categories, events), strict=True)) if events else [()] * len(CATEGORIES)
    user_ids = [_identity(event.user_id) for event in events]
    session_ids = [_identity(event.session_id) for event in events]
    return Columns(numbers, categories, np.array(hours, dtype=np.int64), user_ids, session_ids)


def _hour(text: str) -> int:
    try:
        return hour_as_written(text)
    except ValueError:
        raise InvalidEvent("bad_date", DATE, f"expected {expected(DATE)}") from None


def _identity(raw: msgspec.Raw) -> bytes:
    text = bytes(raw)
    return b"" if text == b"null" else text


def _from_json(value: bytes) -> Event:
    try:
        if not value.isascii():
            value.decode()  # msgspec does not look at the UTF-8 of what it skips, and the event is embedded as it came
        event = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(value, error) from None
    for field, raw in ((IDENTITIES[0], event.user_id), (IDENTITIES[1], event.session_id)):
        if raw and not (text := bytes(raw)).startswith(b'"') and text != b"null" and not _INTEGER.fullmatch(text):
            raise _wrong_type(field)
    return event


def _explain(value: bytes, error: Exception) -> InvalidEvent:
    """Name what is wrong: broken syntax anywhere comes before a wrong field."""
    if isinstance(error, UnicodeDecodeError):
        return InvalidEvent("not_json", None, f"not UTF-8 at byte {error.start}")
    try:
        _skim(value)
    except msgspec.DecodeError:
        return InvalidEvent("not_json", None, "not JSON")
    except RecursionError as deep:
        error = deep
    if isinstance(error, RecursionError):
        return InvalidEvent("too_deep", None, "nested too deep to parse safely")
    return _refused(error)


def _refused(error: Exception) -> InvalidEvent:
    """What msgspec's message says, in the contract's codes."""
    at = _FIELD.search(str(error))
    came = _CAME.search(str(error))
    if at is None:
        return InvalidEvent("not_an_object", None, f"expected an object, got {came[1] if came else 'something else'}")
    if came is not None:
        return _wrong_type(at[1], came[1])
    return InvalidEvent("out_of_range", at[1], f"expected {expected(at[1])}")


def _wrong_type(field: str, came: str | None = None) -> InvalidEvent:
    return InvalidEvent("wrong_type", field, f"expected {expected(field)}" + (f", got {came}" if came else ""))


def _from_any(event: object) -> Event:
    if isinstance(event, str):
        event = event.encode(errors="surrogatepass")  # a lone surrogate is then no UTF-8
    if isinstance(event, bytes | bytearray | memoryview):
        return _from_json(bytes(event))
    if not isinstance(event, Mapping):
        raise InvalidEvent("not_an_object", None, f"expected a dict or JSON bytes, got {type(event).__name__}")
    try:
        decoded = msgspec.convert({name: _plain(event[name]) for name in MODEL_FIELDS if name in event}, Event)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise _refused(error) from None
    for field in IDENTITIES:
        setattr(decoded, field, _identity_of(field, _plain(event.get(field))))
    return decoded


def _plain(value: object) -> object:
    """A numpy scalar as Python's; a date or a time as text with its own wall clock."""
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None)
    return value.isoformat() if isinstance(value, date) else value


def _identity_of(field: str, value: object) -> msgspec.Raw:
    if value is None:
        return NO_ID
    if isinstance(value, int) and not isinstance(value, bool):
        return msgspec.Raw(str(value))
    if isinstance(value, str):
        try:
            return msgspec.Raw(msgspec.json.encode(value))
        except UnicodeEncodeError:
            pass  # a lone surrogate has no UTF-8 to travel in
    raise _wrong_type(field, type(value).__name__)
