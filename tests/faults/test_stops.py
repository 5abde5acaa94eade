"""SIGTERM under load: done at once, and nothing left over."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.consumer.wire import is_open, read
from tests.line import Line, stop
from training.broken import Broken

EACH = 8_000  # more than is scored, in batches of 20, before the stop comes
BOUND = 15.0  # seconds that a stop may take, as given to the worker


@pytest.mark.timeout(1800)
def test_sigterm_under_load_ends_the_worker_in_its_bound_and_leaves_nothing_to_repeat(
    line: Line, tmp_path: Path, full: Callable[[int, int], int], record_property: Callable[[str, object], None]
) -> None:
    moments, log = random.Random(5), tmp_path / "log"
    planted: dict[bytes, Broken] = {}
    fed, before, took = 0, 0, []
    for number in range(full(5, 50)):
        planted |= line.feed(EACH, seed=number)
        fed += EACH
        options = ("--batch-events", "20", "--shutdown-seconds", str(BOUND))
        with line.running(log, *options) as process:
            line.wait_for(lambda count: count > before, process)  # noqa: B023 - used at once
            time.sleep(moments.uniform(0, 0.2))
            asked = time.monotonic()
            assert stop(process) == 0
            took.append(time.monotonic() - asked)
        before = line.committed()
        assert before < fed, "there was no load when the stop came"
        assert not is_open(line.bootstrap, line.results), "a transaction was left open"
    record_property("stops", len(took))
    record_property("longest, s", round(max(took), 1))
    assert max(took) < BOUND
    finish(line, log, fed)
    assert line.check(planted).faults() == {}
    assert written(line, "read_uncommitted") == written(line, "read_committed"), "something was written twice"


def written(line: Line, isolation: str) -> int:
    return len(read(line.bootstrap, line.results, line.alerts, line.dead_letters, isolation=isolation))


def finish(line: Line, log: Path, events: int) -> None:
    with line.running(log) as process:
        line.wait_for(lambda count: count == events, process)
        assert stop(process) == 0
