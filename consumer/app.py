"""The consumer put together: from settings to a worker that runs until it is told to stop."""

import faulthandler
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from consumer.config import program_version, settings, sources
from consumer.config.settings import Settings
from consumer.delivery.at_least_once import AtLeastOnce
from consumer.delivery.exactly_once import ExactlyOnce
from consumer.delivery.interface import Delivery
from consumer.delivery.transactional_ids import Slot, kept, take_slot, transactional_ids
from consumer.errors import WorkerError
from consumer.kafka.admin import Admin
from consumer.kafka.assignment import Subscription
from consumer.kafka.config import Connection
from consumer.kafka.consumer import Source
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.producer import KafkaProducer
from consumer.kafka.unreadable import Find, Probe
from consumer.observability import logs
from consumer.observability.health import Health
from consumer.observability.http_server import Server, on_first_free
from consumer.observability.metrics import Metrics
from consumer.observability.output import EXIT_SECONDS, end_process, lines_dropped
from consumer.observability.slow_batches import SlowBatches
from consumer.observability.tracing import tracing
from consumer.process import BackgroundTask, stop_on_signals, tune_garbage_collector
from consumer.records import UnreadableBatch
from consumer.runtime import Retry
from consumer.stream import result_writer
from consumer.stream.batching import Budget
from consumer.stream.circuit_breaker import Breaker
from consumer.stream.output_limits import LEAST_BYTES, OutputLimits, TopicSettings
from consumer.stream.pipeline import Pipeline, Topics
from consumer.stream.unreadable_extent import find
from consumer.stream.watchdog import Watchdog
from consumer.stream.worker import Line, Worker
from scoring import Scorer, load_artifacts

_log = logging.getLogger("consumer.run")

# Parts of the watchdog's bound: one call to the broker (15 s of 80), a call with all its repetitions (60 s), and the
# silence of the loop after which /livez gives up (90 s): each must have had its say before the next one acts.
_CALL, _PATIENCE, _SILENCE = 3 / 16, 3 / 4, 9 / 8
_TICK_SECONDS = 1.0
_FILLING = 0.1  # of the latency budget: how long a batch may fill while the one before it commits
_STDERR = 2
_LAST_RESORT_SECONDS = 5.0  # past the bound of a stop, so that the watchdog has its say first


def main(given: dict[str, Any]) -> None:
    """`session-scorer run`: until SIGTERM, SIGINT or SIGHUP, each of which lets the batch in hand be committed first.

    `given` is what the command line says of the settings. Raises SettingsError, ArtifactError or WorkerError, one line.
    """
    chosen = settings.load_settings(given)
    logs.configure(chosen.log_level, log_format=chosen.log_format)
    _warn_of(given)
    stop, serving = threading.Event(), threading.Event()
    ended: list[BaseException | None] = []

    def announce(_: Server) -> None:
        tune_garbage_collector()
        serving.set()

    def work() -> None:
        try:
            start(chosen, stop, announce)
        except BaseException as error:  # noqa: BLE001 - raised again below, on the thread that can report it
            ended.append(error)
        else:
            ended.append(None)

    # on a thread of its own, so that signals find this one waiting: in a call of the Kafka client they would be
    # noticed only when it returns. A daemon, because what is not serving yet may be left as it is.
    thread = threading.Thread(target=work, name="worker", daemon=True)
    with stop_on_signals(stop):
        thread.start()
        while thread.is_alive() and not stop.is_set():
            thread.join(0.1)
        if serving.is_set():
            _end_within(chosen.shutdown_seconds + _LAST_RESORT_SECONDS)
        while thread.is_alive() and serving.is_set():
            thread.join(0.1)
    if ended and ended[0] is not None:
        raise ended[0]
    logging.shutdown()
    end_process(0)  # in order, or before anything was served: it waited for a broker, or compiled


def _warn_of(given: dict[str, Any]) -> None:
    """Log what is not wrong, and should be otherwise."""
    if seen := sources.secrets_on_command_line(given):
        _log.warning("secrets on the command line: any user of this host can list them", extra={"properties": seen})
    if unused := sources.ignored_variables(os.environ):
        _log.warning("variables of the environment are ignored", extra={"variables": unused})


def _end_within(seconds: float) -> None:
    """The process ends by then, whatever stands in the way, with 1 and every thread's stack on stderr.

    From here on the watchdog cannot be relied on: it is gone once the group is left, and a client of Kafka that waits
    with the interpreter's lock in its hand, or is never done with ending (librdkafka's issue 4519), holds up all of
    Python. This timer is C's own. Where its own write can block, the kernel's timer ends the process (SIGALRM).
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=_unblocked(_STDERR))
    signal.setitimer(signal.ITIMER_REAL, seconds + EXIT_SECONDS)


def _unblocked(descriptor: int) -> int:
    """Open the file behind a descriptor a second time, for writes that fail rather than block: other processes share
    the first. Returns the descriptor itself where that cannot be, as for a socket."""
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return descriptor


def start(
    chosen: Settings,
    stop: threading.Event,
    announce: Callable[[Server], None] = lambda _: None,
    on_compiling: Callable[[], None] = lambda: None,
) -> None:
    """Runs a consumer until `stop` is set; on any thread, so no signal is handled in here.

    The metrics server answers from early on, and `announce` is told of it before the worker joins its group.
    `on_compiling` is called each second in which the start waits for the kernels alone. Whatever can be wrong with
    artifacts, brokers, topics or ports is found before the first event is read. Raises ArtifactError or WorkerError,
    one line.
    """
    _log.debug("starting", extra={"settings": settings.masked(chosen)})
    with ExitStack() as stack:
        with logs.held_back():
            kernels = BackgroundTask("compiler", compile_kernels)
            artifacts = load_artifacts(
                chosen.artifacts, allow_unverified=chosen.allow_unverified, manifest_sha256=chosen.manifest_sha256
            )
            metrics = Metrics(artifacts.version, artifacts.sha256, artifacts.baseline, lines_dropped=lines_dropped)
            health = Health(stopping=stop.is_set, loop_seconds=_SILENCE * chosen.watchdog_seconds)
            server = _serve(chosen, metrics, health)
            stack.callback(server.close)
            connection = Connection(chosen.bootstrap_servers, chosen.kafka)
            _find_topics(chosen, connection)
            limits = _output_limits(chosen, connection)
            limits.ask()
            slot = _slot(chosen, stack)
            _wait(kernels, health, on_compiling)
            scorer = Scorer.from_artifacts(artifacts, as_json=True)
        _say_what_runs(chosen, scorer, server)
        announce(server)
        if not stop.is_set():
            traces = tracing(os.environ, chosen.group_id)
            stack.callback(traces.close)
            ids = () if slot is None else transactional_ids(chosen.group_id, socket.gethostname(), slot.number)
            line = replace(_line(chosen, connection, scorer, limits, ids), tracing=traces)
            breaker = Breaker(chosen.breaker_ratio, chosen.breaker_window, chosen.breaker_run)
            watchdog = Watchdog(chosen.watchdog_seconds, chosen.shutdown_seconds)
            if slot is not None:
                stack.enter_context(kept(slot, stop))
            Worker(line, breaker, metrics, health, watchdog).run(stop)


def compile_kernels() -> None:
    """Compile what a worker calls, or take it from the cache."""
    Scorer.compile()
    result_writer.compiled()


def _wait(kernels: BackgroundTask, health: Health, on_compiling: Callable[[], None]) -> None:
    """Wait until the kernels are compiled; the process is live meanwhile, however long that takes."""
    while not kernels.join(_TICK_SECONDS):
        on_compiling()
        health.tick()
    kernels.check()


def _serve(chosen: Settings, metrics: Metrics, health: Health) -> Server:
    def listen(port: int) -> Server:
        return Server(chosen.metrics_host, port, metrics.registry, health)

    server = on_first_free(chosen.metrics_ports, listen)
    if server.port != chosen.metrics_port != 0:
        taken = {"port": chosen.metrics_port, "metrics": f"{server.url}/metrics"}
        _log.warning("the metrics are served on another port", extra=taken)
    return server


def _find_topics(chosen: Settings, connection: Connection) -> None:
    outputs = [chosen.results_topic, chosen.alerts_topic, chosen.dead_letters_topic]
    topics = [chosen.input_topic, *outputs]
    admin = Admin(connection)
    refused: list[str] | None = None
    if chosen.create_topics:
        created, refused = admin.create_topics(topics, chosen.partitions, chosen.replication_factor)
        if created:
            _log.info("topics created", extra={"topics": created})
    ids = f"{chosen.group_id}-" if chosen.delivery is settings.Delivery.EXACTLY_ONCE else None
    admin.require_topics(topics[:1], outputs, group=chosen.group_id, ids=ids, create=refused)


def _slot(chosen: Settings, stack: ExitStack) -> Slot | None:
    if chosen.delivery is settings.Delivery.AT_LEAST_ONCE:
        return None
    return stack.enter_context(take_slot(chosen.group_id, chosen.slot))


def _output_limits(chosen: Settings, connection: Connection) -> OutputLimits:
    client, most = connection.most_record_bytes, chosen.max_record_bytes
    most_of = {
        chosen.results_topic: most,
        chosen.alerts_topic: most,
        chosen.dead_letters_topic: max(most, LEAST_BYTES),
    }

    def ask(topics: Sequence[str]) -> Mapping[str, TopicSettings | None]:
        try:
            return Admin(connection, seconds=5.0).topic_settings(topics)
        except WorkerError:  # no broker answers now: the writes themselves tell
            return dict.fromkeys(topics)

    return OutputLimits(most_of, client, ask, dead_letters=chosen.dead_letters_topic)


def _line(
    chosen: Settings, connection: Connection, scorer: Scorer, output_limits: OutputLimits, ids: tuple[str, ...]
) -> Line:
    topics = Topics(chosen.results_topic, chosen.alerts_topic, chosen.dead_letters_topic)
    pipeline = Pipeline(scorer, topics, chosen.group_id, output_limits.of, _now_ms)
    subscription = Subscription(chosen.group_id, chosen.input_topic, continue_on_gap=chosen.on_gap == "continue")
    budget = chosen.latency_budget / 1000
    limits = FetchLimits(chosen.batch_bytes, budget * _FILLING)
    retry = Retry(_PATIENCE * chosen.watchdog_seconds, _CALL * chosen.watchdog_seconds)
    find_unreadable = _finder(chosen, connection) if chosen.on_unreadable == "dead-letter" else None
    source = Source(connection, subscription, limits, retry, find_unreadable)
    delivery: Delivery

    def make_producer(transactional_id: str | None = None) -> KafkaProducer:
        seconds, batch_bytes = retry.call_seconds, output_limits.batch_bytes
        return KafkaProducer(connection, transactional_id, seconds=seconds, batch_bytes=batch_bytes)

    if ids:
        delivery = ExactlyOnce(
            make_producer,
            ids,
            source.membership,
            retry,
            transaction_seconds=connection.transaction_seconds,
            adapt=output_limits.lower,
        )
    else:
        delivery = AtLeastOnce(make_producer, source.commit, retry, output_limits.lower)
    outputs = (topics.results, topics.alerts, topics.dead_letters)

    def trouble() -> str | None:
        return Admin(connection, seconds=5.0).trouble(outputs, witness=chosen.input_topic)

    return Line(
        chosen.input_topic,
        source,
        pipeline,
        delivery,
        Budget(budget, chosen.batch_events),
        trouble,
        SlowBatches.for_budget(budget),
    )


def _finder(chosen: Settings, connection: Connection) -> Find:
    """What looks for the extent of a batch that cannot be read, with clients of its own."""

    def find_batch(partition: int, position: int) -> UnreadableBatch | None:
        with closing(Probe(connection, chosen.group_id, chosen.input_topic, partition)) as probe:
            return find(probe, chosen.input_topic, partition, position)

    return find_batch


def _now_ms() -> int:
    """Return the time of day in ms since the epoch."""
    return time.time_ns() // 1_000_000


def _say_what_runs(chosen: Settings, scorer: Scorer, server: Server) -> None:
    shown = settings.masked(chosen)
    what = {"version": program_version(), "model_version": scorer.artifacts.version, "pid": os.getpid()}
    _log.info("ready to score", extra=what | {"metrics": f"{server.url}/metrics", "settings": shown})
