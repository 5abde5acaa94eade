"""The group metadata that a transaction commits with: is this worker a member of its group, and still the same one?

A broker does not check a transaction's offsets against the group when the metadata names no member (older clients
had none), so a worker whose session ended must not commit with such metadata: it would overwrite the offsets of
the worker that owns its partitions now.
"""

import struct
from dataclasses import dataclass, field

_MAGIC = b"CGMDv2:"  # librdkafka's own form: magic, generation (int32), group id, 0, member id, 0, ...


@dataclass(frozen=True, slots=True)
class Membership:
    """A worker's membership in its group. Two are equal when no partition was revoked from the worker between them.

    Offsets of records read under one membership may be committed under an equal one, of a newer generation as well: a
    rebalance that leaves this worker its partitions ends no transaction.
    """

    member_id: bytes
    """A static member whose session ended may join again without hearing of a loss; its id tells."""
    revocations: int
    """The number of times that partitions of this worker were revoked or lost."""
    metadata: bytes = field(compare=False)
    """The member id and the generation, as the client hands them to a transaction."""


def is_member(metadata: bytes) -> bool:
    """Return whether `consumer_group_metadata()` names a generation and a member; an unknown form counts as one."""
    if not metadata.startswith(_MAGIC):
        return True
    (generation,) = struct.unpack_from("=i", metadata, len(_MAGIC))
    return generation > 0 and member_id(metadata) != b""


def member_id(metadata: bytes) -> bytes:
    """Return the member id in `consumer_group_metadata()`; empty when the form is unknown."""
    return metadata[len(_MAGIC) + 4 :].split(b"\0")[1] if metadata.startswith(_MAGIC) else b""
