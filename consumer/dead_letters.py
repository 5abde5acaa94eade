"""Dead letters: the record exactly as it came, with headers that say what is wrong with it.

The first seven are those of Kafka Connect's dead letters, so that tools made for them read these too.
"""

import hashlib
from typing import Final

from consumer.envelopes import text_headers, with_headers
from consumer.records import Batch, Headers
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
    UNREADABLE,  # of a batch that `dead-letters skip` went past: no record of it was ever seen
)
"""The codes that a dead letter can have."""


def headers(batch: Batch, i: int, fault: InvalidEvent, group_id: str) -> Headers:
    """The headers of the dead letter of record `i`: those that came, and what is wrong."""
    stage = "VALUE_CONVERTER" if fault.code in CONVERTER_CODES else "TRANSFORMATION"
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
        (ATTEMPTS, attempts(batch.headers[i])),
    ]
    return with_headers(batch.headers[i], text_headers(ours))


def attempts(came: Headers) -> int:
    """How often this record has been tried, this time included: a redrive says so in its header, else 1."""
    said = dict(came).get(ATTEMPTS) or b""
    return int(said) if said.isdigit() and len(said) < 10 else 1


def size_headers(value: bytes) -> Headers:
    """What stands for a value that does not fit into a record."""
    return text_headers(
        [("dead_letter.value_bytes", len(value)), ("dead_letter.value_sha256", hashlib.sha256(value).hexdigest())]
    )
