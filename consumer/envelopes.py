"""What goes over the wire: the JSON of a result and of an alert, and the headers and timestamp of all that goes out."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from consumer.records import Headers
from scoring import Contribution

SCHEMA_VERSION: Final = 1
MOST_AHEAD_MS: Final = 10 * 60 * 1000
"""A record dated further ahead goes out with the current time: Kafka refuses what is dated an hour ahead."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SOURCE_TIMESTAMP: Final = "source_timestamp"
_encode: Final = msgspec.json.Encoder().encode


class Source(Struct, gc=False):
    """The input record that a result is of."""

    topic: str
    partition: int
    offset: int
    timestamp: str | None


class Result(Struct, gc=False):
    """One result, its fields in the order in which they are written; what is UNSET is left out."""

    schema_version: int
    result_id: str
    session_id: str | int | UnsetType
    user_id: str | int | UnsetType
    predicted_label: int
    anomaly_score: float
    risk_level: str
    risk_reason: str
    reason_codes: list[str]
    imputed_fields: list[str]
    model_version: str
    source: Source
    scored_at: str
    event: Raw | UnsetType
    event_bytes: int | UnsetType = UNSET
    event_sha256: str | UnsetType = UNSET


class _AlertPart(Struct, gc=False):
    alert_id: str
    base_rate: float
    contributions: list[Contribution]


def encode_result(result: Result) -> bytes:
    """The result's JSON."""
    return _encode(result)


def encode_alert(result_id: str, result: bytes, contributions: list[Contribution], base_rate: float) -> bytes:
    """The alert of a result: the very bytes of the result, and what an alert adds to them."""
    return result[:-1] + b"," + _encode(_AlertPart(result_id, base_rate, contributions))[1:]


def without_event(result: Result, event: bytes) -> Result:
    """The result with the size and the SHA-256 of its event in the event's place."""
    digest = hashlib.sha256(event).hexdigest()
    return msgspec.structs.replace(result, event=UNSET, event_bytes=len(event), event_sha256=digest)


def utc(timestamp: int) -> str | None:
    """Milliseconds since the epoch as ISO 8601; None when the record has no timestamp or none that a calendar has."""
    if timestamp < 0:
        return None
    try:
        time = EPOCH + timedelta(milliseconds=timestamp)
    except OverflowError:
        return None
    return f"{time:%Y-%m-%dT%H:%M:%S}.{timestamp % 1000:03d}Z"


def carries(timestamp: int, now: int) -> bool:
    """Whether what comes of a record can carry the record's own timestamp (both in ms)."""
    return 0 < timestamp <= now + MOST_AHEAD_MS


def with_headers(came: Headers, ours: Headers) -> Headers:
    """The headers that came, with ours in the place of those of the same name."""
    if not came:
        return ours
    names = {name for name, _ in ours}
    return [header for header in came if header[0] not in names] + ours


def text_headers(pairs: Iterable[tuple[str, object]]) -> Headers:
    """Headers with their values as text."""
    return [(name, str(value).encode()) for name, value in pairs]
