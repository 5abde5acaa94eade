"""JSON bytes to Events: msgspec parses and validates in one pass in C.

It leaves open the UTF-8 of fields that it skips. And a batch leaves dates to be checked by columns: a pattern makes
msgspec call Python's re for every one, which takes 1.3 of 2.4 µs an event; all at once they take 0.4.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from scoring.contract import DATE, Event
from scoring.diagnosis import explain
from scoring.errors import InvalidEvent

Faults = dict[int, InvalidEvent]
REFUSALS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Undated(Event, gc=False):
    """An Event whose date may be any text; UNSET where there is no such field."""

    transaction_date: str | UnsetType | None = UNSET  # type: ignore[assignment]  # wider, until the date is looked at


_decode: Final = msgspec.json.Decoder(Event).decode
_decode_undated: Final = msgspec.json.Decoder(Undated).decode
_DATE_KEY: Final = DATE.encode()
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[567]")  # a key may be spelt with these


def parse(value: bytes) -> Event:
    """The event in one value. Raises InvalidEvent."""
    try:
        if not value.isascii():
            value.decode()  # msgspec does not look at the UTF-8 of what it skips, and the event is embedded as it came
        return _decode(value)
    except REFUSALS:
        raise explain(value) from None


def parse_undated(values: Sequence[bytes]) -> tuple[list[Undated], Faults]:
    """The events that msgspec takes, and by position what is wrong with the others. What it leaves open is to be
    looked at afterwards: the dates, and the values that are `doubtful`."""
    events: list[Undated] = []
    faults: Faults = {}
    parsed = map(_decode_undated, values)
    while len(events) + len(faults) < len(values):
        try:
            events.extend(parsed)  # keeps what it has when one raises, and the next call goes on behind that one
        except REFUSALS:
            position = len(events) + len(faults)
            faults[position] = explain(values[position])
    return events, faults


def doubtful(values: Sequence[bytes], events: Sequence[Undated]) -> list[int]:
    """The positions of the values that only `parse` can judge, among those that msgspec took, as these events.

    Either it may have bytes that are no UTF-8, or two dates, of which msgspec shows the last. Two dates are rare, so
    all values are searched at once: 0.2 µs an event, where each by itself takes 0.4.
    """
    joined = b"".join(values)
    dates = sum([event.transaction_date is not UNSET for event in events])
    found: set[int] = set()
    if not joined.isascii():
        found.update(i for i, value in enumerate(values) if not _is_utf8(value))
    if joined.count(_DATE_KEY) != dates or (b"\\" in joined and _ESCAPED_LETTER.search(joined)):
        found.update(i for i, value in enumerate(values) if _may_repeat_the_date(value))
    return sorted(found)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _may_repeat_the_date(value: bytes) -> bool:
    return value.count(_DATE_KEY) > 1 or _ESCAPED_LETTER.search(value) is not None


def faults_of(values: Sequence[bytes], positions: Iterable[int]) -> Faults:
    """What `parse` finds wrong with the values at these positions."""
    found: Faults = {}
    for position in positions:
        try:
            parse(values[position])
        except InvalidEvent as fault:
            found[position] = fault
    return found
