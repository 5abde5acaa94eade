import threading

import pytest

from consumer.delivery.at_least_once import AtLeastOnce
from consumer.errors import WorkerError
from consumer.kafka.admin import Admin
from consumer.kafka.client import EmbeddedBroker
from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.kafka.producer import KafkaProducer
from consumer.observability.slow_batches import SlowBatches
from consumer.records import Batch, Output
from consumer.stream.batching import BatchSizer
from consumer.stream.circuit_breaker import CircuitBreaker
from consumer.stream.watchdog import Watchdog
from consumer.stream.worker import Worker
from tests.support.fakes import EchoPipeline, FakeHealth, FakeMetrics, no_trouble
from tests.support.wire import Event, read, write


class StopsAfter(EchoPipeline):
    """Is told to stop once so many events have been scored."""

    def __init__(self, events: int) -> None:
        self.stop = threading.Event()
        self._left = events

    def process(self, batch: Batch) -> Output:
        self._left -= len(batch)
        if self._left <= 0:
            self.stop.set()
        return super().process(batch)


def work(bootstrap: str, pipeline: StopsAfter) -> FakeMetrics:
    """A whole at-least-once worker, until the pipeline has seen enough."""
    connection, metrics = Connection(bootstrap), FakeMetrics()
    source = KafkaSource(connection, Subscription("scorer", InputTopics(("sessions",))), FetchLimits())
    delivery = AtLeastOnce(lambda: KafkaProducer(connection), source.commit)
    worker = Worker(
        topics=["sessions"],
        source=source,
        process=pipeline.process,
        delivery=delivery,
        sizer=BatchSizer(max_events=100),
        breaker=CircuitBreaker(),
        metrics=metrics,
        health=FakeHealth(),
        watchdog=Watchdog(),
        slow_batches=SlowBatches(),
        output_trouble=no_trouble,
    )
    worker.run(pipeline.stop)
    return metrics


def numbered(count: int) -> list[Event]:
    return [Event(b"%d" % i, b"%d" % (i % 50)) for i in range(count)]


def test_at_least_once_worker_runs_on_embedded_broker() -> None:
    with EmbeddedBroker(["sessions", "results"]) as broker:
        write(broker.bootstrap_servers, "sessions", numbered(1000))
        metrics = work(broker.bootstrap_servers, StopsAfter(1000))
        assert sum(stats.scored for stats in metrics.stats) == 1000
        results = sorted(int(message.value() or b"") for message in read(broker.bootstrap_servers, "results"))
    assert results == list(range(1000))


def test_embedded_brokers_have_topics_of_their_own() -> None:
    with EmbeddedBroker(["sessions"]) as one, EmbeddedBroker() as other:
        assert one.bootstrap_servers != other.bootstrap_servers
        assert Admin(Connection(one.bootstrap_servers)).missing_topics(["sessions"]) == []
        assert Admin(Connection(other.bootstrap_servers)).missing_topics(["sessions"]) == ["sessions"]


def test_closed_embedded_broker_does_not_answer() -> None:
    with EmbeddedBroker() as broker:
        address = broker.bootstrap_servers
    with pytest.raises(WorkerError, match="no Kafka broker answered"):
        Admin(Connection(address), seconds=0.3).missing_topics([])
