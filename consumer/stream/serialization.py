"""What goes over the wire: the JSON of a result and of an alert, and the headers and timestamp of all that goes out."""

import functools
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from consumer.records import Headers
from scoring import Contribution
from scoring.verdicts import unpack_verdict

SCHEMA_VERSION: Final = 1
MOST_AHEAD_MS: Final = 10 * 60 * 1000
"""A record dated further ahead goes out with the current time: Kafka refuses what is dated an hour ahead."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SOURCE_TIMESTAMP: Final = "source_timestamp"
EVENT: Final = b',"event":'
"""What stands before the event in a result."""
_json: Final = msgspec.json.Encoder().encode


class _AlertPart(Struct, gc=False):
    alert_id: str
    base_rate: float
    contributions: list[Contribution]


def without_event(result: bytes, event: bytes, embedded: int) -> bytes:
    """Return a result that ends with `embedded` bytes of its event with the event's size and SHA-256 in their place."""
    before = result[: len(result) - len(EVENT) - embedded - 1]
    digest = hashlib.sha256(event).hexdigest().encode()
    return b'%b,"event_bytes":%d,"event_sha256":"%b"}' % (before, len(event), digest)


def encode_alert(result_id: str, result: bytes, contributions: list[Contribution], base_rate: float) -> bytes:
    """The alert of a result: the very bytes of the result, and what an alert adds to them."""
    return result[:-1] + b"," + _json(_AlertPart(result_id, base_rate, contributions))[1:]


def utc(timestamp: int) -> str | None:
    """Milliseconds since the epoch as ISO 8601; None when the record has no timestamp or none that a calendar has."""
    if timestamp < 0:
        return None
    try:
        text = (EPOCH + timedelta(milliseconds=timestamp)).isoformat(timespec="milliseconds")
    except OverflowError:
        return None
    return text.removesuffix("+00:00") + "Z"


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


@functools.lru_cache(maxsize=4096)  # of the some dozens that are usual, 0.1 µs an event
def encode_fields(packed_verdict: int, model_version: str) -> bytes:
    """Return the JSON members of a result that follow its score: one of `Scored.packed_verdicts`, and the version."""
    fields = unpack_verdict(packed_verdict)._asdict() | {"model_version": model_version}
    del fields["predicted_label"]  # stands before the score
    return b"," + _json(fields)[1:-1]
