"""What brokers tell of themselves, of topics and of consumer groups, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from consumer.records import Headers

_PROTOCOLS: Final = {"CLASSIC": "classic", "CONSUMER": "consumer"}  # as group.protocol spells them


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster: its id, and HOST:PORT of its brokers."""

    cluster_id: str
    brokers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that exists. Of its partitions the worst one counts."""

    name: str
    partitions: int
    replicas: int  # least of any partition
    in_sync: int  # least of any partition
    leaderless: int  # partitions
    has_id: bool  # brokers before 2.8 give none
    allowed: frozenset[str] | None  # what this user may do, as in {"READ", "DESCRIBE"}; None: the broker does not tell
    settings: Mapping[str, str] | None  # None: this user may not see them

    @classmethod
    def from_description(cls, description: Any, settings: Mapping[str, str] | None) -> "Topic":
        """Return the topic of an admin client's TopicDescription."""
        partitions = description.partitions
        return cls(
            name=description.name,
            partitions=len(partitions),
            replicas=min(len(partition.replicas) for partition in partitions),
            in_sync=min(len(partition.isr) for partition in partitions),
            leaderless=sum(partition.leader is None or partition.leader.id < 0 for partition in partitions),
            has_id=bool(description.topic_id) and set(str(description.topic_id)) != {"A"},
            allowed=_operations(description),
            settings=settings,
        )

    def number(self, setting: str) -> int | None:
        """Return an integer setting; None when it cannot be seen."""
        text = (self.settings or {}).get(setting, "")
        return int(text) if text.removeprefix("-").isdecimal() else None


@dataclass(frozen=True, slots=True)
class Missing:
    """A topic that does not exist, or not for this user, and the one whose name is nearest."""

    name: str
    nearest: str | None = None
    denied: bool = False  # the broker says that this user may not know


@dataclass(frozen=True, slots=True)
class ConsumerGroup:
    """A consumer group as its coordinator sees it."""

    state: str | None  # None: there is no such group yet
    members: int
    instances: Sequence[str]  # the members' group.instance.id, where they have one
    allowed: frozenset[str] | None  # as a topic's
    protocol: str = ""  # classic or consumer; empty: the broker does not tell
    assignor: str = ""  # in use; empty while there is none

    @classmethod
    def from_description(cls, description: Any) -> "ConsumerGroup":
        """Return the group of an admin client's ConsumerGroupDescription."""
        members = list(description.members or [])
        state = getattr(description.state, "name", str(description.state))
        return cls(
            None if state == "DEAD" else state,
            len(members),
            [str(member.group_instance_id) for member in members if member.group_instance_id],
            _operations(description),
            _PROTOCOLS.get(getattr(description.type, "name", ""), ""),
            description.partition_assignor,
        )


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """The settings to join a group with: group.instance.id, group.protocol, partition.assignment.strategy."""

    instance: str | None = None
    protocol: str = "classic"
    assignors: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """The committed offset of a group in a partition (None: there is none), and the offsets that are there."""

    partition: int
    committed: int | None
    low: int
    high: int

    @property
    def start(self) -> int:
        """The offset that is read next; where that is deleted, the oldest."""
        return self.low if self.committed is None or not self.low <= self.committed <= self.high else self.committed


@dataclass(frozen=True, slots=True)
class FirstRecord:
    """The first record that a group has not read. `timestamp` is in ms since the epoch, -1 when it has none."""

    partition: int
    offset: int
    timestamp: int
    value: bytes | None
    headers: Headers = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The broker's time `latest`, or a little later, read once between `before` and `after` of this machine; all in ms.

    None: it could not be read, since a record dated `hidden_by` hides it, or (-1) since a transaction of another
    producer stays open.
    """

    before: int
    after: int
    latest: int | None
    hidden_by: int = -1


def _operations(description: Any) -> frozenset[str] | None:
    """Return what this user may do with a topic or group; None where the broker does not tell."""
    allowed = description.authorized_operations
    return frozenset(operation.name for operation in allowed) if allowed else None
