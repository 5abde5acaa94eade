"""Large events, and batches that are small only as long as they are compressed."""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import cast

import msgspec
import pytest
from confluent_kafka import Message

from consumer.records import Headers
from scoring import Scorer
from tests.faults.conftest import LineOn, Record
from tests.support.end_to_end import Line, stop
from tests.support.wire import Event, read, write
from training.synthetic.dataset import keyed_events

LIMIT = 1_000_000  # max_record_bytes
MIB = 1024 * 1024
MOST_MEMORY = 512 * MIB
LARGE = {"max.message.bytes": str(100 * MIB)}
NEAR = (-3000, *range(-1600, 0, 100), -1, 0, 1, 40_000, 48_500, 49_000, 200_000, 5_000_000)


@pytest.fixture
def large(kafka: str, line_on: LineOn) -> Line:
    """A line whose input takes records of up to 100 MiB; what comes out must fit into Kafka's default of 1 MiB."""
    return line_on(kafka, config=LARGE)


def padded(event: bytes, size: int) -> bytes:
    """The event grown to `size` bytes by a field that the model ignores."""
    return event[:-1] + b',"padding":"' + b"a" * (size - len(event) - 13) + b'"}'


def write_large(line: Line, events: Iterable[Event], compression: str = "none") -> None:
    """All events of a partition in one batch, compressed."""
    sizes = {"message.max.bytes": 100_000_000, "batch.size": 100_000_000, "linger.ms": 500}
    write(line.bootstrap, line.sessions, events, sizes | {"compression.type": compression})


def samples() -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """Key and value of an event of Low risk, and of one of High."""
    scorer = Scorer.load()
    found: dict[str, tuple[bytes, bytes]] = {}
    for key, value in islice(keyed_events(2), 20_000):
        found.setdefault(scorer.score(value).risk_level, (key, value))
        if "High" in found and "Low" in found:
            break
    return found["Low"], found["High"]


def size(message: Message) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in cast("Headers", message.headers() or []))
    return len(message.value() or b"") + len(message.key() or b"") + headers


def places(messages: Iterable[Message]) -> list[tuple[int, int]]:
    sources = [json.loads(message.value() or b"")["source"] for message in messages]
    return sorted((source["partition"], source["offset"]) for source in sources)


def test_results_near_and_over_the_limit_go_out_whole_or_without_the_event_and_no_alert_is_silenced(
    large: Line, tmp_path: Path
) -> None:
    low, high = samples()
    events = [Event(padded(value, LIMIT + more), key) for more in NEAR for key, value in (low, high)]
    write_large(large, events)
    large.drain(tmp_path / "log", len(events))
    inputs = {(each.partition(), each.offset()): each.value() or b"" for each in read(large.bootstrap, large.sessions)}
    results, alerts = read(large.bootstrap, large.results), read(large.bootstrap, large.alerts)
    assert read(large.bootstrap, large.dead_letters) == []
    assert places(results) == sorted(inputs)
    assert len(places(alerts)) == len(set(places(alerts))) == len(NEAR)
    whole = 0
    for message in [*results, *alerts]:
        assert size(message) <= LIMIT
        value = message.value() or b""
        said = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        source = json.loads(bytes(said["source"]))
        event = inputs[source["partition"], source["offset"]]
        if "event" in said:
            assert bytes(said["event"]) == event
            whole += 1
        else:
            assert json.loads(bytes(said["event_bytes"])) == len(event) > LIMIT - 3000
            assert json.loads(bytes(said["event_sha256"])) == hashlib.sha256(event).hexdigest()
    assert 0 < whole < len(results)


def test_what_fits_not_even_without_its_event_is_a_dead_letter_of_its_size_and_hash(
    large: Line, tmp_path: Path
) -> None:
    (key, value), _ = samples()
    whole_identity = value.replace(b'"session_id":"', b'"session_id":"' + b"s" * LIMIT)
    not_json = b"<" * (LIMIT + 1)
    assert len(whole_identity) > LIMIT
    write_large(large, [Event(whole_identity, key), Event(not_json, key), Event(value, key)])
    large.drain(tmp_path / "log", 3)
    first, second = read(large.bootstrap, large.dead_letters)
    for letter, code, event in ((first, b"too_large", whole_identity), (second, b"not_json", not_json)):
        headers = dict(letter.headers() or [])
        assert letter.value() is None
        assert letter.key() == key
        assert headers["dead_letter.code"] == code
        assert headers["dead_letter.value_bytes"] == str(len(event)).encode()
        assert headers["dead_letter.value_sha256"] == hashlib.sha256(event).hexdigest().encode()
    assert len(read(large.bootstrap, large.results)) == 1


@pytest.mark.parametrize(("compression", "records"), [("lz4", 1), ("gzip", 1), ("zstd", 1), ("zstd", 400)])
def test_bombs_of_20_and_60_mib_are_scored_within_512_mib(
    large: Line, compression: str, records: int, tmp_path: Path, record_property: Record
) -> None:
    _, (key, value) = samples()
    for partition, mib in ((0, 20), (0, 60), (1, 60)):
        write_large(large, [Event(padded(value, mib * MIB // records), key, partition)] * records, compression)
    with large.running(tmp_path / "log") as process:
        large.wait_for(lambda done: done == 3 * records, process)
        peak = most_memory(process)
        assert stop(process) == 0
    record_property("peak, MiB", f"{peak / MIB:.0f}")
    assert peak < MOST_MEMORY, f"{peak / MIB:.0f} MiB"
    every = [(0, offset) for offset in range(2 * records)] + [(1, offset) for offset in range(records)]
    assert places(read(large.bootstrap, large.results)) == every
    assert places(read(large.bootstrap, large.alerts)) == every
    assert read(large.bootstrap, large.dead_letters) == []


def most_memory(process: "subprocess.Popen[bytes]") -> int:
    """The largest resident set that it has had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024
