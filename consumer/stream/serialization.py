"""What output records share: the JSON after the score, what an alert adds, headers, timestamps and record ids."""

import functools
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from consumer.records import Batch, Headers
from scoring import Contribution
from scoring.verdicts import unpack_verdict

SCHEMA_VERSION: Final = 1
MOST_AHEAD_MS: Final = 10 * 60 * 1000
"""A record dated further ahead is written with the current time: Kafka refuses what is dated an hour ahead."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SOURCE_TIMESTAMP: Final = "source_timestamp"
EVENT: Final = b',"event":'
"""The bytes before the event in a result."""
SHA256: Final = b',"event_sha256":'
_json: Final = msgspec.json.Encoder().encode


class _AlertFields(Struct, gc=False):
    alert_id: str
    base_rate: float
    contributions: list[Contribution]


def without_event(result: bytes, value: bytes, embedded: int, origin: bytes) -> bytes:
    """Return a result with the size and SHA-256 of its record's value in place of the `embedded` bytes of the event.

    `origin` are the members that follow the event; the SHA-256 may be among them.
    """
    before = result[: len(result) - len(EVENT) - embedded - len(origin) - 1]
    if SHA256 not in origin:
        origin += b'%b"%b"' % (SHA256, hashlib.sha256(value).hexdigest().encode())
    return b'%b,"event_bytes":%d%b}' % (before, len(value), origin)


def encode_alert(result_id: str, result: bytes, contributions: list[Contribution], base_rate: float) -> bytes:
    """Return the alert of a result: the same bytes, and the fields that an alert adds."""
    return result[:-1] + b"," + _json(_AlertFields(result_id, base_rate, contributions))[1:]


@functools.lru_cache(maxsize=4096)  # some dozens are usual; 0.1 µs an event
def encode_after_score(packed_verdict: int, model_version: str) -> bytes:
    """Return the JSON members of a result that follow its score: one of `Scored.meanings`, and the version."""
    fields = unpack_verdict(packed_verdict)._asdict() | {"model_version": model_version}
    del fields["predicted_label"]  # stands before the score
    return b"," + _json(fields)[1:-1]


def record_id(batch: Batch, row: int) -> str:
    """Return the name of an input record, as in `result_id`.

    It is the key of output records without one on a topic that requires keys, so that compaction keeps all of them.
    """
    return f"{batch.topic}-{batch.partitions[row]}-{batch.offsets[row]}"


def utc(timestamp: int) -> str | None:
    """Return ms since the epoch as ISO 8601; None for a negative timestamp or one after the year 9999."""
    if timestamp < 0:
        return None
    try:
        text = (EPOCH + timedelta(milliseconds=timestamp)).isoformat(timespec="milliseconds")
    except OverflowError:
        return None
    return text.removesuffix("+00:00") + "Z"


def is_writable_timestamp(timestamp: int, now: int) -> bool:
    """Return whether Kafka accepts a record with this timestamp; both are in ms since the epoch."""
    return 0 < timestamp <= now + MOST_AHEAD_MS


def with_headers(headers: Headers, added: Headers) -> Headers:
    """Return the headers with others added, which replace those of the same name."""
    if not headers:
        return added
    names = {name for name, _ in added}
    return [header for header in headers if header[0] not in names] + added


def with_source_timestamp(headers: Headers, timestamp: int) -> Headers:
    """Return the headers with an input timestamp that the output record itself cannot have."""
    return with_headers(headers, text_headers([(SOURCE_TIMESTAMP, timestamp)]))


def text_headers(pairs: Iterable[tuple[str, object]]) -> Headers:
    """Return headers with their values as text."""
    return [(name, str(value).encode()) for name, value in pairs]
