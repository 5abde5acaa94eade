"""Asking the brokers about topics, and making them. For the start of a run; nothing here is called in the loop."""

from collections.abc import Sequence
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.admin._topic import TopicDescription
from confluent_kafka.cimpl import NewTopic

from consumer.errors import WorkerError
from consumer.kafka.client import open_client
from consumer.kafka.config import Connection
from consumer.kafka.errors import explain
from consumer.kafka.unreached import Heard

_DENIED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}


class Admin:
    """One conversation with the brokers; `seconds` bounds each answer. Every method raises WorkerError, in one line."""

    def __init__(self, connection: Connection, *, seconds: float = 10.0) -> None:
        self._servers = connection.bootstrap_servers
        self._properties = connection.properties
        self._seconds = seconds
        # not a method of ours: in a cycle the client would end when the garbage is collected, on whichever thread
        self._heard = Heard()
        self._client = open_client(AdminClient, {**connection.admin(), "error_cb": self._heard})

    def missing_topics(self, topics: Sequence[str]) -> list[str]:
        """Those of `topics` that do not exist, or that this user may not see, in the order given."""
        there = self._cluster().topics
        return [topic for topic in topics if topic not in there]

    def require_topics(self, read: Sequence[str] = (), write: Sequence[str] = ()) -> None:
        """Raises when one of these topics is missing, or this user may not read or write it, naming all of them."""
        missing, denied = self._lacking(read, write)
        if missing:
            what = "topic is" if len(missing) == 1 else "topics are"
            raise WorkerError(
                f"{self._servers}: {len(missing)} {what} missing: {', '.join(missing)}; "
                "create them, or have them made by run --create-topics"
            )
        _refuse(denied)

    def require_rights(self, read: Sequence[str] = (), write: Sequence[str] = ()) -> None:
        """Raises for rights alone: of topics that were made a moment ago not every broker knows yet."""
        _refuse(self._lacking(read, write)[1])

    def require_group(self, group_id: str) -> None:
        """Raises when this user may not keep offsets for the group: who asks for them is only kept waiting."""
        (answer,) = self._client.describe_consumer_groups([group_id], request_timeout=self._seconds).values()
        try:
            answer.result(self._seconds * 2)
        except KafkaException as exception:
            if exception.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                raise WorkerError(f"{self._servers}: {_denied([f'Read on group {group_id}'])}") from exception

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
        return _denied(denied) if denied else None

    def _lacking(self, read: Sequence[str], write: Sequence[str]) -> tuple[list[str], list[str]]:
        """Of these topics those that are missing; and the rights that this user lacks, as `Write on topic NAME`."""
        cluster = self._cluster()
        needs = dict.fromkeys(read, AclOperation.READ) | dict.fromkeys(write, AclOperation.WRITE)
        # the question is the controller's: where there is none, as in the embedded broker, it would wait for one
        asked = self._described([*needs]) if cluster.controller_id in cluster.brokers else {}
        denied = {topic for topic, told in asked.items() if _refused(told, needs[topic], self._seconds * 2)}
        # one that this user may do nothing with is not listed, and not told from one that is not there
        missing = [topic for topic in needs if topic not in cluster.topics and topic not in denied]
        return missing, [f"{needs[topic].name.capitalize()} on topic {topic}" for topic in needs if topic in denied]

    def _described(self, topics: list[str]) -> "dict[str, Future[TopicDescription]]":
        """With what this user may do with each."""
        wanted = TopicCollection(topics)
        return self._client.describe_topics(wanted, include_authorized_operations=True, request_timeout=self._seconds)

    def create_topics(self, topics: Sequence[str], partitions: int, replication_factor: int = -1) -> list[str]:
        """Creates those that are missing and names them. A factor of -1 is the brokers' own default."""
        new = [NewTopic(topic, partitions, replication_factor) for topic in self.missing_topics(topics)]
        answers = self._client.create_topics(new, operation_timeout=self._seconds) if new else {}
        return [topic for topic, answer in answers.items() if self._created(topic, answer)]

    def _created(self, topic: str, answer: "Future[None]") -> bool:
        """Whether it was; if not another worker was faster."""
        try:
            answer.result(self._seconds * 2)
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.code() in _DENIED:
                raise WorkerError(_denied([f"Create on topic {topic}"])) from exception
            if error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise WorkerError(explain(error, f"create topic {topic}")) from exception
            return False
        return True

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
        try:
            return self._client.list_topics(timeout=self._seconds)
        except KafkaException as exception:
            self._client.poll(0)  # lets the client say why
            raise WorkerError(
                f"no Kafka broker answered at {self._servers} within {self._seconds:g} s: "
                f"{self._heard.why(self._properties)}"
            ) from exception


def _refuse(denied: Sequence[str]) -> None:
    if denied:
        raise WorkerError(_denied(denied))


def _refused(description: "Future[TopicDescription]", need: AclOperation, seconds: float) -> bool:
    """Whether the broker says that this user may not do that with the topic."""
    try:
        allowed = description.result(seconds).authorized_operations
    except KafkaException as exception:
        return bool(exception.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED)
    return bool(allowed) and need not in allowed  # none at all: this broker does not tell


def _denied(rights: Sequence[str]) -> str:
    what = "the right" if len(rights) == 1 else "the rights"
    return f"this user lacks {what} {', '.join(rights)} (docs/security.md has all that are needed)"
