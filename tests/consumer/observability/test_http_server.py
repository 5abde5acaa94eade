"""The HTTP server of /metrics, /livez and /readyz, and clients that are slow, many, or wrong."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, Info, Metric

from consumer.errors import WorkerError
from consumer.observability.health import Health
from consumer.observability.http_server import MOST_CONNECTIONS, Server, require_free
from consumer.observability.metrics import Metrics
from tests.support.waiting import wait_until

SECONDS = 30.0  # for whatever should take a moment


@pytest.fixture
def health() -> Health:
    return Health(loop_seconds=3600.0)  # no loop ticks here, however long a test takes


@pytest.fixture
def server(health: Health) -> Iterator[Server]:
    running = Server("127.0.0.1", 0, Metrics("v1", "abc").registry, health)
    yield running
    running.close()


def test_probes_answer_with_the_reason(server: Server, health: Health) -> None:
    assert httpx.get(f"{server.url}/livez").status_code == 200
    unready = httpx.get(f"{server.url}/readyz")
    assert (unready.status_code, unready.text) == (503, "no broker has answered yet\n")
    assert unready.headers["content-type"].startswith("text/plain")
    health.set_kafka_state(joined=True, silent_seconds=0)
    assert httpx.get(f"{server.url}/readyz?verbose").text == "ok\n"


def test_metrics_follow_the_accept_header(server: Server) -> None:
    plain = httpx.get(f"{server.url}/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    assert "session_scorer_events_total" in plain.text
    opened = httpx.get(f"{server.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")


def test_other_paths_are_404_and_head_has_no_body(server: Server) -> None:
    assert httpx.get(f"{server.url}/").status_code == 404
    head = httpx.head(f"{server.url}/metrics")
    assert (head.status_code, head.content) == (200, b"")


def test_requests_are_not_logged(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    httpx.get(f"{server.url}/metrics")
    with socket.create_connection(("127.0.0.1", server.port)) as rude:
        rude.sendall(b"GET /metrics HTTP/1.1\r\n")  # and goes away
    httpx.get(f"{server.url}/livez")
    assert capfd.readouterr().err == ""


def test_the_server_binds_one_address(server: Server) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port))


def test_a_port_in_use_is_a_one_line_error(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WorkerError, match=f"on 127.0.0.1 port {port}: Address already in use: try another"):
            Server("127.0.0.1", port, CollectorRegistry(), health)


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0..0"])
def test_an_unknown_host_is_a_one_line_error(health: Health, host: str) -> None:
    with pytest.raises(WorkerError, match=f"metrics cannot be served on {re.escape(host)} port 0: .*: try another"):
        Server(host, 0, CollectorRegistry(), health)


def test_a_closed_server_frees_its_port(health: Health) -> None:
    first = Server("127.0.0.1", 0, CollectorRegistry(), health)
    first.close()
    second = Server("127.0.0.1", first.port, CollectorRegistry(), health)
    assert second.port == first.port
    second.close()


def connect(server: Server, sent: bytes = b"") -> socket.socket:
    client = socket.create_connection((server.host, server.port), SECONDS)
    client.sendall(sent)
    return client


def response(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    with client, client.makefile("rb") as stream:
        return stream.read()


def is_open(client: socket.socket) -> bool:
    client.settimeout(0.0)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@contextmanager
def served(
    health: Health, registry: CollectorRegistry | None = None, request_seconds: float = 10.0
) -> Iterator[Server]:
    running = Server("127.0.0.1", 0, registry or CollectorRegistry(), health, request_seconds=request_seconds)
    try:
        yield running
    finally:
        running.close()


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_500_slow_clients_hold_few_connections(server: Server) -> None:
    threads = threading.active_count()
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server, b"GET /metrics HTTP/1.1\r\nX: a")) for _ in range(500)]
        asked = time.monotonic()
        assert httpx.get(f"{server.url}/livez", timeout=SECONDS).text == "ok\n"
        assert time.monotonic() - asked < 5
        assert sum(map(is_open, clients)) <= MOST_CONNECTIONS
        assert threading.active_count() == threads


def test_a_dripping_client_is_closed_at_the_deadline(health: Health) -> None:
    with served(health, request_seconds=1.0) as server, connect(server, b"GET /metrics HTTP/1.1\r\nX: ") as client:
        began = time.monotonic()
        while is_open(client):  # each byte comes well within any time for one byte
            assert time.monotonic() - began < SECONDS
            with suppress(ConnectionError, BlockingIOError):
                client.send(b"a")
            time.sleep(0.05)
        assert time.monotonic() - began >= 0.9


def test_a_client_that_never_reads_is_closed(health: Health) -> None:
    registry = CollectorRegistry()
    large = Info("large", "More than the buffers of a connection hold.", registry=registry)
    large.info({"text": "x" * 20_000_000})
    with served(health, registry, request_seconds=1.0) as server:
        before = descriptors()
        with connect(server, b"GET /metrics HTTP/1.1\r\n\r\n") as client:
            wait_until(lambda: descriptors() == before + 2)
            assert httpx.get(f"{server.url}/livez").text == "ok\n"
            wait_until(lambda: descriptors() == before + 1)
            assert len(response(client)) < 20_000_000


def test_an_endless_flood_delays_no_probe(server: Server) -> None:
    over = threading.Event()

    def flood() -> None:
        clients: deque[socket.socket] = deque()
        while not over.wait(0.002):
            with suppress(OSError):
                clients.append(connect(server, b"GET /metrics HTTP/1.1\r\n\r\n"))
            if len(clients) > 100:
                clients.popleft().close()
        for client in clients:
            client.close()

    with ExitStack() as stack:
        stack.callback(over.set)
        flooding = threading.Thread(target=flood)
        flooding.start()
        stack.callback(flooding.join)
        stack.callback(over.set)
        for _ in range(20):
            assert httpx.get(f"{server.url}/livez", timeout=SECONDS).status_code == 200


FEW_DESCRIPTORS = """
import os, resource, sys, time
from prometheus_client import CollectorRegistry, Info, Metric
from consumer.observability.health import Health
from consumer.observability.http_server import Server
resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
server = Server("127.0.0.1", 0, CollectorRegistry(), Health(loop_seconds=3600.0))
taken = []
def take():
    try:
        while True: taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError: pass
print(server.port, flush=True)
for line in sys.stdin:
    if line == "take\\n": take()
    if line == "free\\n": [os.close(taken.pop()) for _ in range(len(taken))]
    print(time.process_time(), flush=True)
"""


@contextmanager
def few_descriptors() -> Iterator[tuple[int, Callable[[str], float]]]:
    """The port of a server that may have 96 descriptors; and `tell`, which says the processor time it has taken."""
    with subprocess.Popen(
        [sys.executable, "-c", FEW_DESCRIPTORS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def tell(order: str) -> float:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{order}\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        yield int(process.stdout.readline()), tell
        process.stdin.close()
        assert process.wait(SECONDS) == 0


def test_livez_answers_with_96_descriptors_and_200_clients() -> None:
    with few_descriptors() as (port, _), ExitStack() as stack:
        for _ in range(200):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), SECONDS))
            client.sendall(b"GET /metrics HTTP/1.1\r\nX: a")
        assert httpx.get(f"http://127.0.0.1:{port}/livez", timeout=SECONDS).text == "ok\n"


def test_lack_of_descriptors_causes_no_busy_loop() -> None:
    with few_descriptors() as (port, tell):
        before = tell("take")
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
            client.settimeout(2.0)
            with pytest.raises(TimeoutError):
                client.recv(1)
            assert tell("say") - before < 1.0
            tell("free")
            client.settimeout(SECONDS)
            assert client.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=abc",
        "application/openmetrics-text; version=" + "9" * 5000,
        "application/openmetrics-text; version=1.0.0\rX-Made-Up: 1",
        "text/plain; version=",
        "text/plain; version=x",
        ";;;=,=;q=\xff",
    ],
)
def test_a_malformed_accept_gets_the_default_format(server: Server, accept: str) -> None:
    request = f"GET /metrics HTTP/1.1\r\nAccept: {accept}\r\n\r\n".encode("latin-1")
    head, _, body = response(connect(server, request)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in head
    assert b"Made-Up" not in head
    assert b"session_scorer_events_total" in body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /livez HTTP/1.0\n\n", b"200 OK"),
        (b"\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n", b"200 OK"),
        (b"POST /livez HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405 Method Not Allowed"),
        (b"GET /livez\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\n\n", b"400 Bad Request"),  # as a client begins that expects TLS
        (b"GET /" + b"a" * 20_000, b"414 Request-URI Too Long"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, b"431 Request Header Fields Too Large"),
        (b"\r\n" * 10_000, b"431 Request Header Fields Too Large"),
    ],
)
def test_requests_get_their_status(server: Server, request_: bytes, status: bytes) -> None:
    assert response(connect(server, request_)).split(b"\r\n")[0] == b"HTTP/1.1 " + status


def test_a_request_can_arrive_in_pieces(server: Server) -> None:
    client = connect(server, b"GET /livez HT")
    client.sendall(b"TP/1.1\r\n\r")
    client.sendall(b"\n")
    client.shutdown(socket.SHUT_WR)
    assert response(client).endswith(b"\r\n\r\nok\n")


class Faulty:
    """A collector with a fault of its own."""

    def collect(self) -> Iterator[Metric]:
        raise RuntimeError("no such thing")


def test_an_error_in_answering_is_logged(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry(auto_describe=False)
    with served(health, registry) as server:
        registry.register(Faulty())
        assert httpx.get(f"{server.url}/metrics").status_code == 500
        assert httpx.get(f"{server.url}/livez").status_code == 200
    assert [record.getMessage() for record in caplog.records] == ["the metrics server could not answer"]


def test_the_server_binds_an_ipv6_address(health: Health) -> None:
    try:
        require_free("::1", 0)
    except WorkerError as error:
        pytest.skip(str(error))
    server = Server("::1", 0, CollectorRegistry(), health)
    assert httpx.get(f"{server.url}/livez").text == "ok\n"
    server.close()
