"""Dead letters: the record exactly as it came, with headers that say what is wrong with it.

The first seven are those of Kafka Connect's dead letters, so that tools made for them read these too.
"""

import re
from typing import Final

from consumer.records import Batch, Headers, OutRecord, UnreadableBatch
from consumer.stream.encoded_results import record_id
from consumer.stream.serialization import SOURCE_TIMESTAMP, text_headers
from scoring import InvalidEvent

ATTEMPTS: Final = "dead_letter.attempts"
CONVERTER_CODES: Final = frozenset({"not_json", "not_an_object", "too_deep"})
UNREADABLE: Final = "unreadable_batch"
CODES: Final = (
    "not_json",
    "not_an_object",
    "too_deep",
    "wrong_type",
    "out_of_range",
    "bad_date",
    "too_large",
    UNREADABLE,  # of a batch that was passed over: no record of it was ever seen
)
"""The codes that a dead letter can have."""

HEADER_NAMES: Final = frozenset(
    {
        *(f"__connect.errors.{name}" for name in ("topic", "partition", "offset", "connector.name", "stage")),
        *(f"__connect.errors.exception.{name}" for name in ("class.name", "message")),
        *(f"dead_letter.{part}_{what}" for part in ("value", "headers", "key") for what in ("bytes", "sha256")),
        "dead_letter.code",
        "dead_letter.field",
        ATTEMPTS,
        SOURCE_TIMESTAMP,
    }
)
"""The names of the headers that we write on a dead letter."""

_DATE: Final = re.compile(rb"0|-?[1-9][0-9]{0,18}")

ORIGINAL: Final = "original."
"""On a dead letter, an event's own header of such a name is kept under that name with this prefix."""


def headers(batch: Batch, i: int, fault: InvalidEvent, group_id: str) -> Headers:
    """Return the headers of the dead letter of record `i`: the event's own (see `keep_original`), then ours."""
    stage = "VALUE_CONVERTER" if fault.code in CONVERTER_CODES else "TRANSFORMATION"
    event, added = split_redrive(batch.headers[i])
    ours = [
        ("__connect.errors.topic", batch.topic),
        ("__connect.errors.partition", batch.partitions[i]),
        ("__connect.errors.offset", batch.offsets[i]),
        ("__connect.errors.connector.name", group_id),
        ("__connect.errors.stage", stage),
        ("__connect.errors.exception.class.name", f"{InvalidEvent.__module__}.{InvalidEvent.__qualname__}"),
        ("__connect.errors.exception.message", fault.message),
        ("dead_letter.code", fault.code),
        *([("dead_letter.field", fault.field)] if fault.field else []),
        (ATTEMPTS, attempts(added)),
    ]
    source_timestamp = [header for header in added if header[0] == SOURCE_TIMESTAMP]
    return keep_original(event) + text_headers(ours) + source_timestamp


def of_unreadable(unreadable: UnreadableBatch, topic: str, group_id: str, now: int) -> OutRecord:
    """Return the dead letter, for `topic`, that stands for a batch that cannot be read. `now` is in ms.

    It has a key whatever the topic is, since a compacted one refuses records without.
    """
    place = [unreadable.partition], [unreadable.start], [now]
    batch = Batch(unreadable.topic, *place, [None], [None], [[]])
    message = f"the batch of offsets {unreadable.start} to {unreadable.end - 1} cannot be read: {unreadable.reason}"
    said = headers(batch, 0, InvalidEvent(UNREADABLE, None, message), group_id)
    return OutRecord(topic, record_id(batch, 0).encode(), None, said, now)


def keep_original(event: Headers) -> Headers:
    """Rename the event's headers whose names we write, so that every header of such a name is ours.

    A name that is already renamed gets the prefix once more; `restore_original` takes one prefix off again.
    """
    return [(ORIGINAL + name if _is_reserved(name) else name, value) for name, value in event]


def restore_original(letter: Headers) -> Headers:
    """Return the event's own headers from those of its dead letter: the inverse of `keep_original`."""
    own = [header for header in letter if header[0] not in HEADER_NAMES]
    return [(name.removeprefix(ORIGINAL) if _is_reserved(name) else name, value) for name, value in own]


def own_headers(letter: Headers) -> Headers:
    """Return those of a dead letter's headers that are not the event's."""
    return [header for header in letter if header[0] in HEADER_NAMES]


def _is_reserved(name: str) -> bool:
    while name.startswith(ORIGINAL):
        name = name.removeprefix(ORIGINAL)
    return name in HEADER_NAMES


def redrive_headers(attempts: int, source_timestamp: bytes | None = None) -> Headers:
    """Return what a redrive adds at the end of the event's headers: the attempts before it, and with it.

    An event may have a header `dead_letter.attempts` of its own; only this pair counts. `source_timestamp` is the
    event's own date where Kafka would refuse it, and stands between the two for the same reason.
    """
    date: Headers = [] if source_timestamp is None else [(SOURCE_TIMESTAMP, source_timestamp)]
    return [*text_headers([(ATTEMPTS, attempts)]), *date, *text_headers([(ATTEMPTS, attempts + 1)])]


def parse_source_timestamp(value: bytes | None) -> int | None:
    """Return the ms that this header says, when it is written as we write it: the digits of a 64-bit number."""
    return int(value) if value is not None and _DATE.fullmatch(value) else None


def split_redrive(came: Headers) -> tuple[Headers, Headers]:
    """Split the headers of a record into the event's own and those that a redrive added; none if it never was one.

    Headers of any other form are the event's: ours are in every form of a dead letter, so their size is bounded.
    """
    for count in (2, 3):
        event, added = came[:-count], came[-count:]
        date = added[1][1] if len(added) == 3 else None
        if date is not None and parse_source_timestamp(date) is None:
            continue
        if len(added) == count and added == redrive_headers(max(1, attempts(added) - 1), date):
            return event, added
    return came, []


def attempts(headers: Headers) -> int:
    """Return how often an event was tried: the last `dead_letter.attempts` of these headers, which are all ours."""
    text = dict(headers).get(ATTEMPTS) or b""
    return int(text) if text.isdigit() and len(text) < 10 else 1
