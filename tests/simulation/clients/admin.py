"""What the source asks of an AdminClient: the id of a topic."""

from concurrent.futures import Future
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection

from tests.simulation.clients.wire import Wire
from tests.simulation.faults import ErrorCode, Faults
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.world import Process


class Description(NamedTuple):
    """A topic as the brokers describe it."""

    topic_id: str


class SimulatedAdmin:
    """One client."""

    def __init__(self, process: Process, cluster: Cluster, faults: Faults, config: dict[str, Any]) -> None:
        del config
        self._process = process
        self._cluster = cluster
        self._faults = faults
        self._wire = Wire(process, faults)

    def poll(self, timeout: float) -> int:
        """Serve callbacks, of which there are none."""
        del timeout
        self._process.require_alive()
        return 0

    def describe_topics(self, topics: TopicCollection) -> dict[str, Future[Description]]:
        """Ask for the ids of topics; the answers come later, or never."""
        self._process.require_alive()
        return {name: self._describe(name) for name in topics.topic_names}

    def _describe(self, name: str) -> Future[Description]:
        question: Future[Description] = Future()
        if not self._faults.happens("request lost"):
            self._process.world.after(self._wire.latency() * 2, lambda: self._answer(name, question))
        return question

    def _answer(self, name: str, question: Future[Description]) -> None:
        topic = self._cluster.topics.get(name)
        if topic is None or self._faults.happens("topic denied"):
            question.set_exception(KafkaException(ErrorCode(KafkaError.UNKNOWN_TOPIC_OR_PART).error()))
        else:
            question.set_result(Description(topic.topic_id))
