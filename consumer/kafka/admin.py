"""Asks brokers about topics and rights, and makes topics, at the start of a run: nothing is called in the loop."""

import os
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.admin._topic import TopicDescription
from confluent_kafka.cimpl import NewTopic

from consumer.errors import WorkerError
from consumer.kafka import connection_errors
from consumer.kafka.client import open_client
from consumer.kafka.config import Connection
from consumer.kafka.connection_errors import ConnectionErrors, Right
from consumer.kafka.errors import explain

# After each of these, whether all brokers refuse is looked at. The first is as long as it takes a client to try both
# addresses of a name (inspector.py); what is left of the time goes to the last wait.
_FIRST_WAITS = (1.0, 1.0)
_DENIED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}


class Admin:
    """One conversation with the brokers; `seconds` bounds each answer. Every method raises WorkerError, in one line."""

    def __init__(self, connection: Connection, *, seconds: float = 10.0) -> None:
        self._connection = connection
        self._servers = connection.bootstrap_servers
        self._properties = connection.properties
        self._seconds = seconds
        # not a method of ours: in a cycle the client would end when the garbage is collected, on whichever thread
        self._heard = ConnectionErrors()
        self._client = open_client(AdminClient, {**connection.admin(), "error_cb": self._heard})

    def missing_topics(self, topics: Sequence[str]) -> list[str]:
        """Those of `topics` that do not exist, or that this user may not see, in the order given."""
        there = self._cluster().topics
        return [topic for topic in topics if topic not in there]

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

        `read` and `write` are topics, `group` is the one whose offsets are kept, `ids` is how transactional ids begin.
        With `create`, the topics whose creation was denied, no other is called missing: of those that were made a
        moment ago not every broker knows yet.
        """
        missing, denied = self._lacking(read, write)
        denied = [Right("Create", "topic", topic) for topic in create or ()] + denied + self._of_group(group)
        if denied and ids is not None:
            denied += self._of_ids(ids)
        faults = [_missing(missing)] if missing and create is None else []
        if denied:
            faults.append(connection_errors.denied(denied, self._connection))
        if faults:
            raise WorkerError(f"{self._servers}: {'; '.join(faults)}")

    def _of_group(self, group_id: str | None) -> list[Right]:
        """Read, if this user may not keep offsets for the group: who asks for them is only kept waiting."""
        if group_id is None or not self._has_controller(self._cluster()):
            return []
        (asked,) = self._client.describe_consumer_groups(
            [group_id], include_authorized_operations=True, request_timeout=self._seconds
        ).values()
        try:
            allowed = asked.result(self._seconds * 2).authorized_operations
        except KafkaException as exception:
            denied = exception.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED
        else:
            denied = bool(allowed) and AclOperation.READ not in allowed
        return [Right("Read", "group", group_id)] if denied else []

    def _of_ids(self, begin: str) -> list[Right]:
        """Write, if this user may not take a transactional id that begins so. Taken is one that no worker has."""
        own = f"{begin}{socket.gethostname()}-check-{os.getpid()}-rights"
        producer = open_client(Producer, {**self._connection.producer(own), "error_cb": self._heard})
        try:
            producer.init_transactions(self._seconds)
        except KafkaException as exception:
            if exception.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                return [Right("Write", "transactional-id", begin, prefixed=True)]
        return []

    def trouble(self, topics: Sequence[str], witness: str) -> str | None:
        """Why nothing can be written to `topics`, in one line: as far as a broker says so that knows the topic
        `witness`."""
        try:
            missing, denied = self._lacking([witness], topics)
        except (WorkerError, KafkaException):  # whatever else is wrong, it is not known to be this
            return None
        if witness in missing:
            return None
        if missing:
            gone = ", ".join(missing)
            return f"{gone}: gone since this worker started; create the topic, or have run make it (--create-topics)"
        return connection_errors.denied(denied, self._connection) if denied else None

    def topic_settings(self, topics: Sequence[str]) -> dict[str, dict[str, str] | None]:
        """Return the settings of each topic; None where they cannot be seen, for whatever reason."""
        cluster = self._cluster()
        if not self._has_controller(cluster):  # as in the embedded broker, which keeps none
            return dict.fromkeys(topics)
        wanted = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        asked = self._client.describe_configs(wanted, request_timeout=self._seconds)
        return {resource.name: _settings(told, self._seconds * 2) for resource, told in asked.items()}

    def _lacking(self, read: Sequence[str], write: Sequence[str]) -> tuple[list[str], list[Right]]:
        """Return which of these topics are missing, and the rights on them that this user lacks."""
        cluster = self._cluster()
        needs = dict.fromkeys(read, AclOperation.READ) | dict.fromkeys(write, AclOperation.WRITE)
        asked = self._described([*needs]) if self._has_controller(cluster) else {}
        denied = {topic for topic, told in asked.items() if _refused(told, needs[topic], self._seconds * 2)}
        # one that this user may do nothing with is not listed, and not told from one that is not there
        missing = [topic for topic in needs if topic not in cluster.topics and topic not in denied]
        return missing, [Right(needs[topic].name.capitalize(), "topic", topic) for topic in needs if topic in denied]

    def _has_controller(self, cluster: ClusterMetadata) -> bool:
        """Return whether rights can be asked for: the embedded broker has no controller, and a question would wait."""
        return cluster.controller_id in cluster.brokers

    def _described(self, topics: list[str]) -> "dict[str, Future[TopicDescription]]":
        """With what this user may do with each."""
        wanted = TopicCollection(topics)
        return self._client.describe_topics(wanted, include_authorized_operations=True, request_timeout=self._seconds)

    def create_topics(
        self, topics: Sequence[str], partitions: int, replication_factor: int = -1
    ) -> tuple[list[str], list[str]]:
        """Create those that are missing; return those made, and those that this user may not create.

        A factor of -1 is the brokers' own default.
        """
        new = [NewTopic(topic, partitions, replication_factor) for topic in self.missing_topics(topics)]
        asked = self._client.create_topics(new, operation_timeout=self._seconds) if new else {}
        codes = {topic: self._creation(topic, told) for topic, told in asked.items()}
        made = [topic for topic, code in codes.items() if code is None]
        return made, [topic for topic, code in codes.items() if code in _DENIED]

    def _creation(self, topic: str, told: "Future[None]") -> int | None:
        """Return the code of the error, None when the topic was made; another worker may have been faster."""
        try:
            told.result(self._seconds * 2)
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            code = error.code()
            if code not in _DENIED and code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise WorkerError(explain(error, f"create topic {topic}")) from exception
            return code
        return None

    def readers(self, group_id: str, topic: str, partition: int) -> list[str]:
        """The hosts of the group's members that this partition is assigned to."""
        doing = f"describe group {group_id}"
        (answer,) = self._client.describe_consumer_groups([group_id], request_timeout=self._seconds).values()
        try:
            members = answer.result(self._seconds * 2).members
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.code() == KafkaError.GROUP_ID_NOT_FOUND:
                return []
            raise WorkerError(explain(error, doing)) from exception
        return [
            member.host
            for member in members
            for place in (member.assignment.topic_partitions if member.assignment else ())
            if (place.topic, place.partition) == (topic, partition)
        ]

    def _cluster(self) -> ClusterMetadata:
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
                if over or self._heard.all_down:
                    within = f" within {self._seconds:g} s" if over else ""
                    why = self._heard.why(self._properties)
                    raise WorkerError(f"no Kafka broker answered at {self._servers}{within}: {why}") from exception


def _settings(told: "Future[dict[str, Any]]", seconds: float) -> dict[str, str] | None:
    try:
        return {name: str(entry.value) for name, entry in told.result(seconds).items()}
    except (KafkaException, TimeoutError):
        return None


def _missing(topics: Sequence[str]) -> str:
    what = "topic is" if len(topics) == 1 else "topics are"
    named = f"{len(topics)} {what} missing: {', '.join(topics)}"
    return f"{named}; create them, or have them made by run --create-topics"


def _refused(description: "Future[TopicDescription]", need: AclOperation, seconds: float) -> bool:
    """Whether the broker says that this user may not do that with the topic."""
    try:
        allowed = description.result(seconds).authorized_operations
    except KafkaException as exception:
        return bool(exception.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED)
    return bool(allowed) and need not in allowed  # none at all: this broker does not tell
