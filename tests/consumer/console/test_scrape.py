"""One question to one worker: its answer as figures, or why there is none in words."""

import contextlib
import socket
import threading
import time

import pytest

from consumer.console.scrape import ScrapeError, address, scrape
from consumer.observability.health import Health
from consumer.observability.http_server import Server
from consumer.observability.metrics import Metrics
from tests.support.http_endpoint import HOST, serving
from tests.support.kafka.brokers import free_ports


def test_a_worker_answers() -> None:
    server = Server(HOST, 0, Metrics("2026.11.23-5f0c2a9b", "sha").registry, Health())
    try:
        found = scrape(f"{server.url}/metrics")
    finally:
        server.close()
    assert (found.model, found.accounted) == ("2026.11.23-5f0c2a9b", 0)
    assert found.transactions == {"committed": 0, "aborted": 0}


def test_a_line_of_200000_labels_is_refused_at_once() -> None:
    labels = ",".join(f'a{i}="x"' for i in range(200_000))
    with serving((200, f"session_scorer_events_total{{{labels}}} 1\n".encode())) as worker:
        began = time.monotonic()
        with pytest.raises(ScrapeError, match="no session-scorer"):
            scrape(worker.url, seconds=20)
        assert time.monotonic() - began < 20  # parsed, it takes minutes


def test_an_answer_that_takes_long_to_read_is_given_up() -> None:
    line = "other_total{" + ",".join(f'a{i}="x"' for i in range(400)) + "} 1\n"
    with serving((200, (line * 4_000).encode())) as worker, pytest.raises(ScrapeError, match="no answer within"):
        scrape(worker.url, seconds=0.5)


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 404, "HTTP status 404"),
        (b"<html>hello</html>", 200, "what answers there is no session-scorer"),
        (b"\xff\xfe", 200, "what answers there is no session-scorer"),
        (b'session_scorer_events_total{outcome="x"} Inf\n', 200, "what answers there is no session-scorer"),
        (b"session_scorer_events_total 3\n", 200, "what answers there is no session-scorer"),
        (b"up 1\n", 200, "what answers there is no session-scorer: it has no metric session_scorer_model_info"),
    ],
)
def test_whatever_else_answers_is_no_worker(body: bytes, status: int, why: str) -> None:
    with serving((status, body)) as other, pytest.raises(ScrapeError) as caught:
        scrape(other.url)
    assert str(caught.value) == why


def test_what_a_label_holds_cannot_move_the_cursor() -> None:
    with serving((200, b'session_scorer_model_info{version="a\x1b[2J",sha256=""} 1\n')) as worker:
        assert scrape(worker.url).model == "a?[2J"


def test_where_nobody_listens_it_says_so() -> None:
    with pytest.raises(ScrapeError, match=r"^Connection refused$"):
        scrape(f"http://{HOST}:{free_ports(1)[0]}/metrics")


def test_a_name_that_no_host_can_have_is_said_to_be_none() -> None:
    with pytest.raises(ScrapeError, match="no such host"):
        scrape("http://worker..1:9108/metrics")


def test_one_that_listens_and_says_nothing_is_not_waited_for() -> None:
    with socket.create_server((HOST, 0)) as mute, pytest.raises(ScrapeError, match=r"^no answer within 0.1 s$"):
        scrape(f"http://{HOST}:{mute.getsockname()[1]}/metrics", 0.1)


def test_one_that_never_comes_to_an_end_is_not_waited_for() -> None:
    with socket.create_server((HOST, 0)) as endless:

        def drip() -> None:
            with endless.accept()[0] as client, contextlib.suppress(OSError):
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                for _ in range(300):
                    client.sendall(b"#\n")
                    time.sleep(0.02)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(ScrapeError, match=r"^no answer within 0.2 s$"):
            scrape(f"http://{HOST}:{endless.getsockname()[1]}/metrics", 0.2)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("worker-1", "http://worker-1:9108/metrics"),
        ("worker-1:9200", "http://worker-1:9200/metrics"),
        ("[::1]:9108", "http://[::1]:9108/metrics"),
        ("http://worker-1", "http://worker-1/metrics"),
        ("https://worker-1/w/metrics", "https://worker-1/w/metrics"),
    ],
)
def test_of_an_address_what_goes_without_saying_may_be_left_out(text: str, whole: str) -> None:
    assert address(text) == whole


@pytest.mark.parametrize(
    "text", ["", "ftp://x", "http://", "x:port", "x:0", "x:99999", "a b", "http://u:p@x", "a\x1bb"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the command line says it in words
        address(text)
