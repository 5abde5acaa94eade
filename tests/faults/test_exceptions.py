"""An exception wherever one can come from: the worker says so in one line and stops; whoever reads on misses nothing.

On a broker in this process, at-least-once: there nothing would undo an offset committed too early.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from confluent_kafka import KafkaError, Message

from consumer.delivery.at_least_once import AtLeastOnce
from consumer.errors import WorkerError
from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.kafka.producer import KafkaProducer
from consumer.kafka.statistics import ClientStatistics
from consumer.observability.slow_batches import SlowBatches
from consumer.records import Batch, BatchStats, Output
from consumer.runtime import Retry
from consumer.stream.batching import BatchSizer
from consumer.stream.circuit_breaker import CircuitBreaker
from consumer.stream.watchdog import Watchdog
from consumer.stream.worker import Worker
from tests.faults.mocked import Api, MockBroker
from tests.support.fakes import EchoPipeline, FakeHealth, FakeMetrics, no_trouble
from tests.support.wire import Event, committed, read, write

EVENTS = [b"%d" % number for number in range(300)]
PARTITIONS = 4
SHORT_HEARTBEATS = {"heartbeat.interval.ms": "200", "session.timeout.ms": "2000"}
SECRET = "what the event held"


class Stumble:
    """Raises when called for the `at`th time."""

    def __init__(self, at: int) -> None:
        self._left = at

    def __call__(self, *_: object, **__: object) -> None:
        self._left -= 1
        if self._left == 0:
            raise RuntimeError(SECRET)


class Until(EchoPipeline):
    """Stops the worker once all events were seen; before each batch it does `first`."""

    def __init__(self, first: Callable[[], None] = lambda: None) -> None:
        self.stop = threading.Event()
        self._first = first
        self._seen: set[bytes | None] = set()

    def process(self, batch: Batch) -> Output:
        self._first()
        self._seen |= set(batch.values)
        if len(self._seen) >= len(EVENTS):
            self.stop.set()
        return super().process(batch)


class Slow(Until):
    """Leaves time for what comes every few seconds."""

    def process(self, batch: Batch) -> Output:
        threading.Event().wait(0.6)
        return super().process(batch)


@pytest.fixture
def broker() -> Iterator[MockBroker]:
    with MockBroker(["sessions", "results"], PARTITIONS) as running:
        write(running.bootstrap_servers, "sessions", [Event(value, value) for value in EVENTS])
        yield running


def work(
    broker: MockBroker,
    pipeline: Until | None = None,
    *,
    source: type[KafkaSource] = KafkaSource,
    producer: Callable[[Connection], KafkaProducer] = KafkaProducer,
    metrics: FakeMetrics | None = None,
) -> None:
    """A whole worker on real clients, until it has seen everything or cannot go on."""
    pipeline = pipeline or Until()
    connection, retry = Connection(broker.bootstrap_servers, SHORT_HEARTBEATS), Retry(10.0)
    reader = source(connection, Subscription("scorer", InputTopics(("sessions",))), FetchLimits(), retry)
    delivery = AtLeastOnce(lambda: producer(connection), reader.commit, retry)
    worker = Worker(
        topics=["sessions"],
        source=reader,
        process=pipeline.process,
        delivery=delivery,
        sizer=BatchSizer(max_events=20),
        breaker=CircuitBreaker(),
        metrics=metrics or FakeMetrics(),
        health=FakeHealth(),
        watchdog=Watchdog(),
        slow_batches=SlowBatches(),
        output_trouble=no_trouble,
    )
    worker.run(pipeline.stop)


def results(broker: MockBroker) -> set[bytes | None]:
    return {message.value() for message in read(broker.bootstrap_servers, "results")}


def offsets(broker: MockBroker) -> dict[int, int]:
    return committed(broker.bootstrap_servers, "scorer", "sessions", PARTITIONS)


def inputs(broker: MockBroker) -> dict[tuple[int, int], bytes | None]:
    messages = read(broker.bootstrap_servers, "sessions")
    return {(message.partition() or 0, message.offset() or 0): message.value() for message in messages}


def nothing_is_skipped(broker: MockBroker) -> None:
    """What is committed is written; what is not is read by whoever comes next, and then everything is there."""
    ends, there = offsets(broker), results(broker)
    behind = {value for (partition, offset), value in inputs(broker).items() if offset < ends.get(partition, 0)}
    assert behind <= there
    work(broker, Rest(len(EVENTS) - len(behind)))
    assert results(broker) == set(EVENTS)
    assert sum(offsets(broker).values()) == len(EVENTS)


class Rest(Until):
    """Stops once so many more events were seen."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._seen = {b"already %d" % number for number in range(len(EVENTS) - count)}


@contextmanager
def logging_fails(name: str, words: str, at: int = 1) -> Iterator[None]:
    """The `at`th line with these words raises in whoever writes it: a way into the callbacks of the client."""
    stumble = Stumble(at)

    def look(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith(words):
            stumble()
        return True

    logger = logging.getLogger(name)
    before = logger.level
    logger.addFilter(look)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeFilter(look)
        logger.setLevel(before)


def test_in_the_scoring_of_a_batch(broker: MockBroker) -> None:
    with pytest.raises(WorkerError, match=r"^scoring failed \(RuntimeError at .* nothing of that batch") as caught:
        work(broker, Until(Stumble(at=4)))
    assert SECRET not in str(caught.value)
    assert 0 < sum(offsets(broker).values()) < len(EVENTS)
    nothing_is_skipped(broker)


def test_in_the_callback_of_an_assignment(broker: MockBroker) -> None:
    with (
        logging_fails("consumer.kafka.assignment", "partitions assigned"),
        pytest.raises(WorkerError, match=r"^a rebalance of sessions could not be followed \(RuntimeError at "),
    ):
        work(broker)
    assert offsets(broker) == {}
    nothing_is_skipped(broker)


def test_in_the_callback_of_a_revocation(broker: MockBroker) -> None:
    enough = threading.Event()

    def take_a_share() -> None:
        connection = Connection(broker.bootstrap_servers, SHORT_HEARTBEATS)
        other = KafkaSource(connection, Subscription("scorer", InputTopics(("sessions",))), FetchLimits())
        other.subscribe()
        while not enough.is_set():
            other.poll(0.1, most=1)
        other.close()

    thread, batches = threading.Thread(target=take_a_share), count(1)
    try:
        with (
            logging_fails("consumer.kafka.assignment", "partitions revoked"),
            pytest.raises(WorkerError, match=r"^a rebalance of sessions could not be followed \(RuntimeError at "),
        ):
            work(broker, Slow(lambda: thread.start() if next(batches) == 3 else None))
    finally:
        enough.set()
        thread.join()
    assert 0 < sum(offsets(broker).values()) < len(EVENTS)
    nothing_is_skipped(broker)


class Unreadable(ClientStatistics):
    def __call__(self, document: str) -> None:
        raise RuntimeError(SECRET, document)


class StatisticsFail(KafkaSource):
    def _open(self, statistics: ClientStatistics, rebalances: Counter[str] | None = None) -> None:
        super()._open(Unreadable(statistics.last_answer), rebalances)


def test_in_the_callback_of_the_statistics(broker: MockBroker) -> None:
    with pytest.raises(WorkerError, match=r"^the client's statistics could not be read \(RuntimeError at ") as caught:
        work(broker, Slow(), source=StatisticsFail)
    assert SECRET not in str(caught.value)
    nothing_is_skipped(broker)


class ReportsFail(KafkaProducer):
    def _on_report(self, error: KafkaError | None, message: Message) -> None:
        raise RuntimeError(SECRET, error, message)


def test_in_the_callback_of_a_delivery_report(broker: MockBroker) -> None:
    broker.answer(Api.PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    with pytest.raises(WorkerError, match=r"^the worker failed \(RuntimeError at .*please report it$"):
        work(broker, producer=ReportsFail)
    assert offsets(broker) == {}
    nothing_is_skipped(broker)


def test_in_the_metrics_after_the_commit(broker: MockBroker) -> None:
    class Broken(FakeMetrics):
        def record_commit(self, stats: BatchStats, seconds_ago: float = 0.0) -> None:
            raise ValueError(SECRET, stats, seconds_ago)

    with pytest.raises(WorkerError, match=r"^the worker failed \(ValueError at test_exceptions.py:"):
        work(broker, metrics=Broken())
    assert 0 < sum(offsets(broker).values()) <= 20  # the first batch, however many events had come by then
    nothing_is_skipped(broker)


def test_in_leaving_the_group_it_does_not_hide_why(broker: MockBroker) -> None:
    class CannotLeave(KafkaSource):
        def close(self) -> None:
            super().close()
            raise RuntimeError(SECRET)

    with pytest.raises(WorkerError, match=r"^scoring failed"):
        work(broker, Until(Stumble(at=2)), source=CannotLeave)
    nothing_is_skipped(broker)
