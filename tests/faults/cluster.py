"""Three nodes of Apache Kafka on this machine: what one of them holds, the others hold too."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata, PartitionMetadata  # `admin` itself exports no types

from tests.support.kafka.brokers import HOST, KafkaBroker, free_ports, new_cluster
from tests.support.kafka.jars import BrokerError

NODES = 3
SECONDS = 90.0

# Every topic, the internal ones too, is on all nodes, and a write counts when two have it.
REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}


class Cluster:
    """Three nodes, each broker and controller, numbered from 1."""

    def __init__(self) -> None:
        ports = free_ports(2 * NODES)
        brokers, controllers = ports[:NODES], ports[NODES:]
        voters = ",".join(f"{number}@{HOST}:{port}" for number, port in enumerate(controllers, start=1))
        cluster = new_cluster()
        self.nodes = {
            number: KafkaBroker(broker, _properties(number, broker, controller, voters), cluster)
            for number, (broker, controller) in enumerate(zip(brokers, controllers, strict=True), start=1)
        }
        self.address = ",".join(node.address for node in self.nodes.values())

    def start(self) -> None:
        """Starts all nodes at once, for one alone has no quorum and would not answer. Raises BrokerError."""
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(KafkaBroker.start, self.nodes.values()))
        self.settle()

    def close(self) -> None:
        """Ends the nodes and removes their data."""
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(_remove, self.nodes.values()))

    def leader(self, topic: str, partition: int) -> int:
        """The number of the node that leads the partition. Raises BrokerError."""
        return self._ask(
            lambda found: found.topics[topic].partitions[partition].leader, f"no node leads {topic}-{partition}"
        )

    def settle(self) -> None:
        """Waits until every partition is in sync on every node. Raises BrokerError."""
        self._ask(lambda found: len(_in_sync(found)) == NODES, "not all partitions are in sync on all nodes")

    def see_off(self, number: int) -> None:
        """Waits until the cluster goes on without the node: another leads what it led. Raises BrokerError."""
        self._ask(lambda found: number not in _in_sync(found), f"node {number} is not seen off")

    def _ask(self, answer: Callable[[ClusterMetadata], int], otherwise: str) -> int:
        """What a node answers once it is not 0: a topic or leader of this moment is not known to every node yet."""
        admin = self._admin()
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(KafkaException, KeyError):
                found = admin.list_topics(timeout=2.0)
                if all(one.leader in one.isrs for one in _partitions(found)) and (answered := answer(found)):
                    return answered
            time.sleep(0.2)
        raise BrokerError(f"{otherwise} after {SECONDS:g} s")

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0, "reconnect.backoff.max.ms": 500})


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster that is ready, and gone afterwards."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def _partitions(found: ClusterMetadata) -> list[PartitionMetadata]:
    return [one for topic in found.topics.values() for one in topic.partitions.values()]


def _in_sync(found: ClusterMetadata) -> set[int]:
    """The nodes that every partition is in sync on."""
    return set(found.brokers).intersection(*(set(one.isrs) for one in _partitions(found)))


def _properties(number: int, broker: int, controller: int, voters: str) -> dict[str, str]:
    own = {
        "node.id": str(number),
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://{HOST}:{broker},CONTROLLER://{HOST}:{controller}",
    }
    return REPLICATED | own


def _remove(node: KafkaBroker) -> None:
    node.kill()  # its data is not wanted any more, and an orderly end of the last ones waits for a quorum
    node.close()
