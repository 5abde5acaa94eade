"""What /livez and /readyz say and when; the HTTP server they stand on."""

import re
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from consumer.errors import WorkerError
from consumer.health import Health, Server
from consumer.metrics import Metrics


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock, loop_seconds=30, broker_seconds=60)


@pytest.fixture
def server(health: Health) -> Iterator[Server]:
    running = Server("127.0.0.1", 0, Metrics("v1", "abc").registry, health)
    yield running
    running.close()


def test_a_fresh_process_lives_but_is_not_ready(health: Health) -> None:
    assert health.not_live() is None
    assert health.not_ready() == "no broker has answered yet"


def test_it_is_ready_once_the_group_has_given_it_its_share(health: Health) -> None:
    health.kafka(joined=False, silent_seconds=0)
    assert health.not_ready() == "the consumer group has not assigned partitions yet"
    health.kafka(joined=True, silent_seconds=0)
    assert health.not_ready() is None


def test_a_silent_broker_makes_it_not_ready_but_leaves_it_alive(health: Health, clock: Clock) -> None:
    health.kafka(joined=True, silent_seconds=59)
    assert health.not_ready() is None
    clock.now += 20
    health.tick()
    assert health.not_ready() == "no broker answered for 79 s"
    assert health.not_live() is None


def test_a_loop_that_hangs_is_neither_alive_nor_ready(health: Health, clock: Clock) -> None:
    health.kafka(joined=True, silent_seconds=0)
    clock.now += 31
    assert health.not_live() == "the loop has not come round for 31 s"
    assert health.not_ready() == health.not_live()
    health.tick()
    assert health.not_live() is None


def test_a_worker_that_stops_is_not_ready_and_alive() -> None:
    stop = threading.Event()
    health = Health(stopping=stop.is_set)
    health.kafka(joined=True, silent_seconds=0)
    assert health.not_ready() is None
    stop.set()
    assert health.not_ready() == "stopping"
    assert health.not_live() is None


def test_the_probes_answer_with_the_reason(server: Server, health: Health) -> None:
    assert httpx.get(f"{server.url}/livez").status_code == 200
    unready = httpx.get(f"{server.url}/readyz")
    assert (unready.status_code, unready.text) == (503, "no broker has answered yet\n")
    assert unready.headers["content-type"].startswith("text/plain")
    health.kafka(joined=True, silent_seconds=0)
    assert httpx.get(f"{server.url}/readyz?verbose").text == "ok\n"


def test_metrics_come_in_the_format_that_is_asked_for(server: Server) -> None:
    plain = httpx.get(f"{server.url}/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    assert "session_scorer_events_total" in plain.text
    opened = httpx.get(f"{server.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")


def test_another_path_is_not_found_and_head_has_no_body(server: Server) -> None:
    assert httpx.get(f"{server.url}/").status_code == 404
    head = httpx.head(f"{server.url}/metrics")
    assert (head.status_code, head.content) == (200, b"")


def test_a_request_leaves_no_trace_on_stderr(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    httpx.get(f"{server.url}/metrics")
    with socket.create_connection(("127.0.0.1", server.port)) as rude:
        rude.sendall(b"GET /metrics HTTP/1.1\r\n")  # and goes away
    httpx.get(f"{server.url}/livez")
    assert capfd.readouterr().err == ""


def test_what_is_served_on_one_address_is_not_on_another(server: Server) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port))


def test_a_port_that_is_taken_is_one_line(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WorkerError, match=f"on 127.0.0.1 port {port}: Address already in use: try another"):
            Server("127.0.0.1", port, CollectorRegistry(), health)


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0..0"])
def test_a_host_that_is_none_is_one_line(health: Health, host: str) -> None:
    with pytest.raises(WorkerError, match=f"metrics cannot be served on {re.escape(host)} port 0: .*: try another"):
        Server(host, 0, CollectorRegistry(), health)


def test_a_closed_server_gives_its_port_back(health: Health) -> None:
    first = Server("127.0.0.1", 0, CollectorRegistry(), health)
    first.close()
    second = Server("127.0.0.1", first.port, CollectorRegistry(), health)
    assert second.port == first.port
    second.close()
