"""Cut values into the id of a schema and a payload, as the serializers of Confluent's schema registry frame them.

    value   | 0 | id, 4 bytes, big-endian | payload |
    header  | 0 | id, 4 bytes |  or  | 1 | GUID, 16 bytes |      `__value_schema_id`: the whole value is the payload

The payload of Protobuf begins with the indices of the message's type; those of a header stand behind the id there.
"""

from typing import Final
from uuid import UUID

import numpy as np

from consumer.formats.schema import SchemaId
from consumer.records import Headers
from scoring import InvalidEvent
from scoring.decoding import JoinedValues

FRAME: Final = 5  # bytes
HEADER: Final = "__value_schema_id"
_GUID_FRAME: Final = 17
_LARGEST_ID: Final = 2**31 - 1  # ids are Java's int


def shared_id(values: JoinedValues) -> int | None:
    """Return the id that all values begin with; None if they differ."""
    text, starts, ends = values
    if not len(ends) or (ends - starts).min() < FRAME:
        return None
    frames = np.frombuffer(text, np.uint8)[starts[:, None] + np.arange(FRAME)]
    return frame_id(frames[0].tobytes()) if (frames == frames[0]).all() else None


def frame_id(value: bytes) -> int | None:
    """Return the id that a value begins with, or None."""
    schema_id = int.from_bytes(value[1:FRAME], "big")
    return schema_id if len(value) >= FRAME and value[0] == 0 and schema_id <= _LARGEST_ID else None


def split(value: bytes, headers: Headers) -> tuple[SchemaId, bytes]:
    """Return the id of the schema and the payload. Raises InvalidEvent."""
    for name, frame in reversed(headers):  # a program that passes headers on adds its own behind them
        if name == HEADER:
            return _split_header(frame or b"", value)
    if (schema_id := frame_id(value)) is not None:
        return schema_id, value[FRAME:]
    hint = "; it may be plain JSON (--input-format json)" if value[:1] == b"{" else ""
    raise InvalidEvent("bad_framing", None, f"the value does not begin with a schema's id: 0 and 4 bytes{hint}")


def _split_header(frame: bytes, value: bytes) -> tuple[SchemaId, bytes]:
    if frame[:1] == b"\1" and len(frame) >= _GUID_FRAME:
        return UUID(bytes=frame[1:_GUID_FRAME]), frame[_GUID_FRAME:] + value
    if (schema_id := frame_id(frame)) is not None:
        return schema_id, frame[FRAME:] + value
    raise InvalidEvent("bad_framing", None, f"header {HEADER} is no schema's id")
