"""Run a worker: make its parts from the settings, start them, and end the process on a signal."""

import logging
import os
import platform
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from consumer.config import program_version, sources
from consumer.config.connection import connect
from consumer.config.settings import DeliveryGuarantee, Settings, load_settings, masked
from consumer.delivery.at_least_once import AtLeastOnce
from consumer.delivery.exactly_once import ExactlyOnce
from consumer.delivery.interface import Delivery
from consumer.delivery.transactional_ids import Slot, keep_slot, take_slot, transactional_ids
from consumer.errors import WorkerError
from consumer.formats import ReadValues, value_reader
from consumer.formats.avro_loop import compiled_avro
from consumer.kafka.admin import Admin
from consumer.kafka.client import librdkafka
from consumer.kafka.config import Connection
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import Subscription
from consumer.kafka.producer import KafkaProducer
from consumer.kafka.unreadable import make_find
from consumer.observability import logs
from consumer.observability.bounded_output import end_process, end_process_within, lines_dropped
from consumer.observability.health import Health
from consumer.observability.http_server import Server, on_first_free
from consumer.observability.metrics import Build, Metrics
from consumer.observability.slow_batches import SlowBatches
from consumer.observability.tracing import tracing
from consumer.process import BackgroundTask, stop_on_signals, tune_garbage_collector
from consumer.runtime import Retry, now_ms
from consumer.stream import result_writer
from consumer.stream.batching import BatchSizer
from consumer.stream.circuit_breaker import CircuitBreaker
from consumer.stream.output_limits import LEAST_BYTES, OutputLimits, TopicSettings
from consumer.stream.pipeline import Pipeline, Topics
from consumer.stream.watchdog import Watchdog
from consumer.stream.worker import Worker
from scoring import Artifacts, Scorer, load_artifacts

_log = logging.getLogger("consumer.run")

# Shares of the watchdog's time: one call to the broker (15 s of 80), a call with all its retries (60 s), and the pause
# of the loop after which /livez gives up (90 s). Each ends before the next one acts.
_CALL, _RETRY, _SILENCE = 3 / 16, 3 / 4, 9 / 8
_FETCH_SHARE = 0.1  # of the latency budget, while a batch fills and the one before it commits
_ASK_SECONDS = 5.0  # for a question to the brokers that the worker can do without
_TICK_SECONDS = 1.0
_JOIN_SECONDS = 0.1
_LAST_RESORT_SECONDS = 5.0  # past the time of a stop, so that the watchdog acts first


def main(cli_settings: dict[str, Any]) -> None:
    """Run `session-scorer run` until SIGTERM, SIGINT or SIGHUP; the pending batch is committed first.

    Raises SettingsError, ArtifactError or WorkerError, each with a message of one line.
    """
    settings = load_settings(cli_settings)
    logs.configure(settings.log_level, log_format=settings.log_format)
    _warn_of_settings(cli_settings)
    stop, serving = threading.Event(), threading.Event()

    def on_serving(_: Server) -> None:
        tune_garbage_collector()
        serving.set()

    # on a thread of its own, so that signals find this one waiting: in a call of the Kafka client they would be
    # noticed only when it returns. As long as it does not serve, it may be left as it is.
    with stop_on_signals(stop):
        worker = BackgroundTask("worker", partial(start, settings, stop, on_serving))
        ended = False
        while not ended and not stop.is_set():
            ended = worker.join(_JOIN_SECONDS)
        if serving.is_set():
            end_process_within(settings.shutdown_seconds + _LAST_RESORT_SECONDS)
        while not ended and serving.is_set():
            ended = worker.join(_JOIN_SECONDS)
    worker.check()
    logging.shutdown()
    end_process(0)  # in order, or before anything was served: it waited for a broker, or compiled


def _warn_of_settings(cli_settings: dict[str, Any]) -> None:
    """Log settings that work but should be set in another way."""
    if secrets := sources.secrets_on_command_line(cli_settings):
        _log.warning("secrets on the command line: any user of this host can list them", extra={"properties": secrets})
    if ignored := sources.ignored_variables(os.environ):
        _log.warning("variables of the environment are ignored", extra={"variables": ignored})


def _ignore(*_: object) -> None:
    """Do nothing."""


def start(
    settings: Settings,
    stop: threading.Event,
    on_serving: Callable[[Server], None] = _ignore,
    on_compiling: Callable[[], None] = _ignore,
    connection: Connection | None = None,
) -> None:
    """Run a worker until `stop` is set. It handles no signals, so it runs on any thread.

    Errors of artifacts, brokers, topics and ports are found before the first event is read. `on_serving` is called
    when the metrics are served, before the worker joins its group; `on_compiling` once a second while the start waits
    for the kernels alone. `connection`: what `connect` has made of the settings already. Raises ArtifactError or
    WorkerError, each with a message of one line.
    """
    _log.debug("starting", extra={"settings": masked(settings)})
    with ExitStack() as stack:
        with logs.held_back():
            kernels = BackgroundTask("compiler", partial(compile_kernels, settings.input_format))
            artifacts = load_artifacts(
                settings.artifacts, allow_unverified=settings.allow_unverified, manifest_sha256=settings.manifest_sha256
            )
            metrics = _metrics(artifacts)
            health = Health(stopping=stop.is_set, loop_seconds=_SILENCE * settings.watchdog_seconds)
            server = _serve(settings, metrics, health)
            stack.callback(server.close)
            read_values = _value_reader(settings)
            connection = connection or connect(settings)
            _require_topics(settings, connection)
            limits = _output_limits(settings, connection)
            limits.load()
            slot = _slot(settings, stack)
            _wait_for_kernels(kernels, health, on_compiling)
            scorer = Scorer.from_artifacts(artifacts, as_json=True)
        _log_start(settings, scorer, server)
        on_serving(server)
        if stop.is_set():
            return
        traces = tracing(os.environ, settings.group_id)
        stack.callback(traces.close)
        source = _source(settings, connection)
        topics, budget = Topics(*settings.output_topics), settings.latency_budget / 1000
        worker = Worker(
            topics=settings.inputs.topics,
            source=source,
            process=Pipeline(scorer, topics, settings.group_id, limits.of, now_ms, read_values).process,
            delivery=_delivery(settings, connection, source, limits, slot),
            sizer=BatchSizer(budget, settings.batch_events),
            breaker=CircuitBreaker(settings.breaker_ratio, settings.breaker_window, settings.breaker_run),
            metrics=metrics,
            health=health,
            watchdog=Watchdog(settings.watchdog_seconds, settings.shutdown_seconds),
            slow_batches=SlowBatches.for_budget(budget),
            output_trouble=partial(_output_trouble, settings, connection),
            tracing=traces,
        )
        if slot is not None:
            stack.enter_context(keep_slot(slot, stop))
        worker.run(stop)


def compile_kernels(input_format: str = "json") -> None:
    """Compile the kernels that a worker calls, or load them from the cache."""
    Scorer.compile()
    result_writer.compiled()
    if input_format == "avro":
        compiled_avro()


def _wait_for_kernels(kernels: BackgroundTask, health: Health, on_compiling: Callable[[], None]) -> None:
    """Wait until the kernels are compiled; the process stays live, however long that takes."""
    while not kernels.join(_TICK_SECONDS):
        on_compiling()
        health.tick()
    kernels.check()


def _metrics(artifacts: Artifacts) -> Metrics:
    """Return the metrics, which name the model and the versions."""
    build = Build(program_version(), platform.python_version(), librdkafka())
    return Metrics(artifacts.version, artifacts.sha256, artifacts.baseline, lines_dropped=lines_dropped, build=build)


def _serve(settings: Settings, metrics: Metrics, health: Health) -> Server:
    """Serve the metrics on the first free port."""

    def listen(port: int) -> Server:
        return Server(settings.metrics_host, port, metrics.registry, health)

    server = on_first_free(settings.metrics_ports, listen)
    if server.port != settings.metrics_port != 0:
        extra = {"port": settings.metrics_port, "metrics": f"{server.url}/metrics"}
        _log.warning("the metrics are served on another port", extra=extra)
    return server


def _value_reader(settings: Settings) -> ReadValues:
    """Return the reader of values in the format of the input."""
    url, properties = settings.schema_registry_url, settings.schema_registry
    return value_reader(settings.input_format, url, properties, _retry(settings).seconds, time.monotonic)


def _require_topics(settings: Settings, connection: Connection) -> None:
    """Check topics and permissions; create missing topics if the settings say so."""
    inputs = settings.inputs
    admin = Admin(connection)
    refused: list[str] | None = None
    if settings.create_topics:
        created, refused = admin.create_topics(
            [*inputs.names, *inputs.outputs], settings.partitions, settings.replication_factor
        )
        if created:
            _log.info("topics created", extra={"topics": created})
    ids = f"{settings.group_id}-" if settings.delivery is DeliveryGuarantee.EXACTLY_ONCE else None
    found = admin.input_topics(inputs)
    if unmatched := inputs.unmatched(found):
        _log.warning("no topic matches yet", extra={"topic": ", ".join(unmatched)})
    admin.require_topics(found, inputs.outputs, group=settings.group_id, ids=ids, create=refused)


def _slot(settings: Settings, stack: ExitStack) -> Slot | None:
    """Take a slot for exactly-once delivery."""
    if settings.delivery is DeliveryGuarantee.AT_LEAST_ONCE:
        return None
    return stack.enter_context(take_slot(settings.group_id, settings.slot))


def _output_limits(settings: Settings, connection: Connection) -> OutputLimits:
    """Return the limits of the output topics, whose settings the brokers know."""
    max_bytes = settings.max_record_bytes
    max_bytes_of = {
        settings.results_topic: max_bytes,
        settings.alerts_topic: max_bytes,
        settings.dead_letters_topic: max(max_bytes, LEAST_BYTES),
    }

    def ask(topics: Sequence[str]) -> Mapping[str, TopicSettings | None]:
        try:
            return Admin(connection, seconds=_ASK_SECONDS).topic_settings(topics)
        except WorkerError:  # no broker answers now: the writes themselves will tell
            return dict.fromkeys(topics)

    return OutputLimits(max_bytes_of, connection.most_record_bytes, ask, dead_letters=settings.dead_letters_topic)


def _output_trouble(settings: Settings, connection: Connection) -> str | None:
    """Return what the brokers say is wrong with the output topics."""
    return Admin(connection, seconds=_ASK_SECONDS).trouble(settings.inputs)


def _source(settings: Settings, connection: Connection) -> KafkaSource:
    """Return the input topics as this worker reads them."""
    fetch_seconds = settings.latency_budget / 1000 * _FETCH_SHARE
    return KafkaSource(
        connection,
        Subscription(settings.group_id, settings.inputs, continue_on_gap=settings.on_gap == "continue"),
        FetchLimits(settings.batch_bytes, fetch_seconds),
        _retry(settings),
        make_find(connection, settings.group_id) if settings.on_unreadable == "dead-letter" else None,
    )


def _retry(settings: Settings) -> Retry:
    """Return the times of calls to the brokers."""
    return Retry(_RETRY * settings.watchdog_seconds, _CALL * settings.watchdog_seconds)


def _delivery(
    settings: Settings, connection: Connection, source: KafkaSource, limits: OutputLimits, slot: Slot | None
) -> Delivery:
    """Return the delivery: exactly once when the worker has a slot."""
    retry = _retry(settings)

    def make_producer(transactional_id: str | None = None) -> KafkaProducer:
        return KafkaProducer(connection, transactional_id, seconds=retry.call_seconds, batch_bytes=limits.batch_bytes)

    if slot is None:
        return AtLeastOnce(make_producer, source.commit, retry, limits.lower)
    return ExactlyOnce(
        make_producer,
        transactional_ids(settings.group_id, socket.gethostname(), slot.number),
        source.membership,
        retry,
        transaction_seconds=connection.transaction_seconds,
        adapt=limits.lower,
    )


def _log_start(settings: Settings, scorer: Scorer, server: Server) -> None:
    """Log the versions, the addresses and the settings."""
    extra = {
        "version": program_version(),
        "model_version": scorer.artifacts.version,
        "pid": os.getpid(),
        "metrics": f"{server.url}/metrics",
        "settings": masked(settings),
    }
    _log.info("ready to score", extra=extra)
