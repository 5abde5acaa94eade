"""A broker inside this process, for trying things out: librdkafka's own mock cluster. Nothing to install.

It knows groups, offsets and plain records. It has no transactions that hold (use `--delivery at-least-once`), no admin
calls (topics appear when they are first asked for), and it keeps the newest 5 MiB of a partition: feed it no faster
than it is read.
"""

from collections.abc import Sequence
from typing import Self

from confluent_kafka import Producer

from consumer.kafka.client import open_client

_SECONDS = 10.0


class EmbeddedBroker:
    """Runs from `__enter__` to `__exit__`; the `topics` are there from the start, with four partitions each."""

    def __init__(self, topics: Sequence[str] = (), brokers: int = 1) -> None:
        self._topics = topics
        self._brokers = brokers
        self._cluster: Producer | None = None
        self.bootstrap_servers = ""

    def __enter__(self) -> Self:
        # the client that asks for a mock cluster owns it: the cluster lives as long as this producer
        cluster = open_client(Producer, {"test.mock.num.brokers": self._brokers})
        for topic in self._topics:
            cluster.list_topics(topic, timeout=_SECONDS)  # asking makes it
        addresses = cluster.list_topics(timeout=_SECONDS).brokers.values()
        self.bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in addresses)
        self._cluster = cluster
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster = None
