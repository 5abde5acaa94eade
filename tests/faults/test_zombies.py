"""A worker that slept while the world went on, and two that believe they are the same one."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.doomed import command
from tests.support.end_to_end import QUICK, SECONDS, Line, stop
from tests.support.waiting import wait_until
from tests.support.wire import is_open
from training.synthetic.invalid_events import InvalidSample

EVENTS = 5_000
SOME = 500  # fed at a time
SMALL_BATCHES = ("--batch-events", "200")


@pytest.mark.parametrize(
    ("point", "milliseconds"),
    [
        pytest.param("before-send-offsets", 30_000, id="in a transaction that is still open when it wakes"),
        pytest.param("before-commit", 8_000, id="in a transaction that has ended when it wakes"),
    ],
)
def test_a_zombie_writes_nothing_more_once_another_worker_has_its_partitions_and_says_why_and_recovers(
    line: Line, tmp_path: Path, point: str, milliseconds: int
) -> None:
    planted, zombies, others = line.feed(EVENTS), tmp_path / "zombie", tmp_path / "other"
    options = (*SMALL_BATCHES, *QUICK, "-X", f"transaction.timeout.ms={milliseconds}")
    with line.running(zombies, *options, command=command("SIGSTOP", point, 7)) as zombie:
        wait_until(lambda: is_stopped(zombie))
        with line.running(others, *options) as other:
            line.wait_for(lambda count: count == EVENTS, other)
            zombie.send_signal(signal.SIGCONT)
            back = "going back to the committed offsets"
            wait_until(lambda: back in zombies.read_text() or zombie.poll() is not None)
            wait_until(lambda: zombies.read_text().count("partitions assigned") >= 2)
            planted |= line.feed(EVENTS, seed=8)
            line.wait_for(lambda count: count == 2 * EVENTS, zombie, other)
            assert stop(zombie) == 0
            assert stop(other) == 0
    assert "transaction given up" in zombies.read_text()
    assert line.check(planted).faults() == {}


def test_a_worker_that_slept_past_its_transactions_time_out_writes_nothing_of_it_says_why_and_recovers(
    line: Line, tmp_path: Path
) -> None:
    planted, log = line.feed(EVENTS), tmp_path / "log"
    options = (*SMALL_BATCHES, "-X", "session.timeout.ms=45000", "-X", "transaction.timeout.ms=3000")
    with line.running(log, *options, command=command("SIGSTOP", "before-commit", 7)) as process:
        wait_until(lambda: is_stopped(process))
        assert is_open(line.bootstrap, line.results)
        wait_until(lambda: not is_open(line.bootstrap, line.results))  # the broker has ended it
        process.send_signal(signal.SIGCONT)
        line.wait_for(lambda count: count == EVENTS, process)
        assert stop(process) == 0
    assert "transaction given up" in log.read_text()
    assert line.check(planted).faults() == {}


def test_of_two_processes_with_one_transactional_id_one_survives_and_the_other_says_which_id_and_what_to_do(
    line: Line, tmp_path: Path
) -> None:
    logs = [tmp_path / "first", tmp_path / "second"]
    for log in logs:
        log.with_suffix(".tmp").mkdir()  # two directories of locks, as on two hosts of one name
    options = (*SMALL_BATCHES, *QUICK, "--slot", "0")
    rooms = [{"TMPDIR": str(log.with_suffix(".tmp"))} for log in logs]
    with line.running(logs[0], *options, env=rooms[0]) as first:
        wait_until(lambda: "partitions assigned" in logs[0].read_text())
        with line.running(logs[1], *options, env=rooms[1]) as second:
            wait_until(lambda: "partitions assigned" in logs[1].read_text())
            planted: dict[bytes, InvalidSample] = {}
            fed, deadline = 0, time.monotonic() + SECONDS
            while first.poll() is None and second.poll() is None:  # who has nothing to publish hears of nobody
                assert time.monotonic() < deadline, "neither has ended"
                planted |= line.feed(SOME, seed=fed)
                fed += SOME
                time.sleep(0.1)
            ended, survivor = (first, second) if first.poll() is not None else (second, first)
            assert ended.wait() == 1
            line.wait_for(lambda count: count == fed, survivor)
            assert stop(survivor) == 0
    said = logs[0 if ended is first else 1].read_text().splitlines()[-1]
    assert f"transactional id {line.group}-" in said
    assert "another process uses this id: stop it, or give each worker its own --slot" in said
    assert line.check(planted).faults() == {}


def test_a_second_worker_takes_the_next_slot_after_the_first_ones_lock_was_removed(line: Line, tmp_path: Path) -> None:
    logs, room = [tmp_path / "first", tmp_path / "second"], tmp_path / "tmp"
    room.mkdir()
    planted = line.feed(EVENTS)
    with line.running(logs[0], *QUICK, env={"TMPDIR": str(room)}) as first:
        wait_until(lambda: "partitions assigned" in logs[0].read_text())
        for lock in room.glob("session-scorer-*"):
            shutil.rmtree(lock)
        wait_until(lambda: "the lock of this slot was removed and is made again" in logs[0].read_text())
        with line.running(logs[1], *QUICK, env={"TMPDIR": str(room)}) as second:
            wait_until(lambda: "partitions assigned" in logs[1].read_text())
            planted |= line.feed(EVENTS, seed=8)
            line.wait_for(lambda count: count == 2 * EVENTS, first, second)
            assert stop(first) == 0
            assert stop(second) == 0
    assert "transaction given up" not in logs[0].read_text() + logs[1].read_text()
    assert line.check(planted).faults() == {}


def is_stopped(process: "subprocess.Popen[bytes]") -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
