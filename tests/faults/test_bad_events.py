"""Bad events among good ones: each becomes its dead letter, as it came, and no other event comes to harm."""

from itertools import islice
from pathlib import Path

import pytest

from tests.faults.bad_events import distinct, odd
from tests.faults.conftest import Full
from tests.support.end_to_end import SECONDS, Line
from tests.support.wire import Event, committed, read, write
from training.synthetic.dataset import keyed_events
from training.synthetic.invalid_events import InvalidSample

CONVERTER = ("not_json", "not_an_object", "too_deep")


@pytest.mark.timeout(600)
def test_distinct_bad_events_become_as_many_dead_letters_byte_for_byte_and_no_good_event_is_harmed(
    line: Line, full: Full, tmp_path: Path
) -> None:
    bad, count = distinct(3, full(300, 1000)), full(30_000, 100_000)
    planted = {one.value: one for one in bad}
    assert len(planted) == len(bad)
    assert len({one.kind for one in bad}) > 60
    write(line.bootstrap, line.sessions, mixed(bad, count))
    line.drain(tmp_path / "log", count + len(bad))
    report = line.check(planted)
    assert report.faults() == {}
    assert report.counts["results"] == count
    assert report.counts["dead_letters"] == len(bad)
    for letter in read(line.bootstrap, line.dead_letters):
        headers = dict(letter.headers() or [])
        code = planted[letter.value() or b""].code
        assert headers["__connect.errors.topic"] == line.sessions.encode()
        assert headers["__connect.errors.connector.name"] == line.group.encode()
        assert headers["__connect.errors.stage"] == (b"VALUE_CONVERTER" if code in CONVERTER else b"TRANSFORMATION")
        assert headers["__connect.errors.exception.class.name"] == b"scoring.errors.InvalidEvent"
        assert headers["__connect.errors.exception.message"]
        assert headers["dead_letter.attempts"] == b"1"
        assert headers["trace"] == b"\x00\xff"
    assert {one.code for one in bad} == {*CONVERTER, "wrong_type", "out_of_range", "bad_date"}


def mixed(bad: list[InvalidSample], count: int) -> list[Event]:
    """`count` good events, one in ten of them odd, and the bad ones strewn among them; headers on all that are bad."""
    strange, every = odd(11), count // len(bad)
    events = []
    for number, (key, value) in enumerate(islice(keyed_events(11), count)):
        events.append(Event(next(strange) if number % 10 == 3 else value, key))
        if number % every == every // 2 and number // every < len(bad):
            events.append(Event(bad[number // every].value, key, headers=[("trace", b"\x00\xff")]))
    return events


def garbage(count: int) -> list[Event]:
    return [Event(f"<html>page {number}</html>".encode(), b"key") for number in range(count)]


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_a_topic_of_garbage_trips_the_circuit_breaker_within_its_limit_and_a_restart_stops_again(
    line: Line, delivery: str, tmp_path: Path
) -> None:
    write(line.bootstrap, line.sessions, garbage(5000))  # one key, so one partition
    log = tmp_path / "log"
    for start in (1, 2):
        said = last_words(line, log, "--delivery", delivery)
        assert "breaker_run is 500" in said
        assert "nothing of this batch was committed" in said
        done = line.committed()
        assert done < 500, f"start {start}"
        assert len(read(line.bootstrap, line.dead_letters)) == done
        assert committed(line.bootstrap, line.group, line.sessions, line.partitions).get(0, 0) <= done
    assert read(line.bootstrap, line.results) == []


def test_a_topic_half_garbage_trips_the_circuit_breaker_by_its_ratio(line: Line, tmp_path: Path) -> None:
    good = [value for _, value in islice(keyed_events(1), 1500)]
    events = [
        each
        for one, event in zip(garbage(3000), [value for value in good for _ in range(2)], strict=True)
        for each in (one, Event(event, b"key"))
    ]
    events = [event for number, event in enumerate(events) if number % 4 != 3]  # two of three are garbage
    write(line.bootstrap, line.sessions, events)
    assert "breaker_ratio is 0.5" in last_words(line, tmp_path / "log")
    assert line.committed() == len(read(line.bootstrap, line.results, line.dead_letters)) < 1000 + 1000
    # the way on that the line names: the limits raised, every event has its place
    line.drain(tmp_path / "log", len(events), "--breaker-ratio", "1", "--breaker-run", "0")
    planted = {
        event.value or b"": InvalidSample("html", event.value or b"", "not_json", None) for event in garbage(3000)
    }
    assert line.check(planted).faults() == {}


def last_words(line: Line, log: Path, *options: str) -> str:
    """Runs until it ends by itself, which must be with exit status 1; the one line that is not a log line."""
    before = log.stat().st_size if log.exists() else 0
    with line.running(log, *options) as process:
        assert process.wait(SECONDS) == 1
    plain = [text for text in log.read_text()[before:].splitlines() if not text.startswith("{")]
    assert len(plain) == 1, plain
    return plain[0]
