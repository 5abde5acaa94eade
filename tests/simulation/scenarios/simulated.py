"""Scenarios on the model of Kafka. Each client is a process of a simulated world; the scenario runs in another one."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from consumer.kafka.config import Connection
from tests.simulation.clients.consumer import SimulatedConsumer
from tests.simulation.clients.producer import SimulatedProducer
from tests.simulation.faults import Faults
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.scenarios.backend import Backend, Client, Properties
from tests.simulation.world import Process, World

T = TypeVar("T")

_MOST_STEPS: Final = 1_000_000
_CONNECTION: Final = Connection("simulated:9092")
# What brokers set for members of a KIP-848 group, in catalogue.BROKER.
_CONSUMER_SESSION: Final = {"session.timeout.ms": 4000, "heartbeat.interval.ms": 200}


class SimulatedBackend:
    """A world without faults, whose schedule is drawn from a seed."""

    def __init__(self, seed: int, *, expiring: bool = False) -> None:
        """`expiring`: the brokers forget transactional ids that are idle."""
        self._world = World(seed)
        self._cluster = Cluster(self._world, cleanup_seconds=0.1)
        self._faults = Faults(seed, {})
        self._expiring = expiring
        self._main = Process(self._world, "scenario")
        self._processes: dict[Client, Process] = {}
        self._numbers = itertools.count(1)

    def run(self, scenario: Callable[[Backend], T]) -> T:
        """Return what a scenario observes."""
        results: list[T] = []

        def main() -> None:
            results.append(scenario(self))
            while True:  # the world ends between two steps
                self._main.sleep(1.0)

        self._main.start(main, "main")
        try:
            self._world.run(lambda: bool(results), most_steps=_MOST_STEPS)
        finally:
            self._world.close()
        return results[0]

    def consumer(self, group: str, properties: Properties) -> Client:
        is_consumer = properties.get("group.protocol") == "consumer"
        if group not in self._cluster.groups:
            self._cluster.create_group(group, "consumer" if is_consumer else "classic")
        config = {**_CONNECTION.consumer(group), **(_CONSUMER_SESSION if is_consumer else {}), **properties}
        return self._open(SimulatedConsumer, "consumer", config)

    def producer(self, transactional_id: str | None, properties: Properties) -> Client:
        return self._open(SimulatedProducer, "producer", {**_CONNECTION.producer(transactional_id), **properties})

    def _open(self, make: Callable[..., Client], kind: str, config: dict[str, Any]) -> Client:
        process = Process(self._world, f"{kind}-{next(self._numbers)}")
        client = make(process, self._cluster, self._faults, config)
        self._processes[client] = process
        return client

    def name(self, stem: str) -> str:
        return stem

    def topic(self, partitions: int, settings: Mapping[str, str]) -> str:
        name = f"topic-{next(self._numbers)}"
        self._cluster.create_topic(name, partitions, dict(settings))
        return name

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        self._cluster.topics[topic].partitions[partition].delete_before(before)

    def kill(self, client: Client) -> None:
        self._processes[client].kill()

    def pause(self, client: Client, seconds: float) -> None:
        self._processes[client].pause(seconds)

    def sleep(self, seconds: float) -> None:
        self._main.sleep(seconds)
        if self._expiring:
            for name in self._cluster.transactions.names():
                self._cluster.transactions.expire(name)

    def now(self) -> float:
        return self._world.now
