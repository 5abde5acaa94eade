"""Standard error that nobody reads: the group goes on, and every stop is in its bound."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.conftest import Full, Record
from tests.support.command_line import COMMAND
from tests.support.end_to_end import QUICK, SECONDS, Line, environment, stop
from tests.support.kafka.brokers import free_ports
from tests.support.pipes import unread_pipe
from tests.support.waiting import wait_until
from training.synthetic.invalid_events import InvalidSample

STOP_SECONDS = 15.0  # that a stop may take, as given to the worker
LAST_RESORT = 6.0  # seconds more, past which nothing is waited for
MARGIN = 5.0  # for a busy machine
EACH = 200


@contextmanager
def unheard(line: Line, port: int, stderr: int, *options: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A worker on its way, whose standard error is this descriptor."""
    given = [*line.options(), "--metrics-port", str(port), "--shutdown-seconds", str(STOP_SECONDS), *QUICK, *options]
    with subprocess.Popen([*COMMAND, "run", *given], stderr=stderr, env=environment()) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def asked(port: int, path: str) -> str | None:
    """What a worker answers; None where it does not, or not with 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def value(port: int, name: str) -> float:
    """The sum of a metric over its labels."""
    lines = (asked(port, "metrics") or "").splitlines()
    return sum(float(each.rsplit(" ", 1)[1]) for each in lines if each.startswith((f"{name}{{", f"{name} ")))


@pytest.mark.timeout(1500)
def test_a_group_whose_standard_error_nobody_reads_goes_on(line: Line, full: Full, record_property: Record) -> None:
    ports, planted, fed = free_ports(2), dict[bytes, InvalidSample](), 0

    def feed(*processes: "subprocess.Popen[bytes]") -> None:
        nonlocal fed
        planted.update(line.feed(EACH, seed=fed))
        fed += EACH
        line.wait_for(lambda count: count == fed, *processes)

    with ExitStack() as stack:
        pipe = stack.enter_context(unread_pipe())[1]  # one for both, as in a container
        first = stack.enter_context(unheard(line, ports[0], pipe))
        wait_until(lambda: asked(ports[0], "readyz") is not None)
        feed(first)
        second = stack.enter_context(unheard(line, ports[1], pipe))
        while value(ports[1], "session_scorer_events_total") == 0:  # until it has its share
            feed(first, second)
        over, rounds = time.monotonic() + full(30, 600), 0
        while time.monotonic() < over:
            feed(first, second)
            rounds += 1
        wait_until(lambda: value(ports[0], "session_scorer_log_lines_dropped_total") > 0)
        assert [asked(port, "livez") for port in ports] == ["ok\n", "ok\n"]
        began = time.monotonic()
        assert stop(first) == 0
        feed(second)  # which has all the partitions then
        assert stop(second) == 0
        record_property("both stopped within, s", round(time.monotonic() - began, 1))
    record_property("rounds", rounds)
    assert line.check(planted).faults() == {}


@pytest.fixture(params=["pipe", "socket"])
def nobody(request: pytest.FixtureRequest) -> Iterator[int]:
    """A descriptor that takes nothing more."""
    if request.param == "pipe":
        with unread_pipe() as (_, writing):
            yield writing
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.0)
        try:
            while True:
                ours.send(b"x" * 1000)
        except BlockingIOError:
            ours.settimeout(None)
        yield ours.fileno()


HANGS = """
import ctypes
from consumer.kafka.consumer import KafkaSource
KafkaSource.close = lambda _: ctypes.PyDLL(None).sleep(600)  # a PyDLL keeps the interpreter's lock
from consumer.__main__ import main
main()
"""


def test_a_client_that_never_lets_go_is_ended_in_the_bound_though_its_stack_cannot_be_told(
    line: Line, nobody: int
) -> None:
    (port,) = free_ports(1)
    given = [*line.options(), "--metrics-port", str(port), "--shutdown-seconds", "2"]
    with subprocess.Popen([sys.executable, "-c", HANGS, "run", *given], stderr=nobody, env=environment()) as process:
        wait_until(lambda: asked(port, "readyz") is not None)
        began = time.monotonic()
        process.terminate()
        assert process.wait(SECONDS) != 0
        assert time.monotonic() - began < 2 + LAST_RESORT + MARGIN


def test_a_commit_without_an_answer_ends_the_worker_though_nobody_reads_why(line: Line) -> None:
    hangs = HANGS.replace("ctypes.PyDLL(None).sleep(600)", "__import__('time').sleep(600)")
    (port,) = free_ports(1)
    given = [*line.options(), "--metrics-port", str(port), "--shutdown-seconds", "2"]
    with (
        unread_pipe() as (_, writing),
        subprocess.Popen([sys.executable, "-c", hangs, "run", *given], stderr=writing, env=environment()) as process,
    ):
        wait_until(lambda: asked(port, "readyz") is not None)
        began = time.monotonic()
        process.terminate()
        assert process.wait(SECONDS) == 1
        assert time.monotonic() - began < 2 + LAST_RESORT + MARGIN
