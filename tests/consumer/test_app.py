"""The consumer put together, on the broker in this process: fed, scraped, stopped."""

import json
import signal
import socket
import subprocess
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from consumer import app
from consumer.app import start
from consumer.config.settings import Settings, load_settings
from consumer.errors import WorkerError
from consumer.kafka.client import EmbeddedBroker
from consumer.kafka.config import Connection
from consumer.kafka.producer import KafkaProducer
from consumer.observability.http_server import Server
from consumer.records import OutRecord
from tests.support import schema_validation
from tests.support.waiting import wait_until

LATER = {  # what has nothing to say yet: partitions only after a gap, drift only of a thousand events
    "session_scorer_events_never_seen",
    "session_scorer_drift_psi",
}
TOPICS = ("sessions", "session-results", "session-alerts", "session-dead-letters")


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(TOPICS) as running:
        yield running


def chosen(broker: EmbeddedBroker, **given: str) -> Settings:
    ours = {"bootstrap_servers": broker.bootstrap_servers, "delivery": "at-least-once", "metrics_port": "0"}
    return load_settings(ours | given)


@contextmanager
def running(settings: Settings) -> Iterator[Server]:
    """A consumer on a thread of its own, stopped at the end; what ended it is raised."""
    stop, served = threading.Event(), threading.Event()
    servers: list[Server] = []
    errors: list[Exception] = []

    def announce(server: Server) -> None:
        servers.append(server)
        served.set()

    def work() -> None:
        try:
            start(settings, stop, announce)
        except Exception as error:  # noqa: BLE001 - raised again on the test's own thread
            errors.append(error)
            served.set()

    thread = threading.Thread(target=work)
    thread.start()
    served.wait(60)
    try:
        if servers:
            yield servers[0]
        else:
            raise errors.pop()
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def feed(broker: EmbeddedBroker, values: list[bytes]) -> None:
    producer = KafkaProducer(Connection(broker.bootstrap_servers))
    producer.produce([OutRecord("sessions", b"k", value, [], int(time.time() * 1000)) for value in values])
    producer.flush()


def read(broker: EmbeddedBroker, topic: str, count: int) -> list[bytes]:
    reader = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "reader"})
    # assigned by hand: joining a group takes the embedded broker three seconds
    reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(4)])
    found: list[Message] = []
    deadline = time.monotonic() + 30
    while len(found) < count and time.monotonic() < deadline:
        found += [message for message in reader.consume(count, 0.2) if message.error() is None]
    reader.close()
    schema_validation.hold_all(found)
    return [message.value() or b"" for message in found]


def families(server: Server) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text)}


def sample(server: Server, name: str, **labels: str) -> float:
    samples = [sample for family in families(server).values() for sample in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def test_metrics_agree_with_results_and_dead_letters(broker: EmbeddedBroker) -> None:
    with running(chosen(broker)) as server:
        feed(broker, [json.dumps({"session_id": i, "click_events": i}).encode() for i in range(40)] + [b"broken"])
        wait_until(lambda: sample(server, "session_scorer_events_total") == 41)
        assert sample(server, "session_scorer_events_total", outcome="scored") == 40
        assert sample(server, "session_scorer_dead_letters_total", code="not_json") == 1
        assert sample(server, "session_scorer_results_total") == 40
        assert sample(server, "session_scorer_latency_seconds_count") == 40
        assert sample(server, "session_scorer_model_info") == 1
        wait_until(lambda: {name for name, each in families(server).items() if not each.samples} <= LATER)
        for stage in ("decode", "score", "encode", "publish", "commit"):
            batches = sample(server, "session_scorer_batch_events_count")
            assert sample(server, "session_scorer_stage_seconds_count", stage=stage) == batches > 0
        wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
        assert httpx.get(f"{server.url}/livez").text == "ok\n"
    results = [json.loads(value) for value in read(broker, "session-results", 40)]
    assert [result["session_id"] for result in results] == list(range(40))
    assert read(broker, "session-dead-letters", 1) == [b"broken"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/livez")


def test_live_and_not_ready_during_compilation(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, stop, announced, waits = (threading.Event() for _ in range(4))
    monkeypatch.setattr(app, "compile_kernels", lambda _: compiled.wait())
    port = free_port()

    def work() -> None:
        start(chosen(broker, metrics_port=str(port)), stop, lambda _: announced.set(), waits.set)

    thread = threading.Thread(target=work)
    thread.start()
    assert waits.wait(60)
    assert httpx.get(f"http://127.0.0.1:{port}/livez").text == "ok\n"
    assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 503
    assert not announced.is_set()
    compiled.set()
    assert announced.wait(60)
    stop.set()
    thread.join(30)


def test_what_goes_wrong_in_compiling_ends_the_start(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise MemoryError("no room for code")

    monkeypatch.setattr(app, "compile_kernels", fail)
    port = free_port()
    with pytest.raises(MemoryError, match="no room for code"):
        start(chosen(broker, metrics_port=str(port)), threading.Event())
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/livez")


def test_a_missing_topic_is_said_before_anything_runs(broker: EmbeddedBroker) -> None:
    settings = chosen(broker, results_topic="not-there", alerts_topic="nor-this")
    with pytest.raises(WorkerError, match=r"2 topics are missing: not-there, nor-this; create them, or let"):
        start(settings, threading.Event())


def test_workers_of_a_host_use_different_ports(broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings({"bootstrap_servers": broker.bootstrap_servers, "delivery": "at-least-once"})
    with running(settings) as first, running(settings) as second:
        assert first.port != second.port
        assert {first.port, second.port} <= set(range(9108, 9118))  # other programs may have some of them
        assert httpx.get(f"{second.url}/metrics").status_code == 200
    line = next(record for record in caplog.records if record.msg == "the metrics are served on another port")
    assert line.__dict__["metrics"].startswith("http://127.0.0.1:91")


def test_fixed_metrics_port_in_use_is_an_error(broker: EmbeddedBroker) -> None:
    with running(chosen(broker)) as server:
        settings = chosen(broker, metrics_port=str(server.port))
        with pytest.raises(WorkerError, match=rf"port {server.port}: .*: try another --metrics-port"):
            start(settings, threading.Event())


def test_stop_before_the_start_reads_nothing(broker: EmbeddedBroker) -> None:
    stop = threading.Event()
    stop.set()
    start(chosen(broker), stop)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_the_process_end_in_order(broker: EmbeddedBroker, number: signal.Signals) -> None:
    program = str(Path(sysconfig.get_path("scripts")) / "session-scorer")
    options = ["--bootstrap-servers", broker.bootstrap_servers, "--delivery", "at-least-once", "--metrics-port", "0"]
    with subprocess.Popen([program, "run", *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ready = json.loads(process.stderr.readline())
        assert ready["message"] == "ready to score"
        assert httpx.get(ready["metrics"]).status_code == 200
        process.send_signal(number)
        assert process.wait(20) == 0
        messages = [json.loads(line)["message"] for line in process.stderr]
    assert messages[-1] == "stopped"
