"""Asks brokers about themselves, topics, groups and rights, and creates topics. Never called in the worker's loop."""

import os
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future
from difflib import get_close_matches
from functools import partial
from typing import Any, Final

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.admin._topic import TopicDescription
from confluent_kafka.cimpl import NewTopic

from consumer.errors import WorkerError
from consumer.kafka import connection_errors
from consumer.kafka.client import open_client, request
from consumer.kafka.config import Connection
from consumer.kafka.connection_errors import ConnectionErrors, Right
from consumer.kafka.descriptions import Cluster, ConsumerGroup, Missing, Topic
from consumer.kafka.errors import explain
from consumer.kafka.membership import InputTopics
from consumer.records import Partition

# A name may stand for two addresses, as localhost does, which the client tries one after the other: after the first it
# says that all are down (one of them refusing, 2 checks of 4 gave up without this pause, none of 8 with it).
_ALL_DOWN_SECONDS: Final = 1.0
# After these waits the client is asked whether all brokers refuse; the last one takes the rest of the time.
_FIRST_WAITS: Final = (_ALL_DOWN_SECONDS, 1.0)
_DENIED: Final = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}
_OFFSET_SPEC: Any = OffsetSpec  # whose methods have no types
_ABSENT: Final = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
}


class Admin:
    """An admin client; `seconds` bounds every answer. Every method raises WorkerError, in one line."""

    def __init__(self, connection: Connection, *, seconds: float = 10.0) -> None:
        self._connection = connection
        self._servers = connection.bootstrap_servers
        self._seconds = seconds
        # not a method of ours: in a cycle the client would end when the garbage is collected, on whichever thread
        self._errors = ConnectionErrors()
        self._client = open_client(AdminClient, {**connection.admin(), "error_cb": self._errors})

    # -- what a run needs at its start ---------------------------------------------------------------------------

    def missing_topics(self, topics: Sequence[str]) -> list[str]:
        """Return those of `topics` that do not exist, or that this user may not see, in the same order."""
        existing = self._metadata().topics
        return [topic for topic in topics if topic not in existing]

    def input_topics(self, inputs: InputTopics) -> list[str]:
        """Return the named topics, then those that a pattern matches, if they exist and this user may see them."""
        matching = filter(inputs.matches, self._metadata().topics) if inputs.patterns else ()
        return [*inputs.names, *sorted(set(matching).difference(inputs.names))]

    def require_topics(
        self,
        read: Sequence[str] = (),
        write: Sequence[str] = (),
        *,
        group: str | None = None,
        ids: str | None = None,
        create: Sequence[str] | None = None,
    ) -> None:
        """Raise when topics are missing or this user lacks rights, naming all of them.

        `read` and `write` are topics, `group` is the one whose offsets are committed, `ids` is the prefix of
        transactional ids. With `create`, the topics whose creation was denied, no other is called missing: not every
        broker knows yet of those that were created a moment ago.
        """
        metadata = self._metadata()
        missing, denied = self._missing_and_denied(metadata, read, write)
        denied = [Right("Create", "topic", topic) for topic in create or ()] + denied
        denied += self._denied_group(metadata, group)
        if denied and ids is not None:
            denied += self._denied_ids(ids)
        faults = [_missing_message(missing)] if missing and create is None else []
        if denied:
            faults.append(connection_errors.denied(denied, self._connection))
        if faults:
            raise WorkerError(f"{self._servers}: {'; '.join(faults)}")

    def _denied_group(self, metadata: ClusterMetadata, group_id: str | None) -> list[Right]:
        """Return Read, if this user may not commit offsets for the group: a consumer would only be kept waiting."""
        if group_id is None or not self._has_controller(metadata):
            return []
        try:
            allowed = self._describe_group(group_id).authorized_operations
        except KafkaException as exception:
            denied = exception.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED
        else:
            denied = bool(allowed) and AclOperation.READ not in allowed
        return [Right("Read", "group", group_id)] if denied else []

    def _denied_ids(self, prefix: str) -> list[Right]:
        """Return Write, if this user may not use a transactional id with this prefix. Tries one that no worker has."""
        own = f"{prefix}{socket.gethostname()}-check-{os.getpid()}-rights"
        producer = open_client(Producer, {**self._connection.producer(own), "error_cb": self._errors})
        try:
            producer.init_transactions(self._seconds)
        except KafkaException as exception:
            if exception.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                return [Right("Write", "transactional-id", prefix, prefixed=True)]
        return []

    def trouble(self, inputs: InputTopics) -> str | None:
        """Return in one line why the outputs cannot be written; None where no broker that knows an input says so."""
        try:
            metadata = self._metadata()
            missing, denied = self._missing_and_denied(metadata, [], inputs.outputs)
        except (WorkerError, KafkaException):  # any other failure is not known to be this
            return None
        if not any(map(inputs.matches, metadata.topics)):
            return None
        if missing:
            names = ", ".join(missing)
            return f"{names}: gone since this worker started; create the topic, or have run make it (--create-topics)"
        return connection_errors.denied(denied, self._connection) if denied else None

    def _missing_and_denied(
        self, metadata: ClusterMetadata, read: Sequence[str], write: Sequence[str]
    ) -> tuple[list[str], list[Right]]:
        """Return which of these topics are missing, and the rights on them that this user lacks."""
        needs = dict.fromkeys(read, AclOperation.READ) | dict.fromkeys(write, AclOperation.WRITE)
        answers = self._describe_topics([*needs]) if self._has_controller(metadata) else {}
        denied = {topic for topic, answer in answers.items() if self._is_denied(answer, needs[topic])}
        # a topic on which this user has no right is not listed: it looks like one that does not exist
        missing = [topic for topic in needs if topic not in metadata.topics and topic not in denied]
        return missing, [Right(needs[topic].name.capitalize(), "topic", topic) for topic in needs if topic in denied]

    def _is_denied(self, answer: "Future[TopicDescription]", operation: AclOperation) -> bool:
        try:
            allowed = answer.result(self._seconds * 2).authorized_operations
        except KafkaException as exception:
            return bool(exception.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED)
        return bool(allowed) and operation not in allowed  # none at all: this broker does not tell

    def _has_controller(self, metadata: ClusterMetadata) -> bool:
        """Return whether rights can be asked for: the embedded broker has no controller, and a request would wait."""
        return metadata.controller_id in metadata.brokers

    def create_topics(
        self, topics: Sequence[str], partitions: int, replication_factor: int = -1
    ) -> tuple[list[str], list[str]]:
        """Create those that are missing; return those created, and those that this user may not create.

        A factor of -1 is the brokers' own default.
        """
        new = [NewTopic(topic, partitions, replication_factor) for topic in self.missing_topics(topics)]
        answers = self._client.create_topics(new, operation_timeout=self._seconds) if new else {}
        codes = {topic: self._creation_error(topic, answer) for topic, answer in answers.items()}
        created = [topic for topic, code in codes.items() if code is None]
        return created, [topic for topic, code in codes.items() if code in _DENIED]

    def _creation_error(self, topic: str, answer: "Future[None]") -> int | None:
        """Return the code of the error, None when the topic was created; another worker may have been faster."""
        try:
            answer.result(self._seconds * 2)
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            code = error.code()
            if code not in _DENIED and code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise WorkerError(explain(error, f"create topic {topic}")) from exception
            return code
        return None

    def topic_settings(self, topics: Sequence[str]) -> dict[str, dict[str, str] | None]:
        """Return the settings by topic; None where they cannot be read, for any reason."""
        if not self._has_controller(self._metadata()):  # as in the embedded broker, which keeps none
            return dict.fromkeys(topics)
        settings: dict[str, dict[str, str] | None] = {}
        for topic, answer in self._describe_configs(topics).items():
            try:
                settings[topic] = _texts(answer.result(self._seconds * 2))
            except (KafkaException, TimeoutError):
                settings[topic] = None
        return settings

    def readers(self, group_id: str, partition: Partition) -> list[str]:
        """Return the hosts of the group's members that this partition is assigned to."""
        try:
            members = self._describe_group(group_id).members
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.code() == KafkaError.GROUP_ID_NOT_FOUND:
                return []
            raise WorkerError(explain(error, f"describe group {group_id}")) from exception
        return [
            member.host
            for member in members
            for assigned in (member.assignment.topic_partitions if member.assignment else ())
            if (assigned.topic, assigned.partition) == partition
        ]

    # -- descriptions --------------------------------------------------------------------------------------------

    def cluster(self) -> Cluster:
        """Return the cluster. Raises soon when the client has tried all the brokers that it knows, in vain."""
        answer = self._client.describe_cluster(request_timeout=self._seconds)
        began = time.monotonic()
        while not answer.done() and time.monotonic() - began < self._seconds:
            self._client.poll(0.05)
            if self._errors.all_down and time.monotonic() - began > _ALL_DOWN_SECONDS:
                raise self._unreachable()
        try:
            cluster = answer.result(1.0)
        except (KafkaException, TimeoutError):
            raise self._unreachable() from None
        return Cluster(str(cluster.cluster_id), [f"{node.host}:{node.port}" for node in cluster.nodes])

    def topics(self, names: Sequence[str]) -> dict[str, Topic | Missing]:
        """Return these topics by name."""
        answers = {name: self._description(name, answer) for name, answer in self._describe_topics(names).items()}
        settings = self._settings([name for name, answer in answers.items() if not isinstance(answer, int)])
        return {
            name: self._missing(name, answer)
            if isinstance(answer, int)
            else Topic.from_description(answer, settings[name])
            for name, answer in answers.items()
        }

    def _description(self, name: str, answer: "Future[TopicDescription]") -> TopicDescription | int:
        """Return the topic, or the code of the error that says why there is none."""
        try:
            return answer.result(self._seconds * 2)
        except KafkaException as exception:
            if exception.args[0].code() not in _ABSENT:
                raise WorkerError(explain(exception.args[0], f"describe topic {name}")) from exception
            return int(exception.args[0].code())

    def _missing(self, name: str, code: int) -> Missing:
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return Missing(name, denied=True)
        names = request("list the topics", partial(self._client.list_topics, timeout=self._seconds), 0).topics
        nearest = get_close_matches(name, [other for other in names if other != name], n=1, cutoff=0.5)
        return Missing(name, next(iter(nearest), None))

    def _settings(self, names: Sequence[str]) -> dict[str, dict[str, str] | None]:
        """Return the settings by topic; None where this user may not see them."""
        settings: dict[str, dict[str, str] | None] = {}
        for name, answer in (self._describe_configs(names) if names else {}).items():
            try:
                settings[name] = _texts(answer.result(self._seconds * 2))
            except KafkaException as exception:
                if exception.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise WorkerError(explain(exception.args[0], "ask for the settings of topics")) from exception
                settings[name] = None
        return settings

    def group(self, group_id: str) -> ConsumerGroup:
        """Return the consumer group."""
        return request(f"describe group {group_id}", partial(self._group, group_id), self._seconds)

    def _group(self, group_id: str) -> ConsumerGroup:
        try:
            group = self._describe_group(group_id)
        except KafkaException as exception:
            if exception.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return ConsumerGroup(None, 0, [], None)
            raise
        return ConsumerGroup.from_description(group)

    def newest(self, topic: str, partitions: int) -> dict[int, tuple[int, int]]:
        """Return offset and timestamp (ms) of the latest record by partition; -1 and -1 where there is none.

        The ends of transactions count as well: the broker writes them with its own time.
        """
        offsets = self._offsets(topic, partitions, _OFFSET_SPEC.max_timestamp())
        return {number: (offset.offset, offset.timestamp) for number, offset in offsets.items()}

    def ends(self, topic: str, partitions: int, *, committed: bool = False) -> dict[int, int]:
        """Return the ends by partition; with `committed` only as far as no transaction is open."""
        offsets = self._offsets(topic, partitions, _OFFSET_SPEC.latest(), committed=committed)
        return {number: offset.offset for number, offset in offsets.items()}

    def _offsets(
        self, topic: str, partitions: int, which: OffsetSpec, *, committed: bool = False
    ) -> dict[int, ListOffsetsResultInfo]:
        specs = {TopicPartition(topic, number): which for number in range(partitions)}
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED

        def ask() -> dict[int, ListOffsetsResultInfo]:
            answers = self._client.list_offsets(specs, isolation_level=level, request_timeout=self._seconds)
            return {asked.partition: answer.result(self._seconds * 2) for asked, answer in answers.items()}

        return request(f"ask for offsets of {topic}", ask, self._seconds)

    # -- requests ------------------------------------------------------------------------------------------------

    def _metadata(self) -> ClusterMetadata:
        """Ask for the metadata, several times: while it waits, the client does not say that all brokers are down."""
        deadline = time.monotonic() + self._seconds
        waits = iter(_FIRST_WAITS)
        while True:
            left = deadline - time.monotonic()
            try:
                return self._client.list_topics(timeout=max(0.0, min(left, next(waits, left))))
            except KafkaException as exception:
                self._client.poll(0)  # lets the client say why
                over = time.monotonic() >= deadline
                if over or self._errors.all_down:
                    raise self._unreachable(f" within {self._seconds:g} s" if over else "") from exception

    def _unreachable(self, within: str = "") -> WorkerError:
        why = self._errors.why(self._connection.properties)
        return WorkerError(f"no Kafka broker answered at {self._servers}{within}: {why}")

    def _describe_topics(self, names: Sequence[str]) -> "dict[str, Future[TopicDescription]]":
        """Ask for topics, with what this user may do with them."""
        topics = TopicCollection(list(names))
        return self._client.describe_topics(topics, include_authorized_operations=True, request_timeout=self._seconds)

    def _describe_configs(self, names: Sequence[str]) -> "dict[str, Future[dict[str, Any]]]":
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = self._client.describe_configs(resources, request_timeout=self._seconds)
        return {resource.name: answer for resource, answer in answers.items()}

    def _describe_group(self, group_id: str) -> Any:  # its stub does not know that a member may have no assignment
        """Return the group, with what this user may do with it. Raises KafkaException."""
        (answer,) = self._client.describe_consumer_groups(
            [group_id], include_authorized_operations=True, request_timeout=self._seconds
        ).values()
        return answer.result(self._seconds * 2)


def _texts(config: dict[str, Any]) -> dict[str, str]:
    return {name: str(entry.value) for name, entry in config.items()}


def _missing_message(topics: Sequence[str]) -> str:
    what = "topic is" if len(topics) == 1 else "topics are"
    names = f"{len(topics)} {what} missing: {', '.join(topics)}"
    return f"{names}; create them, or let run --create-topics create them"
