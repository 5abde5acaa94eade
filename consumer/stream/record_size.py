"""The size of a record on the wire, and smaller forms of records that are too large for their topic.

The size is that of Kafka's record format v2, uncompressed, alone in its batch. A broker compares it with
`max.message.bytes`; it is never less than what librdkafka compares with `message.max.bytes` (key, value, headers and
36 bytes).
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from consumer.records import Headers, OutRecord
from consumer.stream.output_limits import TopicLimits
from consumer.stream.serialization import text_headers

BATCH_OVERHEAD: Final = 61
_MOST_VARINT: Final = 5  # bytes, of a length
_LENGTHS: Final = 4  # of the record, of its key, of its value; the number of its headers
_FIXED: Final = 3  # attributes, and the deltas of timestamp and offset, which are 0 in the first record of a batch
_MOST_OVERHEAD: Final = BATCH_OVERHEAD + _FIXED + _LENGTHS * _MOST_VARINT
_MOST_UTF8: Final = 4  # bytes, of a character


def record_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Return the size of a batch that holds this record alone."""
    body = _FIXED + _field_bytes(key) + _field_bytes(value) + _varint_bytes(len(headers)) + _headers_bytes(headers)
    return BATCH_OVERHEAD + _varint_bytes(body) + body


def value_room(limit: int, keys: Sequence[bytes | None], headers: Sequence[Headers], usual: Headers) -> int:
    """Return a lower bound of the bytes that a value can have in any of these rows: a larger one may still fit.

    `usual` are the headers that most rows share, as the same object.
    """
    key = max(map(len, filter(None, keys)), default=0)
    unusual = [row_headers for row_headers in headers if row_headers is not usual]
    return limit - _MOST_OVERHEAD - key - max(map(_most_headers_bytes, [usual, *unusual]))


def encode_headers(headers: Headers) -> bytes:
    """Return the headers as in record format v2, without their number: for each the length of its name, the name in
    UTF-8, the length of its value, the value; lengths as zigzag varints, -1 for a null value."""
    parts: list[bytes] = []
    for name, value in headers:
        text = name.encode()
        parts += [_zigzag(len(text)), text, _zigzag(-1 if value is None else len(value)), value or b""]
    return b"".join(parts)


def fits(record: OutRecord, limits: TopicLimits) -> bool:
    """Return whether the topic accepts a record of this size."""
    key, value, headers, limit = record.key, record.value, record.headers, limits.record_bytes
    room = value_room(limit, [key], [headers], headers)
    return len(value or b"") <= room or record_bytes(key, value, headers) <= limit


def reduce_result(record: OutRecord, own: Headers, limits: TopicLimits) -> OutRecord | None:
    """Return the largest form of a result or an alert that fits; None when none does.

    `record` is without its event. It loses the input's headers, then also its key. `own` are its headers without the
    input's.
    """
    return next((form for form in _result_forms(record, own, limits) if fits(form, limits)), None)


def _result_forms(record: OutRecord, own: Headers, limits: TopicLimits) -> Iterator[OutRecord]:
    yield record
    yield record._replace(headers=own)
    if record.key is not None and record.value is not None:
        size, digest = _size_and_digest(record.key)
        value = b'%b,"key_bytes":%d,"key_sha256":"%b"}' % (record.value[:-1], size, digest.encode())
        yield record._replace(key=_key_digest(digest, limits), value=value, headers=own)


def reduce_dead_letter(record: OutRecord, event_headers: Headers, own: Headers, limits: TopicLimits) -> OutRecord:
    """Return the largest reduced form of a dead letter that fits, or the smallest there is.

    It loses its value, then also `event_headers`, then also its key; headers beside `own` give the size and the SHA-256
    of what is lost.
    """
    forms = _dead_letter_forms(record, event_headers, own, limits)
    for form in forms:
        if fits(form, limits):
            return form
    return form


def _dead_letter_forms(
    record: OutRecord, event_headers: Headers, own: Headers, limits: TopicLimits
) -> Iterator[OutRecord]:
    lost = _loss_headers("value", record.value or b"")
    yield record._replace(value=None, headers=record.headers + lost)
    lost += _loss_headers("headers", encode_headers(event_headers))
    yield record._replace(value=None, headers=own + lost)
    if record.key is not None:
        _, digest = _size_and_digest(record.key)
        headers = own + lost + _loss_headers("key", record.key)
        yield record._replace(value=None, key=_key_digest(digest, limits), headers=headers)


def _loss_headers(part: str, content: bytes) -> Headers:
    """Return the headers that stand for a lost part of a dead letter."""
    size, digest = _size_and_digest(content)
    return text_headers([(f"dead_letter.{part}_bytes", size), (f"dead_letter.{part}_sha256", digest)])


def _key_digest(digest: str, limits: TopicLimits) -> bytes | None:
    """Return the key of a record that lost its own; a compacted topic refuses records without a key."""
    return digest.encode() if limits.requires_key else None


def _size_and_digest(content: bytes) -> tuple[int, str]:
    """Return the size of content that does not fit, and its SHA-256 in hex digits."""
    return len(content), hashlib.sha256(content).hexdigest()


def _headers_bytes(headers: Headers) -> int:
    return sum(_field_bytes(name.encode()) + _field_bytes(value) for name, value in headers)


def _most_headers_bytes(headers: Headers) -> int:
    """Return the most bytes that these headers can take. Cheap: encodes no name."""
    return sum(_MOST_UTF8 * len(name) + len(value or b"") + 2 * _MOST_VARINT for name, value in headers)


def _field_bytes(content: bytes | None) -> int:
    return 1 if content is None else _varint_bytes(len(content)) + len(content)


def _varint_bytes(number: int) -> int:
    """Return the size of a number from 0 on: zigzag doubles it, a byte holds 7 bits."""
    return max(1, -(-(2 * number).bit_length() // 7))


def _zigzag(number: int) -> bytes:
    return varint(2 * number if number >= 0 else -2 * number - 1)


def varint(number: int) -> bytes:
    """Encode a number from 0 on in bytes of 7 bits, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
