"""Events of other formats, on a real broker and a real schema registry: broken ones, and the registry away."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.faults.conftest import Full
from tests.support.command_line import COMMAND
from tests.support.end_to_end import Line, environment, stop
from tests.support.kafka.formats import SCHEMAS, Event, broken, register, registered
from tests.support.kafka.registry import SchemaRegistry
from tests.support.wire import Event as Record
from tests.support.wire import write
from training.synthetic.dataset import keyed_events


@pytest.fixture(scope="module")
def registry(request: pytest.FixtureRequest) -> Iterator[SchemaRegistry]:
    request.getfixturevalue("java_and_maven")
    with SchemaRegistry() as registry:
        yield registry


def events(seed: int) -> Iterator[Event]:
    """Yield events, distinct by their sessions."""
    for number, (_, value) in enumerate(keyed_events(seed)):
        yield json.loads(value) | {"session_id": f"session_{seed}_{number}", "user_id": f"user_{number % 99}"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["avro", "protobuf", "json-schema"])
def test_broken_values_become_dead_letters_and_harm_no_other(
    name: str, registry: SchemaRegistry, line: Line, full: Full, tmp_path: Path
) -> None:
    bad, count = full(200, 1000), full(10_000, 100_000)
    of = registered(registry.url, f"{line.sessions}-value", name)
    other = register(registry.url, "other-value", "avro" if name != "avro" else "json-schema")
    samples = list(islice(broken(of, other, events(5)), bad))
    planted = {sample.value: sample for sample in samples}
    assert len(planted) == bad
    assert len({sample.kind for sample in samples}) >= 20
    records = [Record(of.value(event), str(event["user_id"]).encode()) for event in islice(events(6), count)]
    for number, sample in enumerate(samples):
        records.insert((number + 1) * (count // bad), Record(sample.value, b"key"))
    write(line.bootstrap, line.sessions, records)

    options = ("--input-format", name, "--schema-registry-url", registry.url)
    line.drain(tmp_path / "log", count + bad, *options)

    report = line.check(planted)
    assert report.faults() == {}
    assert (report.counts["results"], report.counts["dead_letters"]) == (count, bad)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_a_registry_that_hangs_while_a_new_schema_arrives_is_waited_for(
    delivery: str, registry: SchemaRegistry, line: Line, full: Full, tmp_path: Path
) -> None:
    subject, log = f"{line.sessions}-value", tmp_path / "log"
    first = registered(registry.url, subject, "avro")
    note = {"name": "note", "type": ["null", "string"], "default": None}
    avro = json.loads(SCHEMAS["avro"][1])
    text = json.dumps({**avro, "fields": [note, *avro["fields"]]})
    second = register(registry.url, subject, "avro", text)
    count = 1000

    def send(frame: bytes, seed: int) -> None:
        own = islice(events(seed), count)
        records = [Record(frame + first.encode(event), str(event["user_id"]).encode()) for event in own]
        write(line.bootstrap, line.sessions, records)

    options = ("--input-format", "avro", "--schema-registry-url", registry.url, "--delivery", delivery)
    with line.running(log, *options) as process:
        send(first.frame, 1)
        line.wait_for(lambda done: done == count, process)
        registry.pause()
        try:
            send(second + b"\0", 2)
            began = time.monotonic()
            send(first.frame, 3)
            while time.monotonic() - began < full(8, 30):
                time.sleep(0.5)
            assert line.committed("read_uncommitted") < 3 * count
            assert process.poll() is None
        finally:
            registry.resume()
        line.wait_for(lambda done: done == 3 * count, process)
        assert stop(process) == 0

    report = line.check({})
    assert report.faults() == {}
    assert report.counts["results"] == 3 * count
    assert "does not answer" in log.read_text()


def test_check_and_run_read_the_registered_schema(registry: SchemaRegistry, line: Line, tmp_path: Path) -> None:
    of = registered(registry.url, f"{line.sessions}-value", "avro")
    write(line.bootstrap, line.sessions, [Record(of.value(event), b"key") for event in islice(events(4), 10)])
    options = ("--input-format", "avro", "--schema-registry-url", registry.url)
    command = [*COMMAND, "check", *line.options(), *options]

    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment(), cwd=tmp_path)

    assert done.returncode == 0, done.stdout
    assert re.search(rf"schema {line.sessions}-value: id \d+, AVRO: all 18 fields", done.stdout), done.stdout
    line.drain(tmp_path / "log", 10, *options)
    assert line.check({}).faults() == {}
