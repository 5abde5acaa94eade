"""Transactions of whoever writes the input: what they abort was never there."""

from itertools import islice
from pathlib import Path

from confluent_kafka import Producer

from tests.consumer.wire import SECONDS
from tests.line import Line, stop
from training.dataset import keyed_events

EACH = 50


def test_events_of_an_aborted_upstream_transaction_are_never_scored(line: Line, tmp_path: Path) -> None:
    upstream = Producer({"bootstrap.servers": line.bootstrap, "transactional.id": line.sessions, "log_level": 0})
    upstream.init_transactions(SECONDS)
    stream, places = keyed_events(9), []
    with line.running(tmp_path / "log") as process:
        for number in range(40):
            upstream.begin_transaction()
            for key, value in islice(stream, EACH):
                upstream.produce(line.sessions, value, key, partition=0, on_delivery=lambda _, at: places.append(at))
            assert upstream.flush(SECONDS) == 0
            if number % 3 == 1:
                upstream.abort_transaction(SECONDS)
            else:
                upstream.commit_transaction(SECONDS)
        last = max(at.offset() or 0 for at in places)
        line.wait_for(lambda count: count > last, process)
        assert stop(process) == 0
    report = line.check({})
    assert report.faults() == {}
    assert report.counts["inputs"] == report.counts["results"] == 27 * EACH
    assert len(places) == 40 * EACH
