"""Fresh topics on a broker, for a test's own use."""

import contextlib
import time
import uuid
from collections.abc import Mapping
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

SECONDS = 10.0
KEPT = {"retention.ms": "-1"}  # it goes by the records' own dates: it takes those of 1970 when it next comes round


class Topics:
    """Makes topics of unique names, and deletes them all when it is left."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.delete()

    def __call__(self, name: str = "sessions", partitions: int = 4, config: Mapping[str, str] | None = None) -> str:
        """Create `<name>-<something unique>` and return that name once every partition has a leader."""
        topic = f"{name}-{uuid.uuid4().hex[:12]}"
        # -1: as many replicas as the cluster gives by default
        wanted = NewTopic(topic, num_partitions=partitions, replication_factor=-1, config=KEPT | dict(config or {}))
        self._admin.create_topics([wanted])[topic].result(SECONDS)
        self._names.append(topic)
        self._wait_for_leaders(topic, partitions)
        return topic

    def _wait_for_leaders(self, topic: str, partitions: int) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            found = self._admin.list_topics(topic, timeout=SECONDS).topics[topic].partitions
            if len(found) == partitions and all(one.leader >= 0 for one in found.values()):
                return
            time.sleep(0.02)
        raise TimeoutError(f"topic {topic} has no leaders after {SECONDS:.0f} s")

    def delete(self) -> None:
        """Delete what was made; a topic that the test itself deleted is no error."""
        if self._names:
            for future in self._admin.delete_topics(self._names).values():
                with contextlib.suppress(KafkaException):
                    future.result(SECONDS)
