"""What the brokers say of themselves, of topics and of the group. Asks, and changes nothing."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from difflib import get_close_matches
from functools import partial
from typing import Any, Final

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.admin._topic import TopicDescription

from consumer.errors import WorkerError
from consumer.kafka.client import open_client, request
from consumer.kafka.config import Connection
from consumer.kafka.connection_errors import ConnectionErrors
from consumer.kafka.descriptions import Cluster, ConsumerGroup, Missing, Topic
from consumer.kafka.errors import explain

# a name may stand for two addresses, as localhost does, which the client tries one after the other: after the first it
# says that all are down (one of them refusing, 2 checks of 4 gave up without this pause, none of 8 with it)
_ALL_DOWN_SECONDS: Final = 1.0
_WHICH: Any = OffsetSpec  # whose methods have no types
_PROTOCOLS: Final = {"CLASSIC": "classic", "CONSUMER": "consumer"}  # as group.protocol spells them
_ABSENT: Final = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
}


class Inspector:
    """`seconds` bounds each answer. Every method raises WorkerError, in one line."""

    def __init__(self, connection: Connection, *, seconds: float = 10.0) -> None:
        self._servers = connection.bootstrap_servers
        self._seconds = seconds
        self._properties = connection.properties
        self._heard = ConnectionErrors()
        self._client = open_client(AdminClient, {**connection.admin(), "error_cb": self._heard})

    def cluster(self) -> Cluster:
        """Who answers. Raises soon when the client has tried all the brokers it was told of, in vain."""
        question = self._client.describe_cluster(request_timeout=self._seconds)
        begun = time.monotonic()
        while not question.done() and time.monotonic() - begun < self._seconds:
            self._client.poll(0.05)
            if self._heard.all_down and time.monotonic() - begun > _ALL_DOWN_SECONDS:
                raise self._unreached()
        try:
            found = question.result(1.0)
        except (KafkaException, TimeoutError):
            raise self._unreached() from None
        return Cluster(str(found.cluster_id), [f"{node.host}:{node.port}" for node in found.nodes])

    def _unreached(self) -> WorkerError:
        return WorkerError(f"no Kafka broker answered at {self._servers}: {self._heard.why(self._properties)}")

    def topics(self, names: Sequence[str]) -> dict[str, Topic | Missing]:
        """Each of these topics, by its name."""
        wanted = TopicCollection(list(names))
        asked = self._client.describe_topics(wanted, include_authorized_operations=True, request_timeout=self._seconds)
        found = {name: self._there(name, told) for name, told in asked.items()}
        settings = self._settings([name for name, described in found.items() if not isinstance(described, int)])
        return {
            name: self._missing(name, each) if isinstance(each, int) else _topic(each, settings[name])
            for name, each in found.items()
        }

    def _missing(self, name: str, code: int) -> Missing:
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return Missing(name, denied=True)
        return Missing(name, self._nearest(name))

    def _there(self, name: str, told: "Future[TopicDescription]") -> TopicDescription | int:
        """Return the topic, or the code of the error that says why there is none."""
        try:
            return told.result(self._seconds * 2)
        except KafkaException as exception:
            if exception.args[0].code() not in _ABSENT:
                raise WorkerError(explain(exception.args[0], f"describe topic {name}")) from exception
            return int(exception.args[0].code())

    def _settings(self, names: Sequence[str]) -> dict[str, dict[str, str] | None]:
        """By topic; None where this user may not see them."""
        if not names:
            return {}
        wanted = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        asked = self._client.describe_configs(wanted, request_timeout=self._seconds)
        return {resource.name: self._texts(told) for resource, told in asked.items()}

    def _texts(self, told: "Future[dict[str, Any]]") -> dict[str, str] | None:
        try:
            return {name: str(entry.value) for name, entry in told.result(self._seconds * 2).items()}
        except KafkaException as exception:
            if exception.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise WorkerError(explain(exception.args[0], "ask for the settings of topics")) from exception
            return None

    def _nearest(self, name: str) -> str | None:
        names = request("list the topics", partial(self._client.list_topics, timeout=self._seconds), 0).topics
        return next(iter(get_close_matches(name, [each for each in names if each != name], n=1, cutoff=0.5)), None)

    def group(self, group_id: str) -> ConsumerGroup:
        """The consumer group."""

        def ask() -> ConsumerGroup:
            (told,) = self._client.describe_consumer_groups(
                [group_id], include_authorized_operations=True, request_timeout=self._seconds
            ).values()
            try:
                found = told.result(self._seconds * 2)
            except KafkaException as exception:
                if exception.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                    return ConsumerGroup(None, 0, [], None)
                raise
            members = list(found.members or [])
            instances = [str(each.group_instance_id) for each in members if each.group_instance_id]
            state = getattr(found.state, "name", str(found.state))
            return ConsumerGroup(
                None if state == "DEAD" else state,
                len(members),
                instances,
                _names(found),
                _PROTOCOLS.get(getattr(found.type, "name", ""), ""),
                found.partition_assignor,
            )

        return request(f"describe group {group_id}", ask, self._seconds)

    def newest(self, topic: str, partitions: int) -> dict[int, tuple[int, int]]:
        """Offset and timestamp (ms) of the record dated latest in each partition; where there is none, -1 and -1.

        The ends of transactions count as well: the broker writes them down with its own time.
        """
        found = self._offsets(topic, partitions, _WHICH.max_timestamp())
        return {number: (each.offset, each.timestamp) for number, each in found.items()}

    def ends(self, topic: str, partitions: int, *, committed: bool = False) -> dict[int, int]:
        """The offset after the last one of each partition; with `committed` only as far as no transaction is open."""
        found = self._offsets(topic, partitions, _WHICH.latest(), committed=committed)
        return {number: each.offset for number, each in found.items()}

    def _offsets(
        self, topic: str, partitions: int, which: OffsetSpec, *, committed: bool = False
    ) -> dict[int, ListOffsetsResultInfo]:
        wanted = {TopicPartition(topic, number): which for number in range(partitions)}
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED

        def ask() -> dict[int, ListOffsetsResultInfo]:
            asked = self._client.list_offsets(wanted, isolation_level=level, request_timeout=self._seconds)
            return {place.partition: told.result(self._seconds * 2) for place, told in asked.items()}

        return request(f"ask for offsets of {topic}", ask, self._seconds)


def _topic(found: TopicDescription, settings: dict[str, str] | None) -> Topic:
    partitions = found.partitions
    return Topic(
        name=found.name,
        partitions=len(partitions),
        replicas=min(len(each.replicas) for each in partitions),
        in_sync=min(len(each.isr) for each in partitions),
        leaderless=sum(_leaderless(each) for each in partitions),
        has_id=bool(found.topic_id) and set(str(found.topic_id)) != {"A"},
        allowed=_names(found),
        settings=settings,
    )


def _leaderless(partition: Any) -> bool:
    return partition.leader is None or partition.leader.id < 0  # which the stub does not know


def _names(found: Any) -> frozenset[str] | None:
    """What the user may do with it; None where the broker does not tell."""
    allowed = found.authorized_operations
    return frozenset(each.name for each in allowed) if allowed else None
