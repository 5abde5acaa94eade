"""A worker process made of the real parts, on simulated clients; it crashes, stops, and is started again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from consumer.delivery.at_least_once import AtLeastOnce
from consumer.delivery.exactly_once import ExactlyOnce
from consumer.delivery.interface import Delivery
from consumer.delivery.transactional_ids import transactional_ids
from consumer.errors import WorkerError
from consumer.kafka.client import Clients
from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.kafka.producer import KafkaProducer
from consumer.observability.slow_batches import SlowBatches
from consumer.records import Partition, UnreadableBatch
from consumer.runtime import Retry
from consumer.stream.batching import BatchSizer
from consumer.stream.circuit_breaker import CircuitBreaker
from consumer.stream.output_limits import LEAST_BYTES, OutputLimits, TopicSettings
from consumer.stream.watchdog import Watchdog
from consumer.stream.worker import Worker
from tests.simulation.account import Account
from tests.simulation.clients.admin import SimulatedAdmin
from tests.simulation.clients.consumer import SimulatedConsumer
from tests.simulation.clients.producer import SimulatedProducer
from tests.simulation.faults import Faults
from tests.simulation.kafka.cluster import Cluster
from tests.simulation.pipeline import ALERTS, DEAD_LETTERS, RESULTS, SimulatedPipeline
from tests.simulation.world import Process, SimulatedEvent, World, runtime
from tests.support.fakes import no_trouble

GROUP: Final = "scorers"
Protocol = Literal["cooperative-sticky", "range", "consumer"]

_CALL_SECONDS: Final = 15.0  # as consumer.app has it
_RETRY_SECONDS: Final = 60.0
_WATCHDOG_SECONDS: Final = 80.0
_WATCHDOG_INTERVAL: Final = 10.0  # seconds; the product checks twice a second, which would be most steps of a run
_SEARCH_SECONDS: Final = 2.0  # at most; the product gives a search 30 s
_SCORING_SECONDS: Final = (0.01, 0.1, 0.5, 2.0, 8.0)
_MAX_RECORD: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings of a run's workers."""

    topics: tuple[str, ...]
    """Names and patterns."""
    refresh_ms: int | None
    """How often the members look for topics; None for the product's default."""
    protocol: Protocol
    exactly_once: bool
    batch_events: int
    part_events: int
    breaker_ratio: float
    breaker_window: int
    breaker_run: int
    continue_on_gap: bool
    pass_over_unreadable: bool
    settings_seen: bool
    """Whether the brokers tell the settings of the output topics."""

    def properties(self) -> dict[str, str]:
        """Return the Kafka settings."""
        refresh = {} if self.refresh_ms is None else {"topic.metadata.refresh.interval.ms": str(self.refresh_ms)}
        if self.protocol == "consumer":
            return refresh | {"group.protocol": "consumer"}
        return refresh | {"partition.assignment.strategy": self.protocol}


class WorkerProcess:
    """One start of a worker in a slot."""

    def __init__(
        self, world: World, cluster: Cluster, faults: Faults, settings: WorkerSettings, slot: int, number: int
    ) -> None:
        self.slot = slot
        self.reason: str | None = None
        """Why it ended by itself; None after an orderly stop, and while it runs."""
        self.stopped = False
        """Whether it has ended in good order."""
        self.consumers: list[SimulatedConsumer] = []
        self._cluster = cluster
        self._faults = faults
        self._settings = settings
        self.process = Process(world, f"worker-{slot}.{number}")
        gap, run = settings.continue_on_gap, settings.breaker_run
        self.account = Account(self.process.clock, continue_on_gap=gap, breaker_run=run)
        self.stop = SimulatedEvent(self.process)
        self.process.start(self._main, "main")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.alive

    def _main(self) -> None:
        try:
            self._worker().run(self.stop)
        except WorkerError as error:
            self.reason = str(error)
        self.stopped = self.reason is None
        self.process.tell(f"ends: {self.reason or 'stopped'}")
        self.process.kill()

    def _worker(self) -> Worker:
        settings, process = self._settings, self.process
        threads = runtime(process)
        retry = Retry(_RETRY_SECONDS, _CALL_SECONDS, runtime=threads)
        connection = Connection("simulated:9092", settings.properties(), self._clients())
        inputs = InputTopics(settings.topics, (RESULTS, ALERTS, DEAD_LETTERS))
        subscription = Subscription(GROUP, inputs, continue_on_gap=settings.continue_on_gap)
        find = self._find if settings.pass_over_unreadable else None
        source = KafkaSource(connection, subscription, FetchLimits(8 << 20, 0.005), retry, find)
        limits = self._output_limits()
        pipeline = SimulatedPipeline(limits.of, self._score)
        delivery = self._delivery(connection, source, retry, limits)
        sizer = BatchSizer(
            max_events=settings.batch_events, part_events=settings.part_events, min_events=settings.part_events
        )
        breaker = CircuitBreaker(settings.breaker_ratio, settings.breaker_window, settings.breaker_run)
        watchdog = Watchdog(_WATCHDOG_SECONDS, end=self._end, runtime=threads, interval=_WATCHDOG_INTERVAL)
        return Worker(
            topics=settings.topics,
            source=source,
            process=pipeline.process,
            delivery=delivery,
            sizer=sizer,
            breaker=breaker,
            metrics=self.account,
            health=self.account,
            watchdog=watchdog,
            slow_batches=SlowBatches(clock=process.clock),
            output_trouble=no_trouble,
            runtime=threads,
        )

    def _clients(self) -> Clients:
        process, cluster, faults = self.process, self._cluster, self._faults

        def make_consumer(config: dict[str, Any], logger: object) -> Any:  # noqa: ARG001 - stands for the client's own type
            self.consumers.append(SimulatedConsumer(process, cluster, faults, config))
            return self.consumers[-1]

        def make_producer(config: dict[str, Any], logger: object) -> Any:  # noqa: ARG001 - the same
            return SimulatedProducer(process, cluster, faults, config)

        def make_admin(config: dict[str, Any], logger: object) -> Any:  # noqa: ARG001 - the same
            return SimulatedAdmin(process, cluster, faults, config)

        return Clients(make_consumer, make_producer, make_admin)

    def _delivery(self, connection: Connection, source: KafkaSource, retry: Retry, limits: OutputLimits) -> Delivery:
        def make_producer(transactional_id: str | None = None) -> KafkaProducer:
            return KafkaProducer(
                connection,
                transactional_id,
                seconds=retry.call_seconds,
                batch_bytes=limits.batch_bytes,
                runtime=retry.runtime,
            )

        if not self._settings.exactly_once:
            return AtLeastOnce(make_producer, source.commit, retry, limits.lower)
        return ExactlyOnce(
            make_producer,
            transactional_ids(GROUP, "host", self.slot),
            source.membership,
            retry,
            transaction_seconds=connection.transaction_seconds,
            adapt=limits.lower,
        )

    def _output_limits(self) -> OutputLimits:
        topics, seen = self._cluster.topics, self._settings.settings_seen

        def ask(names: Sequence[str]) -> Mapping[str, TopicSettings | None]:
            return {name: topics[name].settings if seen else None for name in names}

        most = {RESULTS: _MAX_RECORD, ALERTS: _MAX_RECORD, DEAD_LETTERS: max(_MAX_RECORD, LEAST_BYTES)}
        return OutputLimits(most, _MAX_RECORD, ask, dead_letters=DEAD_LETTERS)

    def _score(self) -> None:
        """Take the time of scoring: mostly none, and sometimes so long that the group goes on meanwhile."""
        if self._faults.happens("slow scoring"):
            self.process.sleep(self._faults.pick(_SCORING_SECONDS))

    def _find(self, wanted: Partition, position: int) -> UnreadableBatch | None:
        """Look for the unreadable batch that a reader meets first, as `consumer.kafka.unreadable.find` does."""
        self.process.sleep(self.process.world.random.random() * _SEARCH_SECONDS)
        if self._faults.happens("search fails"):
            raise WorkerError("planned by the simulation")
        partition = self._cluster.partition(*wanted)
        if 0 <= position < partition.start:
            raise WorkerError("out of range, as the probe is told of what retention took meanwhile")
        offset = max(position, partition.start)
        ahead = (each for each in partition.unreadable if offset < each.stop <= partition.last_stable)
        batch = next(ahead, None)  # they are kept in the order of their offsets
        if batch is None or (offset < batch.start and partition.fetch(offset, 1).records):
            return None
        return UnreadableBatch(wanted, batch.start, batch.stop, "its checksum is wrong")

    def _end(self, why: str) -> None:
        """Stand for the watchdog's end of the process."""
        self.reason = why
        self.process.tell(f"is ended: {why}")
        self.process.kill()
        self.process.require_alive()


def without_limits(settings: WorkerSettings, reason: str) -> WorkerSettings:
    """Return the settings after a user has read why a worker ended."""
    if "--on-gap continue" in reason:
        return replace(settings, continue_on_gap=True)
    if "breaker_run" in reason:
        return replace(settings, breaker_run=0)
    if "breaker_ratio" in reason:
        return replace(settings, breaker_window=0)
    if "--on-unreadable" in reason:
        return replace(settings, pass_over_unreadable=True)
    return settings
