"""Asking the brokers about topics, and making them. For the start of a run; nothing here is called in the loop."""

from collections.abc import Sequence
from functools import partial

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.cimpl import NewTopic

from consumer.errors import WorkerError
from consumer.kafka.client import open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import explain


class Admin:
    """One conversation with the brokers; `seconds` bounds each answer. Every method raises WorkerError, in one line."""

    def __init__(self, connection: Connection, *, seconds: float = 10.0) -> None:
        self._servers = connection.bootstrap_servers
        self._seconds = seconds
        self._reasons: list[str] = []
        # not a method of ours: in a cycle the client would end when the garbage is collected, on whichever thread
        note = partial(_note, self._reasons)
        self._client = open_client(AdminClient, {**connection.admin(), "error_cb": note})

    def missing_topics(self, topics: Sequence[str]) -> list[str]:
        """Those of `topics` that do not exist, or that this user may not see, in the order given."""
        there = self._topics()
        return [topic for topic in topics if topic not in there]

    def require_topics(self, topics: Sequence[str]) -> None:
        """Raises when any is missing, naming all of them."""
        missing = self.missing_topics(topics)
        if missing:
            what = "topic is" if len(missing) == 1 else "topics are"
            raise WorkerError(
                f"{self._servers}: {len(missing)} {what} missing (or hidden from this user): {', '.join(missing)}; "
                "create them, or start with --create-topics"
            )

    def trouble(self, topics: Sequence[str], witness: str) -> str | None:
        """Why nothing can be written to `topics`, in one line: as far as a broker says so that knows the topic
        `witness`."""
        try:
            missing = self.missing_topics([witness, *topics])
            closed = [] if missing else self._closed(topics)
        except (WorkerError, KafkaException):  # whatever else is wrong, it is not known to be this
            return None
        if witness not in missing and missing:
            return (
                f"{', '.join(missing)}: gone (or hidden from this user) since this worker started; "
                "create the topic, or start with --create-topics"
            )
        return (
            f"{', '.join(closed)}: this user may not write there; allow it to write all output topics"
            if closed
            else None
        )

    def _closed(self, topics: Sequence[str]) -> list[str]:
        """Those that this user may not write; none where the broker does not tell rights."""
        asked = self._client.describe_topics(
            TopicCollection(list(topics)), include_authorized_operations=True, request_timeout=self._seconds
        )
        allowed = {topic: answer.result(self._seconds).authorized_operations for topic, answer in asked.items()}
        return [topic for topic in topics if allowed[topic] and AclOperation.WRITE not in allowed[topic]]

    def create_topics(self, topics: Sequence[str], partitions: int, replication_factor: int = -1) -> list[str]:
        """Creates those that are missing and names them. A factor of -1 is the brokers' own default."""
        new = [NewTopic(topic, partitions, replication_factor) for topic in self.missing_topics(topics)]
        if not new:
            return []
        for topic, answer in self._client.create_topics(new, operation_timeout=self._seconds).items():
            try:
                answer.result(self._seconds * 2)
            except KafkaException as exception:
                error: KafkaError = exception.args[0]
                if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another worker was faster
                    raise WorkerError(explain(error, f"create topic {topic}")) from exception
        return [topic.topic for topic in new]

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

    def _topics(self) -> set[str]:
        try:
            return set(self._client.list_topics(timeout=self._seconds).topics)
        except KafkaException as exception:
            self._client.poll(0)  # lets the client say why
            why = f" ({self._reasons[-1]})" if self._reasons else ""
            raise WorkerError(
                f"no Kafka broker answered at {self._servers} within {self._seconds:g} s{why}; "
                "start one, or give the right --bootstrap-servers"
            ) from exception


def _note(reasons: list[str], error: KafkaError) -> None:
    if error.code() != KafkaError._ALL_BROKERS_DOWN:
        reasons.append(error.str())
