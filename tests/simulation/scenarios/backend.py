"""What a scenario runs on: a Kafka cluster, its clients, and the time that passes there."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

Properties: TypeAlias = Mapping[str, Any]
Client: TypeAlias = Any  # a Consumer or Producer of confluent_kafka, or what has the same methods


class Backend(Protocol):
    """A Kafka cluster and the time that passes in it. Names are its own: no two scenarios share a topic or group."""

    def consumer(self, group: str, properties: Properties) -> Client:
        """Open a consumer with the worker's settings; `properties` go over them."""

    def producer(self, transactional_id: str | None, properties: Properties) -> Client:
        """Open a producer with the worker's settings; `properties` go over them."""

    def name(self, stem: str) -> str:
        """Return a name that only this scenario uses."""

    def topic(self, partitions: int, settings: Mapping[str, str]) -> str:
        """Create a topic and return its name."""

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Delete the records before an offset, as retention does."""

    def kill(self, client: Client) -> None:
        """End a client's process at once: it says no good-bye."""

    def pause(self, client: Client, seconds: float) -> None:
        """Stop a client's process, its background threads included, for so long; returns at once."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def now(self) -> float:
        """Return the time in seconds."""
