"""JSON bytes, or dicts, to columns; each invalid event aside, by its position, with code, field and message.

msgspec parses and validates in one pass in C. It leaves one thing open, the UTF-8 of fields that it skips.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, DATE, IDENTITIES, MODEL_FIELDS, NUMERIC, Event
from scoring.diagnosis import explain, fault_of, wrong_type
from scoring.errors import InvalidEvent
from scoring.localtime import hour_as_written

NO_HOUR: Final = -1


@dataclass(frozen=True, slots=True)
class Columns:
    """n valid events, field by field, in the order of the contract's table; gaps not yet filled."""

    numbers: NDArray[np.float64]  # (9, n), NaN for a gap
    categories: Sequence[Sequence[str | None]]  # six of n, None for a gap
    hours: NDArray[np.int64]  # (n,), NO_HOUR for a gap
    user_ids: Sequence[str | int | None]  # n
    session_ids: Sequence[str | int | None]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The valid events as columns, where each stood in the input, and what was wrong with the others."""

    columns: Columns
    positions: list[int]
    invalid: dict[int, InvalidEvent]


T = TypeVar("T")
_decode: Final = msgspec.json.Decoder(Event).decode
_numbers: Final = attrgetter(*NUMERIC)
_categories: Final = attrgetter(*CATEGORIES)


def decode(values: Sequence[bytes]) -> Decoded:
    """Decode values of one JSON object each."""
    return _gather(values, _from_json)


def decode_any(events: Sequence[object]) -> Decoded:
    """Decode events that are JSON (bytes or str) or dicts of Python or numpy values, mixed as they come."""
    return _gather(events, _from_any)


def _gather(values: Iterable[T], read: Callable[[T], Event]) -> Decoded:
    events: list[Event] = []
    positions: list[int] = []
    invalid: dict[int, InvalidEvent] = {}
    for position, value in enumerate(values):
        try:
            events.append(read(value))
        except InvalidEvent as error:
            invalid[position] = error
        else:
            positions.append(position)
    return Decoded(_columns(events), positions, invalid)


def _columns(events: list[Event]) -> Columns:
    dates = [event.transaction_date for event in events]
    return Columns(
        numbers=np.array([_numbers(event) for event in events], dtype=np.float64).reshape(-1, len(NUMERIC)).T,
        categories=list(zip(*map(_categories, events), strict=True)) if events else [()] * len(CATEGORIES),
        hours=np.array([NO_HOUR if text is None else hour_as_written(text) for text in dates], dtype=np.int64),
        user_ids=[event.user_id for event in events],
        session_ids=[event.session_id for event in events],
    )


def _from_json(value: bytes) -> Event:
    try:
        if not value.isascii():
            value.decode()  # msgspec does not look at the UTF-8 of what it skips, and the event is embedded as it came
        return _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise explain(value) from None


def _from_any(event: object) -> Event:
    if isinstance(event, str):
        event = event.encode(errors="surrogatepass")  # a lone surrogate is then no UTF-8
    if isinstance(event, bytes | bytearray | memoryview):
        return _from_json(bytes(event))
    if not isinstance(event, Mapping):
        raise InvalidEvent("not_an_object", None, f"expected a dict or JSON, got {type(event).__name__}")
    return Event(**{field: _checked(field, event[field]) for field in (*MODEL_FIELDS, *IDENTITIES) if field in event})


def _checked(field: str, value: object) -> Any:
    """A value of a dict as the decoder would give it: numpy's scalars as Python's, a moment by its own wall clock."""
    if isinstance(value, np.datetime64):
        value = str(value) if field == DATE else value
    elif isinstance(value, np.generic):
        value = value.item()
    if field == DATE and isinstance(value, date):
        value = (value.replace(tzinfo=None) if isinstance(value, datetime) else value).isoformat()
    if (fault := fault_of(field, value)) is not None:
        raise fault
    if field in IDENTITIES and isinstance(value, str) and not _has_utf8(value):
        raise wrong_type(field, value)
    return float(value) if field in NUMERIC and value is not None else value  # type: ignore[arg-type]  # a number, as checked


def _has_utf8(text: str) -> bool:
    """Whether it can travel: a lone surrogate has no UTF-8."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
