"""SIGTERM under load: done at once, and nothing left over."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Full, Record
from tests.support.end_to_end import Line, stop
from tests.support.waiting import wait_until
from tests.support.wire import is_open, read
from training.synthetic.invalid_events import InvalidSample

EACH = 8_000  # more than is scored, in batches of 5, before the stop comes
BOUND = 15.0  # seconds that a stop may take, as given to the worker
LAST_RESORT = 5.0  # seconds more, past which nothing is waited for
MARGIN = 5.0  # for a busy machine


@pytest.mark.timeout(1800)
def test_sigterm_under_load_ends_the_worker_in_its_bound_and_leaves_nothing_to_repeat(
    line: Line, tmp_path: Path, full: Full, record_property: Record
) -> None:
    moments, log = random.Random(5), tmp_path / "log"
    planted: dict[bytes, InvalidSample] = {}
    fed, before, took = 0, 0, []
    for number in range(full(5, 50)):
        planted |= line.feed(EACH, seed=number)
        fed += EACH
        options = ("--batch-events", "5", "--shutdown-seconds", str(BOUND))
        with line.running(log, *options) as process:
            line.wait_for(lambda count: count > before, process)  # noqa: B023 - used at once
            time.sleep(moments.uniform(0, 0.2))
            asked = time.monotonic()
            assert stop(process) == 0
            took.append(time.monotonic() - asked)
        before = line.committed()
        assert before < fed, "there was no load when the stop came"
        wait_until(lambda: not is_open(line.bootstrap, line.results), "the last transaction has not ended", 5)
    record_property("stops", len(took))
    record_property("longest, s", round(max(took), 1))
    assert max(took) < BOUND
    line.drain(log, fed)
    assert line.check(planted).faults() == {}
    assert written(line, "read_uncommitted") == written(line, "read_committed"), "something was written twice"


def written(line: Line, isolation: str) -> int:
    return len(read(line.bootstrap, line.results, line.alerts, line.dead_letters, isolation=isolation))


def doomed(line: Line, log: Path, doom: str, *options: str) -> float:
    """Stops a worker in whose process `doom` was said first; returns how long it took to end, its status in `log`."""
    program = (sys.executable, "-c", f"{doom}\nfrom consumer.cli.main import main\nmain()")
    with line.running(log, *options, command=program) as process:
        until_assigned(process, log)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        log.with_suffix(".status").write_text(str(process.wait(120)))
        return time.monotonic() - began


def until_assigned(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while "partitions assigned" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def test_a_client_that_never_lets_go_of_the_interpreter_is_ended_with_its_stack_told(
    line: Line, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    doom = """
import ctypes
from consumer.kafka.consumer import KafkaSource
KafkaSource.close = lambda _: ctypes.PyDLL(None).sleep(600)  # a PyDLL keeps the interpreter's lock
"""
    took = doomed(line, log, doom, "--shutdown-seconds", "2")
    assert (tmp_path / "log.status").read_text() == "1"
    assert took < 2 + LAST_RESORT + MARGIN
    assert "worker.py" in log.read_text(), "where it stood is not told"


def test_a_client_that_is_never_done_with_ending_holds_no_stop_up(line: Line, tmp_path: Path) -> None:
    doom = """
import time
class Client:
    def __del__(self): time.sleep(600)
client = Client()
"""
    took = doomed(line, tmp_path / "log", doom)
    assert (tmp_path / "log.status").read_text() == "0"
    assert took < LAST_RESORT + MARGIN
