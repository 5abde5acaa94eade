"""Kafka's protocol by hand, for what no client writes: a record without a timestamp, or dated 1970-01-01.

Record batch v2 and Produce v3 of https://kafka.apache.org/protocol; one record a batch, no compression.
"""

import socket
import struct
from typing import Final

from tests.support.wire import SECONDS, Event


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE: Final = [_remainder(byte) for byte in range(256)]


def write_dated(bootstrap: str, topic: str, event: Event) -> None:
    """Writes one record with just this timestamp; -1: none. The broker at `bootstrap` must lead its partition."""
    host, port = bootstrap.rsplit(":", 1)
    batch = record_batch(event.timestamp, event.key or b"", event.value or b"")
    name = topic.encode()
    body = struct.pack(">hhih4s", 0, 3, 1, 4, b"test")  # Produce v3, correlation 1, client id
    body += struct.pack(">hhii", -1, -1, int(SECONDS * 1000), 1)  # no transaction, all replicas, one topic
    body += (
        struct.pack(f">h{len(name)}s", len(name), name) + struct.pack(">iii", 1, event.partition, len(batch)) + batch
    )
    with socket.create_connection((host, int(port)), SECONDS) as wire:
        wire.sendall(struct.pack(">i", len(body)) + body)
        answer = _receive(wire, struct.unpack(">i", _receive(wire, 4))[0])
    # correlation, topics, its name, partitions, partition, then the error
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name) + 4 + 4)
    assert error == 0, f"error code {error}"


def record_batch(timestamp: int, key: bytes, value: bytes) -> bytes:
    """A batch of one record."""
    record = b"\0" + _varint(0) + _varint(0) + _varint(len(key)) + key + _varint(len(value)) + value + _varint(0)
    inner = struct.pack(">hiqqqhii", 0, 0, timestamp, timestamp, -1, -1, -1, 1) + _varint(len(record)) + record
    checked = struct.pack(">ibI", -1, 2, crc32c(inner)) + inner
    return struct.pack(">qi", 0, len(checked)) + checked


def crc32c(data: bytes) -> int:
    """Castagnoli's, which the batch format asks for and the standard library lacks."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _varint(number: int) -> bytes:
    left, out = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def _receive(wire: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = wire.recv(count - len(found))
        assert part, "the broker closed the connection"
        found += part
    return found
