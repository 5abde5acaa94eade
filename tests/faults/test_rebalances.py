"""Workers that come and go: every event once, in order, and no partition waits long."""

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.conftest import Full, Record
from tests.faults.stream import caught_up, longest_stall, stream, watching
from tests.support.end_to_end import Line, stop
from tests.support.kafka.topics import Topics
from tests.support.waiting import wait_until

STALL_SECONDS = 10.0  # promised: no partition waits longer while workers come and go
EVERY_SECONDS = 5.0


@pytest.fixture
def stamped(line: Line, topics: Topics) -> Line:
    """A line whose results carry the broker's clock."""
    return replace(line, results=topics("results", config={"message.timestamp.type": "LogAppendTime"}))


@pytest.mark.parametrize("options", [(), ("-X", "group.protocol=consumer")], ids=["cooperative", "kip-848"])
def test_workers_come_and_go_and_no_partition_waits_long(
    stamped: Line, options: tuple[str, ...], tmp_path: Path, full: Full, record_property: Record
) -> None:
    log = tmp_path / "log"
    with stamped.running(log, *options) as first:
        with watching(first, log), stream(stamped, rate=200) as planted:
            stamped.wait_for(lambda count: count > 200, first)
            for _ in range(full(1, 12)):
                others_come_and_go(stamped, log, full(2, 3), options)
        wait_until(lambda: caught_up(stamped), "not all is committed")
        assert stop(first) == 0, log.read_text()
    assert stamped.check(planted).faults() == {}
    stall = longest_stall(stamped)
    record_property("longest stall, s", round(stall, 1))
    assert stall < STALL_SECONDS


def others_come_and_go(line: Line, log: Path, count: int, options: tuple[str, ...]) -> None:
    """So many more workers for a while, then they stop, all at once."""
    with ExitStack() as stack:
        others = [stack.enter_context(line.running(log, *options)) for _ in range(count)]
        with ExitStack() as ready:
            for other in others:
                ready.enter_context(watching(other, log))
        time.sleep(EVERY_SECONDS)
        assert [stop(other) for other in others] == [0] * count, log.read_text()
    time.sleep(EVERY_SECONDS)
