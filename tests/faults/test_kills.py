"""SIGKILL: at any moment, and at each point of a transaction where it could hurt."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Full, Record
from tests.faults.doomed import command
from tests.support.end_to_end import QUICK, SECONDS, Line

SMALL_BATCHES = ("--batch-events", "200")  # so that there are many transactions to be killed in
POINTS = ("after-consume", "mid-produce", "before-send-offsets", "before-commit", "after-commit")


@pytest.mark.timeout(1800)
def test_a_worker_killed_at_random_moments_loses_nothing_and_repeats_nothing(
    line: Line, tmp_path: Path, full: Full, record_property: Record
) -> None:
    events, kills = full(30_000, 100_000), full(4, 20)
    record_property("kills", kills)
    planted, moments = line.feed(events), random.Random(4)
    before = 0
    for _ in range(kills):
        with line.running(tmp_path / "log", "--batch-events", "20", *QUICK) as process:
            line.wait_for(lambda count: count > before, process)  # noqa: B023 - used at once
            time.sleep(moments.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
            assert process.wait(SECONDS) == -signal.SIGKILL
        before = line.committed()
        assert before < events, "all was done before the kill"
    finish(line, tmp_path / "log", events)
    assert line.check(planted).faults() == {}


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_this_point_of_a_transaction_loses_nothing_and_repeats_nothing(
    line: Line, tmp_path: Path, point: str
) -> None:
    events = 5_000
    planted = line.feed(events)
    killed_at(line, tmp_path / "log", point)
    assert line.committed() < events
    finish(line, tmp_path / "log", events)
    report = line.check(planted)
    assert report.faults() == {}
    assert report.counts["results"] + report.counts["dead_letters"] == events


def test_at_least_once_a_killed_worker_loses_nothing_and_what_it_repeats_is_counted(line: Line, tmp_path: Path) -> None:
    events, plain = 5_000, ("--delivery", "at-least-once")
    planted = line.feed(events)
    killed_at(line, tmp_path / "log", "before-plain-commit", *plain)
    finish(line, tmp_path / "log", events, *plain)
    report = line.check(planted)
    repeated = report.counts["results"] + report.counts["dead_letters"] - events
    assert 0 < repeated <= 200, "the batch in hand"
    assert report.faults() == {"duplicate": len(report.duplicate)}


def killed_at(line: Line, log: Path, point: str, *options: str) -> None:
    """Runs it into its end at that point of its seventh batch."""
    doomed = command("SIGKILL", point, 7)
    with line.running(log, *SMALL_BATCHES, *QUICK, *options, command=doomed) as process:
        assert process.wait(SECONDS) == -signal.SIGKILL


def finish(line: Line, log: Path, events: int, *options: str) -> None:
    """Another worker does the rest."""
    line.drain(log, events, *SMALL_BATCHES, *QUICK, *options)
