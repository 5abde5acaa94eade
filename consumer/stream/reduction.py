"""Smaller forms of the records that do not fit their topic. Each form leaves out more than the one before."""

from collections.abc import Iterator

from consumer.records import Headers, OutRecord
from consumer.stream.output_limits import TopicLimits
from consumer.stream.record_size import encode_headers, least_room, record_bytes, size_and_digest
from consumer.stream.serialization import text_headers


def fits(record: OutRecord, limits: TopicLimits) -> bool:
    """Return whether the topic takes a record of this size."""
    key, value, headers, limit = record.key, record.value, record.headers, limits.record_bytes
    room = least_room(limit, [key], [headers], headers)
    return len(value or b"") <= room or record_bytes(key, value, headers) <= limit


def reduce_result(slim: OutRecord, own: Headers, limits: TopicLimits) -> OutRecord | None:
    """Return the largest form of a result or an alert that fits; None when none does.

    `slim` is without its event. It loses the input's headers, then also its key. `own` are the headers that are not the
    input's.
    """
    return next((form for form in _result_forms(slim, own, limits) if fits(form, limits)), None)


def _result_forms(slim: OutRecord, own: Headers, limits: TopicLimits) -> Iterator[OutRecord]:
    yield slim
    yield slim._replace(headers=own)
    if slim.key is not None and slim.value is not None:
        size, digest = size_and_digest(slim.key)
        value = b'%b,"key_bytes":%d,"key_sha256":"%b"}' % (slim.value[:-1], size, digest.encode())
        yield slim._replace(key=_stand_in(digest, limits), value=value, headers=own)


def reduce_dead_letter(record: OutRecord, came: Headers, own: Headers, limits: TopicLimits) -> OutRecord:
    """Return the largest form of a dead letter that fits and is not whole, or the smallest there is.

    It loses its value, then also the input's headers (`came`), then also its key; headers beside `own` say the size
    and the SHA-256 of each.
    """
    forms = _dead_letter_forms(record, came, own, limits)
    for form in forms:
        if fits(form, limits):
            return form
    return form


def _dead_letter_forms(record: OutRecord, came: Headers, own: Headers, limits: TopicLimits) -> Iterator[OutRecord]:
    lost = _lost("value", record.value or b"")
    yield record._replace(value=None, headers=record.headers + lost)
    lost += _lost("headers", encode_headers(came))
    yield record._replace(value=None, headers=own + lost)
    if record.key is not None:
        _, digest = size_and_digest(record.key)
        yield record._replace(value=None, key=_stand_in(digest, limits), headers=own + lost + _lost("key", record.key))


def _lost(what: str, content: bytes) -> Headers:
    """Return the headers that stand for a part of a dead letter."""
    size, digest = size_and_digest(content)
    return text_headers([(f"dead_letter.{what}_bytes", size), (f"dead_letter.{what}_sha256", digest)])


def _stand_in(digest: str, limits: TopicLimits) -> bytes | None:
    """Return the key in the place of one that was left out; a compacted topic refuses records without a key."""
    return digest.encode() if limits.requires_key else None
