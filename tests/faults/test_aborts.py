"""Transactions that come to nothing leave nothing."""

from pathlib import Path

from tests.faults.conftest import Full, Record
from tests.faults.doomed import command
from tests.support.end_to_end import Line
from tests.support.wire import read

BATCH = 1000


def test_of_transactions_aborted_on_purpose_a_third_of_all_nothing_is_visible(
    line: Line, tmp_path: Path, full: Full, record_property: Record
) -> None:
    events, log = full(10_000, 100_000), tmp_path / "log"
    planted = line.feed(events)
    line.drain(log, events, "--batch-events", str(BATCH), command=command("abort", "before-commit", 3))
    report = line.check(planted)
    assert report.faults() == {}
    assert report.counts["results"] + report.counts["dead_letters"] == events
    aborted = log.read_text().count("going back to the committed offsets")
    record_property("aborted", aborted)
    assert aborted >= events // BATCH // 3, "a batch holds so many at most"
    written = len(read(line.bootstrap, line.results, line.dead_letters, isolation="read_uncommitted"))
    assert written > events, "the aborted records are there, for a reader that does not ask"
