"""The whole line as a user runs it, on a real broker: every event comes out once, also when the process is killed."""

import signal
from pathlib import Path

import pytest

from tests.faults.doomed import command
from tests.support.checker import Report
from tests.support.end_to_end import SECONDS, Line, stop
from tests.support.kafka.topics import Topics

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

EVENTS = 100_000


@pytest.fixture
def line(kafka: str, topics: Topics) -> Line:
    return Line.on(kafka, topics)


def test_every_event_comes_out_exactly_once(line: Line, tmp_path: Path) -> None:
    planted = line.feed(EVENTS)
    line.drain(tmp_path / "log", EVENTS)
    all_is_well(line.check(planted))


def test_every_event_comes_out_exactly_once_when_the_process_is_killed_and_started_again(
    line: Line, tmp_path: Path
) -> None:
    planted = line.feed(EVENTS)
    for point in ("before-commit", "after-commit"):
        with line.running(tmp_path / "log", command=command("SIGKILL", point, 10)) as process:
            assert process.wait(SECONDS) == -signal.SIGKILL
        assert 0 < line.committed() < EVENTS
    line.drain(tmp_path / "log", EVENTS)
    all_is_well(line.check(planted))


def test_two_workers_share_the_partitions_and_one_may_leave_at_any_time(line: Line, tmp_path: Path) -> None:
    planted, log = line.feed(EVENTS), tmp_path / "log"
    with line.running(log) as stays, line.running(log) as leaves:
        line.wait_for(lambda _: log.read_text().count("partitions assigned") >= 2, stays, leaves)
        assert stop(leaves) == 0
        line.wait_for(lambda count: count == EVENTS, stays)
        assert stop(stays) == 0
    assert "FENCED" not in log.read_text()
    all_is_well(line.check(planted))


def test_at_least_once_two_workers_lose_nothing_when_one_leaves(line: Line, tmp_path: Path) -> None:
    planted, log, plain = line.feed(EVENTS), tmp_path / "log", ("--delivery", "at-least-once")
    with line.running(log, *plain) as stays, line.running(log, *plain) as leaves:
        line.wait_for(lambda _: log.read_text().count("partitions assigned") >= 2, stays, leaves)
        assert stop(leaves) == 0
        line.wait_for(lambda count: count == EVENTS, stays)
        assert stop(stays) == 0
    assert line.check(planted).faults().keys() <= {"duplicate"}


def all_is_well(report: Report) -> None:
    assert report.faults() == {}
    assert report.counts["results"] + report.counts["dead_letters"] == EVENTS
    assert report.counts["dead_letters"] == EVENTS // 100
    assert report.counts["alerts"] == report.counts["high"] > 0
