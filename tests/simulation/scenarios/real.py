"""Scenarios on real Kafka. Each client runs in a process of its own."""

import signal
import threading
import time
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self, cast

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer.kafka.config import Connection
from tests.simulation.scenarios.backend import Client, Properties
from tests.simulation.scenarios.remote import RemoteClient

_ADMIN_SECONDS: Final = 30.0


class RealBackend:
    """A broker at an address. At the end of the block all clients are killed."""

    def __init__(self, bootstrap: str) -> None:
        self._connection = Connection(bootstrap, {"log_level": "0"})
        self._admin = AdminClient({**self._connection.admin()})
        self._run = uuid.uuid4().hex[:8]
        self._clients: list[RemoteClient] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for client in self._clients:
            client.end()

    def consumer(self, group: str, properties: Properties) -> Client:
        protocol = {name: value for name, value in properties.items() if name == "group.protocol"}
        connection = Connection(self._connection.bootstrap_servers, {**self._connection.properties, **protocol})
        return self._open("consumer", {**connection.consumer(group), **properties})

    def producer(self, transactional_id: str | None, properties: Properties) -> Client:
        return self._open("producer", {**self._connection.producer(transactional_id), **properties})

    def _open(self, kind: str, properties: Properties) -> RemoteClient:
        client = RemoteClient(kind, dict(properties))
        self._clients.append(client)
        return client

    def name(self, stem: str) -> str:
        return f"{stem}-{self._run}"

    def topic(self, partitions: int, settings: Mapping[str, str]) -> str:
        name = f"topic-{uuid.uuid4().hex[:8]}"
        config = {"retention.ms": "-1", **settings}
        self._admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(_ADMIN_SECONDS)
        return name

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        place = TopicPartition(topic, partition, before)
        self._admin.delete_records([place])[place].result(_ADMIN_SECONDS)

    def kill(self, client: Client) -> None:
        cast("RemoteClient", client).end()

    def pause(self, client: Client, seconds: float) -> None:
        remote = cast("RemoteClient", client)
        remote.signal(signal.SIGSTOP)
        timer = threading.Timer(seconds, remote.signal, [signal.SIGCONT])
        timer.daemon = True
        timer.start()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> float:
        return time.monotonic()
