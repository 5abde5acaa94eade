"""The size of a record on the wire: Kafka's record format v2, uncompressed, alone in its batch.

That is what a broker holds against `max.message.bytes`, and never less than what librdkafka holds against
`message.max.bytes` (key, value, headers and 36 bytes).
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from consumer.records import Headers

BATCH_OVERHEAD: Final = 61
_MOST_VARINT: Final = 5  # bytes, of a length
_LENGTHS: Final = 4  # of the record, of its key, of its value; the number of its headers
_FIXED: Final = 3  # attributes, and the deltas of timestamp and offset, which are 0 in the first record of a batch
_MOST_OVERHEAD: Final = BATCH_OVERHEAD + _FIXED + _LENGTHS * _MOST_VARINT
_MOST_UTF8: Final = 4  # bytes, of a character


def record_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Return the size of the batch that holds this record alone."""
    body = _FIXED + _field_bytes(key) + _field_bytes(value) + _varint_bytes(len(headers)) + _headers_bytes(headers)
    return BATCH_OVERHEAD + _varint_bytes(body) + body


def least_room(limit: int, keys: Sequence[bytes | None], headers: Sequence[Headers], usual: Headers) -> int:
    """Return how many bytes the value of any of these rows may have for its record to fit `limit` for certain.

    A lower bound: what is larger may still fit by `record_bytes`. `usual` are the headers that most rows share, as the
    same object.
    """
    key = max(map(len, filter(None, keys)), default=0)
    others = [each for each in headers if each is not usual]
    return limit - _MOST_OVERHEAD - key - max(map(_most_headers_bytes, [usual, *others]))


def encode_headers(headers: Headers) -> bytes:
    """Return the headers as a record of format v2 holds them, without their number: for each the length of its name,
    the name in UTF-8, the length of its value, the value; lengths as zigzag varints, -1 for a null value."""
    parts: list[bytes] = []
    for name, value in headers:
        text = name.encode()
        parts += [_varint(len(text)), text, _varint(-1 if value is None else len(value)), value or b""]
    return b"".join(parts)


def size_and_digest(content: bytes) -> tuple[int, str]:
    """Return what stands for content that does not fit: its size, and its SHA-256 in hex digits."""
    return len(content), hashlib.sha256(content).hexdigest()


def _headers_bytes(headers: Headers) -> int:
    return sum(_field_bytes(name.encode()) + _field_bytes(value) for name, value in headers)


def _most_headers_bytes(headers: Headers) -> int:
    """Return the most that these headers can take. Cheap: no name is encoded."""
    return sum(_MOST_UTF8 * len(name) + len(value or b"") + 2 * _MOST_VARINT for name, value in headers)


def _field_bytes(content: bytes | None) -> int:
    return 1 if content is None else _varint_bytes(len(content)) + len(content)


def _varint_bytes(number: int) -> int:
    """Return the size of a number from 0 on: zigzag doubles it, a byte holds 7 bits."""
    return max(1, -(-(2 * number).bit_length() // 7))


def _varint(number: int) -> bytes:
    left = 2 * number if number >= 0 else -2 * number - 1
    encoded = bytearray()
    while left > 0x7F:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*encoded, left])
