"""Dead letters: the unchanged input record, with headers about its fault.

The first seven headers are those of Kafka Connect, so that tools for its dead letters can read these too.
"""

import re
from typing import Final

from consumer.records import UNREADABLE, Batch, Headers, OutRecord, UnreadableBatch
from consumer.stream.serialization import SOURCE_TIMESTAMP, record_id, text_headers
from scoring import InvalidEvent

ATTEMPTS: Final = "dead_letter.attempts"
CONVERTER_CODES: Final = frozenset(
    {"not_json", "not_an_object", "too_deep", "bad_framing", "unknown_schema", "not_avro", "not_protobuf"}
)
HEADER_NAMES: Final = frozenset(
    {
        *(f"__connect.errors.{name}" for name in ("topic", "partition", "offset", "connector.name", "stage")),
        *(f"__connect.errors.exception.{name}" for name in ("class.name", "message")),
        *(f"dead_letter.{part}_{kind}" for part in ("value", "headers", "key") for kind in ("bytes", "sha256")),
        "dead_letter.code",
        "dead_letter.field",
        ATTEMPTS,
        SOURCE_TIMESTAMP,
    }
)
"""The names of the headers that a dead letter can have beside the event's own."""

_TIMESTAMP: Final = re.compile(rb"0|-?[1-9][0-9]{0,18}")

ORIGINAL: Final = "original."
"""The prefix of the event's own headers whose names are in HEADER_NAMES."""


def headers(batch: Batch, row: int, fault: InvalidEvent, group_id: str) -> Headers:
    """Return the headers of a dead letter: the event's own (see `keep_original`), then those about the fault."""
    stage = "VALUE_CONVERTER" if fault.code in CONVERTER_CODES else "TRANSFORMATION"
    event, redrive = split_redrive(batch.headers[row])
    added = [
        ("__connect.errors.topic", batch.topic),
        ("__connect.errors.partition", batch.partitions[row]),
        ("__connect.errors.offset", batch.offsets[row]),
        ("__connect.errors.connector.name", group_id),
        ("__connect.errors.stage", stage),
        ("__connect.errors.exception.class.name", f"{InvalidEvent.__module__}.{InvalidEvent.__qualname__}"),
        ("__connect.errors.exception.message", fault.message),
        ("dead_letter.code", fault.code),
        *([("dead_letter.field", fault.field)] if fault.field else []),
        (ATTEMPTS, attempts(redrive)),
    ]
    source_timestamp = [header for header in redrive if header[0] == SOURCE_TIMESTAMP]
    return keep_original(event) + text_headers(added) + source_timestamp


def of_unreadable(unreadable: UnreadableBatch, topic: str, group_id: str, now: int) -> OutRecord:
    """Return the dead letter, for `topic`, of a batch that cannot be read. `now` is in ms since the epoch.

    It always has a key, since a compacted topic refuses records without one.
    """
    source, number = unreadable.partition
    batch = Batch(source, [number], [unreadable.start], [now], [None], [None], [[]])
    message = f"the batch of offsets {unreadable.start} to {unreadable.end - 1} cannot be read: {unreadable.reason}"
    fault = InvalidEvent(UNREADABLE, None, message)
    return OutRecord(topic, record_id(batch, 0).encode(), None, headers(batch, 0, fault, group_id), now)


def keep_original(event: Headers) -> Headers:
    """Rename the event's headers whose names are in HEADER_NAMES; `restore_original` is the inverse.

    A renamed header gets the prefix once more.
    """
    return [(ORIGINAL + name if _is_reserved(name) else name, value) for name, value in event]


def restore_original(headers: Headers) -> Headers:
    """Return the event's own headers from those of its dead letter."""
    own = [header for header in headers if header[0] not in HEADER_NAMES]
    return [(name.removeprefix(ORIGINAL) if _is_reserved(name) else name, value) for name, value in own]


def own_headers(headers: Headers) -> Headers:
    """Return a dead letter's headers without the event's own."""
    return [header for header in headers if header[0] in HEADER_NAMES]


def _is_reserved(name: str) -> bool:
    while name.startswith(ORIGINAL):
        name = name.removeprefix(ORIGINAL)
    return name in HEADER_NAMES


def redrive_headers(attempts: int, source_timestamp: bytes | None = None) -> Headers:
    """Return the headers that a redrive adds at the end: the attempts before it, and with it.

    An event may have headers `dead_letter.attempts` of its own; only such a pair counts. `source_timestamp` is the
    event's timestamp if Kafka would refuse it; between the two it cannot be confused with the event's own header.
    """
    between: Headers = [] if source_timestamp is None else [(SOURCE_TIMESTAMP, source_timestamp)]
    return [*text_headers([(ATTEMPTS, attempts)]), *between, *text_headers([(ATTEMPTS, attempts + 1)])]


def parse_source_timestamp(value: bytes | None) -> int | None:
    """Return the ms of a header that session-scorer wrote: the digits of a 64-bit number; None for any other text."""
    return int(value) if value is not None and _TIMESTAMP.fullmatch(value) else None


def split_redrive(headers: Headers) -> tuple[Headers, Headers]:
    """Split the headers of a record into the event's own and those that a redrive added, if any.

    Headers of any other form are the event's: a redrive's are kept in every form of a dead letter, so their size must
    be bounded.
    """
    for count in (2, 3):
        event, added = headers[:-count], headers[-count:]
        timestamp = added[1][1] if len(added) == 3 else None
        if timestamp is not None and parse_source_timestamp(timestamp) is None:
            continue
        if len(added) == count and added == redrive_headers(max(1, attempts(added) - 1), timestamp):
            return event, added
    return headers, []


def attempts(headers: Headers) -> int:
    """Return how often an event was processed: the last `dead_letter.attempts` of these headers of a redrive."""
    text = dict(headers).get(ATTEMPTS) or b""
    return int(text) if text.isdigit() and len(text) < 10 else 1
