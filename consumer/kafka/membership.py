"""What a member of a group subscribes to, and the group metadata that its transactions commit with.

A broker does not check a transaction's offsets against the group when the metadata names no member (older clients
had none), so a worker whose session ended must not commit with such metadata: it would overwrite the offsets of
the worker that owns its partitions now.
"""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

_MAGIC = b"CGMDv2:"  # librdkafka's own form: magic, generation (int32), group id, 0, member id, 0, ...


@dataclass(frozen=True, slots=True)
class InputTopics:
    """The topics to read: names, and patterns, which begin with ^.

    A pattern matches the beginning of a name, as librdkafka has it. It matches neither one of `outputs` nor a topic of
    Kafka's own.
    """

    topics: tuple[str, ...]
    outputs: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Return the names without the patterns."""
        return [topic for topic in self.topics if not topic.startswith("^")]

    @property
    def patterns(self) -> list[str]:
        """Return the patterns."""
        return [topic for topic in self.topics if topic.startswith("^")]

    def matches(self, topic: str) -> bool:
        """Return whether the topic is read."""
        return topic in self.names or any(self._is_match(pattern, topic) for pattern in self.patterns)

    def unmatched(self, topics: Iterable[str]) -> list[str]:
        """Return the patterns that match none of these topics."""
        names = list(topics)
        return [pattern for pattern in self.patterns if not any(self._is_match(pattern, name) for name in names)]

    def _is_match(self, pattern: str, topic: str) -> bool:
        return re.search(pattern, topic) is not None and not any(re.search(never, topic) for never in self.never)

    @property
    def never(self) -> list[str]:
        """Return expressions of the topics that no pattern matches."""
        return ["^__", *("^{}$".format(topic.replace(".", r"\.")) for topic in self.outputs)]

    def __str__(self) -> str:
        return ", ".join(self.topics)


@dataclass(frozen=True, slots=True)
class Subscription:
    """The topics to read, the group to read them for, and whether to read on past records that retention deleted."""

    group_id: str
    inputs: InputTopics
    continue_on_gap: bool = False


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
