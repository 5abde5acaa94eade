"""JSON bytes, or dicts, to columns; each invalid event aside, by its position, with code, field and message."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns, concatenate, from_events
from scoring.contract import DATE, IDENTITIES, MODEL_FIELDS, NUMERIC, Event, expected
from scoring.errors import InvalidEvent
from scoring.kernels.json_text import REASONS
from scoring.parsing import compiled_reader, parse, parse_each, read_batch
from scoring.validation import fault_of, missing_kind, wrong_type

EventLike = Mapping[str, Any] | bytes | bytearray | memoryview | str
"""One event: a mapping of Python or numpy values, or a JSON object as bytes or text."""

INVALID: Final = "invalid"
FALLBACKS: Final = (*REASONS[1:], INVALID)
"""Why events are left to the contract's decoder: the keys of `Decoded.left`."""
_LONGEST_DATE: Final = len("YYYY-MM-DDTHH:MM:SS.123456789")


def _no_ends() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The valid events as columns, where each stood in the input, and what was wrong with the others."""

    columns: Columns
    positions: Sequence[int]
    invalid: dict[int, InvalidEvent]
    ends: NDArray[np.int64] = field(default_factory=_no_ends)
    """(m,): where each value, valid or not, ends in the text of the columns, which begins with all m values; none of
    events that are not JSON as bytes."""
    left: Mapping[str, int] = field(default_factory=dict)
    """How many events the compiled loop left to the contract's decoder, by reason: INVALID for those it refused."""


def decode(values: Sequence[bytes]) -> Decoded:
    """Decode values of one JSON object each."""
    read = compiled_reader()
    if read is None or not values:
        events, invalid = parse_each(values)
        ends = np.fromiter(map(len, values), np.int64, len(values)).cumsum()
        return Decoded(from_events(events, b"".join(values)), _others(len(values), invalid), invalid, ends)
    batch = read_batch(values, read)
    left = np.flatnonzero(batch.reasons).tolist()
    if not left:
        return Decoded(batch.columns, range(len(values)), {}, batch.ends)
    events, faults = parse_each([values[position] for position in left])
    invalid = {left[place]: fault for place, fault in faults.items()}
    rows = np.arange(len(values))
    rows[[position for position in left if position not in invalid]] = len(values) + np.arange(len(events))
    positions = _others(len(values), invalid)
    columns = concatenate([batch.columns, from_events(events)]) if events else batch.columns
    reasons = Counter(INVALID if position in invalid else REASONS[batch.reasons[position]] for position in left)
    return Decoded(columns.take(rows[positions]), positions, invalid, batch.ends, reasons)


def decode_any(events: Sequence[EventLike]) -> Decoded:
    """Decode events of any form, mixed as they come; what is no event at all is invalid like any other."""
    if all(isinstance(event, bytes) for event in events):
        return decode(cast("Sequence[bytes]", events))
    read: list[Event] = []
    invalid: dict[int, InvalidEvent] = {}
    for position, event in enumerate(events):
        try:
            read.append(_from_any(event))
        except InvalidEvent as fault:
            invalid[position] = fault
    return Decoded(from_events(read), _others(len(events), invalid), invalid)


def _others(number: int, faulty: Collection[int]) -> Sequence[int]:
    """The places below `number` that are not among the faulty ones."""
    return [place for place in range(number) if place not in faulty] if faulty else range(number)


def _from_any(event: object) -> Event:
    if isinstance(event, str):
        event = event.encode(errors="surrogatepass")  # a lone surrogate is then no UTF-8
    if isinstance(event, bytes | bytearray | memoryview):
        return parse(bytes(event))
    if not isinstance(event, Mapping):
        raise _no_event(event)
    return Event(**{field: _checked(field, event[field]) for field in (*MODEL_FIELDS, *IDENTITIES) if field in event})


def _no_event(value: object) -> InvalidEvent:
    hint = ""
    if hasattr(value, "columns"):
        hint = "; score_frame takes a DataFrame"
    elif hasattr(value, "to_dict"):  # a Series: a row of a DataFrame
        hint = "; pass its to_dict()"
    return InvalidEvent("not_an_object", None, f"expected a mapping or JSON, got {type(value).__name__}{hint}")


def _checked(field: str, value: object) -> Any:
    """Return a value of a mapping as the decoder would give it. Raises InvalidEvent."""
    plain = plain_value(field, value)
    if (fault := fault_of(field, plain)) is not None:
        raise _with_hint(fault, field, plain)
    if field in IDENTITIES and isinstance(plain, str) and not has_utf8(plain):
        kind = "a string with a lone surrogate, which UTF-8 cannot hold"
        raise InvalidEvent("wrong_type", field, f"{field}: expected {expected(field)}, got {kind}")
    if field in IDENTITIES:  # of a subclass its plain value, which msgspec can encode
        return str.__str__(plain) if isinstance(plain, str) else plain if plain is None else int.__int__(plain)  # type: ignore[arg-type]  # an int, as checked
    return float(plain) if field in NUMERIC and plain is not None else plain  # type: ignore[arg-type]  # a number, as checked


def plain_value(field: str, value: object) -> object:
    """Convert numpy's scalars to Python's, and a moment to text by its own wall clock; leave all else as it is.

    Raises InvalidEvent for a numpy duration, which counts as an integer for Python.
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
    """Return it as the contract writes dates: an hour with its minutes, a fraction of at most nine digits."""
    unit, _ = np.datetime_data(moment.dtype)
    return f"{moment}:00" if unit == "h" else str(moment)[:_LONGEST_DATE]


def _with_hint(fault: InvalidEvent, field: str, value: object) -> InvalidEvent:
    """Add what to do about a value that Python programs often have in the place of another."""
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
    """Whether it can travel: a lone surrogate has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
