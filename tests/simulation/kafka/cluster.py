"""The brokers: topics, the transaction coordinator, the group, and whether they can be reached."""

import itertools
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from confluent_kafka import KafkaError

from consumer.records import Partition
from tests.simulation.kafka.groups import Group
from tests.simulation.kafka.log import PartitionLog, Record, Transaction
from tests.simulation.kafka.transactions import BrokerError, Identity, TransactionCoordinator
from tests.simulation.world import World

_ANY_TIME = 1 << 63


class Observer(Protocol):
    """Follows what happens on the brokers."""

    def taken(self, transactional_id: str, owner: str) -> None:
        """A process has taken a transactional id."""

    def appended(self, topic: str, record: Record) -> None: ...
    def committed(self, transaction: Transaction | None, offsets: Mapping[Partition, int]) -> None:
        """A transaction is decided to commit, or (None) offsets are committed by themselves."""


class Topic:
    """A topic: its id, partitions and settings."""

    def __init__(self, topic_id: str, partitions: int, settings: dict[str, str]) -> None:
        self.topic_id = topic_id
        self.partitions = [PartitionLog() for _ in range(partitions)]
        self.settings = settings

    def refuses(self, record: Record) -> int | None:
        """Return Kafka's error code for a record that the topic does not take."""
        size = len(record.key or b"") + len(record.value or b"")
        if size > int(self.settings.get("max.message.bytes", 1 << 20)):
            return int(KafkaError.MSG_SIZE_TOO_LARGE)
        if record.key is None and "compact" in self.settings.get("cleanup.policy", ""):
            return int(KafkaError.INVALID_RECORD)
        if record.timestamp > int(self.settings.get("message.timestamp.after.max.ms", _ANY_TIME)):
            return int(KafkaError.INVALID_TIMESTAMP)  # after 1970: the simulated time has no date
        return None


class Cluster:
    """All that stands on the brokers. Coordinators know a partition by its index among those of all topics."""

    def __init__(self, world: World, cleanup_seconds: float = 10.0) -> None:
        """`cleanup_seconds`: how long at most a transaction stays open past its time-out."""
        self.world = world
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.on_topic: list[Callable[[], None]] = []
        """Called when a topic is created."""
        self.transactions = TransactionCoordinator(world, self._committed, self._taken, cleanup_seconds)
        self._observers: list[Observer] = []
        self._topic_ids = itertools.count(1)
        self._partitions: list[Partition] = []

    def create_topic(self, name: str, partitions: int = 1, settings: dict[str, str] | None = None) -> Topic:
        """Create a topic, with an id of its own."""
        topic = self.topics[name] = Topic(f"id-{next(self._topic_ids)}", partitions, settings or {})
        self._partitions += [Partition(name, number) for number in range(partitions)]
        for callback in self.on_topic:
            callback()
        return topic

    def create_group(self, group_id: str, kind: Literal["classic", "consumer"]) -> Group:
        """Create a group."""
        group = self.groups[group_id] = Group(self.world, group_id, self.indexes, kind)
        self.on_topic.append(group.topic_created)
        return group

    def partition(self, topic: str, number: int) -> PartitionLog:
        """Return a partition. Raises BrokerError when there is none."""
        found = self.topics.get(topic)
        if found is None or number >= len(found.partitions):
            raise BrokerError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return found.partitions[number]

    def index(self, topic: str, number: int) -> int:
        """Return the index of a partition. Raises BrokerError when there is none."""
        self.partition(topic, number)
        return self._partitions.index(Partition(topic, number))

    def indexes(self, topic: str) -> list[int]:
        """Return the indexes of a topic's partitions."""
        return [index for index, partition in enumerate(self._partitions) if partition.topic == topic]

    def partition_at(self, index: int) -> Partition:
        """Return the partition with an index."""
        return self._partitions[index]

    def commit_offsets(self, group: Group, offsets: dict[int, int]) -> None:
        """Commit a group's offsets without a transaction."""
        self._committed(None, offsets)
        self.transactions.commit_plain_offsets(group, offsets)

    def follow(self, observer: Observer) -> None:
        """Tell `observer` what happens from here on."""
        self._observers.append(observer)

    def append(self, identity: Identity | None, topic: str, number: int, record: Record) -> None:
        """Append a record to an output topic, in the transaction of `identity` if there is one."""
        partition = self.partition(topic, number)
        if identity is not None:
            self.transactions.require_open(identity, record.transaction)
        partition.append(record)
        for observer in self._observers:
            observer.appended(topic, record)

    def _committed(self, transaction: Transaction | None, offsets: Mapping[int, int]) -> None:
        by_partition = {self.partition_at(index): offset for index, offset in offsets.items()}
        for observer in self._observers:
            observer.committed(transaction, by_partition)

    def _taken(self, transactional_id: str, owner: str) -> None:
        for observer in self._observers:
            observer.taken(transactional_id, owner)
