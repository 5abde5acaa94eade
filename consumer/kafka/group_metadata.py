"""Is this worker a member of its group right now? The group metadata that a transaction commits with knows.

A broker does not check a transaction's offsets against the group when the metadata names no member (older clients
had none), so a worker whose session ended must not commit with such metadata: it would overwrite the offsets of
whoever has its partitions now.
"""

import struct

_MAGIC = b"CGMDv2:"  # librdkafka's own form: magic, generation (int32), group id, 0, member id, 0, ...


def is_member(metadata: bytes) -> bool:
    """Whether `consumer_group_metadata()` names a generation and a member. An unknown form is taken for a member."""
    if not metadata.startswith(_MAGIC):
        return True
    (generation,) = struct.unpack_from("=i", metadata, len(_MAGIC))
    return generation > 0 and member_id(metadata) != b""


def member_id(metadata: bytes) -> bytes:
    """Which member `consumer_group_metadata()` names; nothing where the form is unknown."""
    return metadata[len(_MAGIC) + 4 :].split(b"\0")[1] if metadata.startswith(_MAGIC) else b""
