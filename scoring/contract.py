"""The fields of a session event. Their names and bounds are written here alone.

`Event` *is* the contract: msgspec checks types and bounds while it parses. Every field may be absent or null (a gap,
imputed later). Other fields are skipped. The kinds of value that a field takes, and the form of a date, are
repeated where msgspec does not read: in validation.py, tables/arrow.py, kernels/json_columns.py and
kernels/local_time.py.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

LIMIT: Final = 1e12
"""Largest magnitude of a number. Derived features stay finite in float32, except rates over next to no time on the
page, which overflow as IEEE 754 says."""
MOST_DIGITS: Final = 4300
"""Longest integer of an identity: Python parses no longer ones, which take quadratic time."""
MOST_LEVELS: Final = 500
"""Levels of arrays and objects that an event may have, its own among them.

Parsers recurse. Python allows about 1,000 levels less the depth of the caller's stack; a limit well below that gives
every caller the same answer."""

_DAY: Final = (
    "(?:(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-(?:"
    "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)"
)
_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
_OFFSET: Final = "Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]"
LOCAL_TIME: Final = rf"^{_DAY}(?:[T ]{_TIME})?(?:{_OFFSET})?(?![\s\S])"
"""A calendar day, an optional time and an optional offset. A pattern, so that all dates of a repeated key are checked.
`(?![\\s\\S])` is the end of the text, where `$` would let a line feed through."""

Count = Annotated[float, Meta(ge=0, le=LIMIT)]
Amount = Annotated[float, Meta(ge=-LIMIT, le=LIMIT)]
LocalTime = Annotated[str, Meta(pattern=LOCAL_TIME)]
Identity = str | int


class Event(Struct, gc=False):
    """One session event. A field that is absent or null is imputed; other fields are ignored."""

    click_events: Annotated[Count | None, Meta(description="Clicks in the session")] = None
    scroll_events: Annotated[Count | None, Meta(description="Scrolls in the session")] = None
    touch_events: Annotated[Count | None, Meta(description="Touches in the session")] = None
    keyboard_events: Annotated[Count | None, Meta(description="Key events in the session")] = None
    mouse_movement: Annotated[Count | None, Meta(description="Mouse movements in the session")] = None
    device_motion: Annotated[Count | None, Meta(description="Magnitude of the motion sensor")] = None
    time_on_page: Annotated[Count | None, Meta(description="Time on the page in seconds")] = None
    timezone_offset: Annotated[Amount | None, Meta(description="Offset of the time zone in minutes")] = None
    transaction_amount: Annotated[Amount | None, Meta(description="Amount in currency units")] = None
    device_type: Annotated[str | None, Meta(description="Device, such as Mobile")] = None
    screen_size: Annotated[str | None, Meta(description="Screen in pixels, such as 360x640")] = None
    browser_info: Annotated[str | None, Meta(description="Browser, such as Chrome")] = None
    language: Annotated[str | None, Meta(description="Language, such as english")] = None
    device_orientation: Annotated[str | None, Meta(description="Orientation, such as portrait")] = None
    geolocation_city: Annotated[str | None, Meta(description="City, such as Delhi")] = None
    transaction_date: Annotated[
        LocalTime | None, Meta(description="Local time; only its hour is used, without conversion")
    ] = None
    user_id: Annotated[Identity | None, Meta(description="Copied unchanged; the model does not use it")] = None
    session_id: Annotated[Identity | None, Meta(description="Copied unchanged; the model does not use it")] = None


COUNTS: Final = ("click_events", "scroll_events", "touch_events", "keyboard_events", "mouse_movement")
NUMERIC: Final = (*COUNTS, "device_motion", "time_on_page", "timezone_offset", "transaction_amount")
SIGNED: Final = frozenset({"timezone_offset", "transaction_amount"})
CATEGORIES: Final = (
    "device_type",
    "screen_size",
    "browser_info",
    "language",
    "device_orientation",
    "geolocation_city",
)
DATE: Final = "transaction_date"
MODEL_FIELDS: Final = (*NUMERIC, *CATEGORIES, DATE)
"""The sixteen fields that the model reads, in the order of imputed fields in results."""
IDENTITIES: Final = ("user_id", "session_id")
UNKNOWN: Final = "unknown"
"""The class of strings that an encoder has never seen."""


def least(field: str) -> float:
    """Return the smallest valid number of `field`; the largest is LIMIT."""
    return -LIMIT if field in SIGNED else 0.0


def expected(field: str) -> str:
    """Return what a value of `field` must be, in words."""
    if field in IDENTITIES:
        return "a string or an integer"
    if field == DATE:
        return "a date, YYYY-MM-DD[THH:MM[:SS[.f]]][Z|±HH:MM]"
    if field in CATEGORIES:
        return "a string"
    return "a number from -1e12 to 1e12" if field in SIGNED else "a number from 0 to 1e12"
