"""`session-scorer watch`, run as its users run it, on workers that come and go."""

import re
import signal
import subprocess
import time
from contextlib import AbstractContextManager, closing
from pathlib import Path

import numpy as np
import pytest

from consumer.kafka.config import Connection
from consumer.kafka.reader import TopicTail
from consumer.observability.health import Health
from consumer.observability.http_server import Server
from consumer.observability.metrics import Metrics
from consumer.records import BatchStats
from tests.support.command_line import COMMAND, Call, running
from tests.support.end_to_end import Line, environment
from tests.support.fakes import P0
from tests.support.kafka.brokers import free_ports
from tests.support.kafka.topics import Topics
from tests.support.wire import Event, write

HOST = "127.0.0.1"
SECONDS = 60


def watching(*arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return running(*COMMAND, "watch", *arguments, env=environment())


def until(process: subprocess.Popen[str], pattern: str) -> list[str]:
    """Its lines up to the first that matches."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if re.search(pattern, line):
            return lines
    raise AssertionError(f"it ended without {pattern}: {lines}")


def metrics(events: int, lag: int = 0) -> Metrics:
    """Those of a worker that has scored so many."""
    made = Metrics("2026.11.23-5f0c2a9b", "sha")
    if events:
        made.record_commit(_stats(events))
    made.set_lag({P0: lag})
    return made


def _stats(events: int) -> BatchStats:
    return BatchStats(
        scored=events,
        dead_lettered=2,
        skipped=0,
        levels={"Low": events - 1, "High": 1},
        reasons={},
        dead_letter_codes={"not_json": 2},
        imputed={},
        unseen={},
        scores=np.zeros(events),
        timestamps=np.zeros(0, np.int64),
        stage_seconds={},
        dead_letter_flags=[],
    )


def serving(port: int, of: Metrics) -> Server:
    return Server(HOST, port, of.registry, Health())


def test_two_workers_are_watched_through_the_fall_and_rise_of_one_until_ctrl_c() -> None:
    first, second = free_ports(2)
    with (
        closing(serving(first, metrics(100, lag=4))),
        watching(f"{HOST}:{first}", f"{HOST}:{second}", "--interval", "0.1") as process,
    ):
        begin = until(process, "1 of 2 workers up")
        assert begin[0] == f"{HOST}:{second} down: Connection refused"
        assert begin[1] == f"{HOST}:{first} up, model 2026.11.23-5f0c2a9b"
        assert "| 102 events, lag 4, transactions 1 committed, 0 aborted |" in begin[2]
        assert begin[2].endswith("| Low 99 Medium 0 High 1 | dead letters 2 (not_json 2)")
        with closing(serving(second, metrics(1000))):
            [*_, line] = until(process, "2 of 2 workers up")
            assert "| 1,104 events, lag 4, transactions 2 committed, 0 aborted |" in line
        lines = until(process, "1 of 2 workers up")
        assert f"{HOST}:{second} down: Connection refused" in lines
        assert "| 1,104 events," in lines[-1]
        with closing(serving(second, metrics(10))):  # another process: it counts from the beginning
            [*_, line] = until(process, "2 of 2 workers up")
            assert "| 1,116 events," in line
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert "\x1b" not in rest


def test_with_nobody_there_it_watches_all_the_same_and_says_whom_it_asked() -> None:
    port = free_ports(1)[0]
    with watching(f"{HOST}:{port}", "--interval", "0.1") as process:
        lines = until(process, "0 of 1 workers up")
        assert lines[0] == f"{HOST}:{port} down: Connection refused"
        assert lines[1].startswith(f"no consumer answers; asked: http://{HOST}:{port}/metrics")
        with closing(serving(port, metrics(5))):
            until(process, "1 of 1 workers up")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")


def test_once_is_one_look(call: Call) -> None:
    with closing(serving(0, metrics(7))) as server:
        said = call("watch", server.url, "--once")
    assert said.status == 0
    assert said.out.splitlines()[1].startswith("0 s | 1 of 1 workers up | 9 events, lag 0,")


def test_once_with_nobody_there_is_status_1_and_one_line(call: Call) -> None:
    port = free_ports(1)[0]
    said = call("watch", f"{HOST}:{port}", "--once")
    assert (said.status, said.out) == (1, "")
    assert said.line == f"session-scorer: {HOST}:{port} down: Connection refused"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ftp://worker-1"], "expected the addresses of workers, as in http://127.0.0.1:9108/metrics or worker-1:9108"),
        (["--interval", "0"], "0"),
        (["--alerts-topic", "alerts"], "only together with --bootstrap-servers"),
    ],
)
def test_wrong_usage_is_status_2(call: Call, arguments: list[str], says: str) -> None:
    said = call("watch", *arguments)
    assert (said.status, said.out) == (2, "")
    assert says in said.err
    assert "Traceback" not in said.err


@pytest.mark.kafka
def test_a_consumer_at_work_is_seen_with_its_alerts_and_without_a_group(
    kafka: str, topics: Topics, tmp_path: Path
) -> None:
    line = Line.on(kafka, topics)
    line.feed(2_000)
    port = str(free_ports(1)[0])
    with line.running(tmp_path / "log", "--metrics-port", port) as consumer:
        line.wait_for(lambda count: count == 2_000, consumer)
        with watching(
            f"{HOST}:{port}", "--once", "--bootstrap-servers", kafka, "--alerts-topic", line.alerts
        ) as process:
            said, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    [up, figures, alert] = said.splitlines()
    assert up.startswith(f"{HOST}:{port} up, model ")
    assert re.search(r"\| 2,000 events, lag [\d,]+, transactions ", figures)  # lag: told once a second
    assert re.fullmatch(r"alert 0\.\d{4} session_\S+: \S.*", alert)


@pytest.mark.kafka
def test_what_is_no_alert_is_counted_and_not_shown(kafka: str, topics: Topics, call: Call) -> None:
    topic = topics("alerts")
    write(kafka, topic, [Event(value) for value in (b"{", b"\xff", b"[]", b'{"alert_id": 1}', None)])
    port = free_ports(1)[0]
    with closing(serving(port, metrics(7))):
        said = call("watch", f"{HOST}:{port}", "--once", "--bootstrap-servers", kafka, "--alerts-topic", topic)
    assert (said.status, said.err) == (0, "")
    assert "4 records on the topic of alerts are none: is --alerts-topic right?" in said.out
    assert "alert 0" not in said.out


@pytest.mark.kafka
def test_a_topic_of_alerts_that_is_not_there_is_one_line(kafka: str, call: Call) -> None:
    said = call("watch", "--bootstrap-servers", kafka, "--alerts-topic", "not-there", "--once")
    assert said.status == 1
    assert "1 topic is missing: not-there" in said.line


@pytest.mark.kafka
def test_more_alerts_than_are_read_at_once_are_not_fallen_behind(kafka: str, topics: Topics) -> None:
    topic = topics("alerts")
    with closing(TopicTail(Connection(kafka), topic, back=20)) as tail:
        assert tail.take() == []
        write(kafka, topic, [Event(b"%d" % number) for number in range(1500)])
        came, deadline = tail.take(), time.monotonic() + SECONDS
        while not came and time.monotonic() < deadline:
            came = tail.take()
        time.sleep(1)  # all of them have come to the client by then
        assert len(came) + len(tail.take()) == 1500
