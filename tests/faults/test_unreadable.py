"""Row: a batch whose checksum is wrong, or that the client cannot decompress. The process stops and names the way on;
`dead-letters skip` goes past that batch and no other, and the line goes on."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Message, Producer

from consumer.batching import PART
from tests.brokers import KafkaBroker
from tests.consumer.wire import SECONDS, read
from tests.faults.conftest import Counted
from tests.line import Line, environment, stop
from tests.topics import Topics

EVENT = b'{"session_id":"s-%d","click_events":3}'
STOP_SECONDS = 60.0  # a start, which compiles, and the stop; the stop itself takes no more than a poll


@pytest.fixture(scope="module")
def broker(java_and_maven: None) -> Iterator[KafkaBroker]:  # noqa: ARG001 - skips where there is none
    """A broker whose files are ours to damage."""
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture
def line(broker: KafkaBroker, counted: Counted) -> Iterator[Line]:
    topics = Topics(broker.address)
    line = Line.on(broker.address, topics, partitions=1)
    counted(line)
    yield line
    topics.delete()


def batch(line: Line, *values: bytes, **properties: str | int) -> None:
    """Writes the values as one batch."""
    producer = Producer({"bootstrap.servers": line.bootstrap, "linger.ms": 100, **properties})
    for value in values:
        producer.produce(line.sessions, value)
    assert producer.flush(SECONDS) == 0


def events(first: int, count: int) -> list[bytes]:
    return [EVENT % number for number in range(first, first + count)]


def damage(broker: KafkaBroker, line: Line, value: bytes) -> None:
    """Changes one byte of the value on the broker's disk."""
    (segment,) = (broker.directory / "data" / f"{line.sessions}-0").glob("*.log")
    place = segment.read_bytes().index(value)
    with segment.open("r+b") as file:
        file.seek(place)
        file.write(b"[")


class Said(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


def command(line: Line, *words: str) -> Said:
    """`session-scorer` with these words and the line's names."""
    program = (sys.executable, "-c", "from consumer.__main__ import main; main()")
    done = subprocess.run(
        [*program, *words, *line.options()], check=False, capture_output=True, text=True, env=environment(), timeout=120
    )
    return Said(done.returncode, done.stdout, done.stderr)


def run_until_it_stops(line: Line, log: Path) -> str:
    """The last line that the worker says before it ends by itself, non-zero."""
    with line.running(log) as process:
        assert process.wait(STOP_SECONDS) == 1
    return log.read_text().splitlines()[-1]


def the_way_on(line: Line, said: str) -> Said:
    """Runs the very command that the worker named."""
    found = re.search(r"session-scorer (dead-letters skip .*)$", said)
    assert found is not None, said
    return command(line, *shlex.split(found[1]))


def score_the_rest(line: Line, log: Path, end: int) -> None:
    with line.running(log) as process:
        line.wait_for(lambda count: count == end, process)
        assert stop(process) == 0


def bad_checksum(broker: KafkaBroker, line: Line) -> int:
    batch(line, *events(5010, 7))
    damage(broker, line, EVENT % 5013)
    return 7


def too_large_to_decompress(_: KafkaBroker, line: Line) -> int:
    limits: dict[str, str | int] = {"message.max.bytes": 200_000_000, "compression.type": "zstd"}
    batch(line, bytes(150_000_000), **limits)
    return 1


Spoil = Callable[[KafkaBroker, Line], int]


@pytest.mark.parametrize(
    ("before", "spoil"),
    [(10, bad_checksum), (PART, bad_checksum), (10, too_large_to_decompress)],  # after a whole part a batch stays open
)
def test_a_batch_that_cannot_be_read_stops_the_worker_and_skip_goes_past_it(
    broker: KafkaBroker, line: Line, tmp_path: Path, before: int, spoil: Spoil
) -> None:
    batch(line, *events(0, before))
    lost = spoil(broker, line)
    batch(line, *events(9000, 5))

    said = run_until_it_stops(line, tmp_path / "log")
    assert f"{line.sessions}, partition 0, offset {before}" in said
    assert line.committed() == before, "what stands before it is committed"

    skipped = the_way_on(line, said)
    assert skipped.status == 0, skipped.err
    assert f"skipped {lost} offsets, {before} to {before - 1 + lost}," in skipped.out
    score_the_rest(line, tmp_path / "log", before + 5 + lost)
    assert len(read(line.bootstrap, line.results)) == before + 5
    check_dead_letter(line, before, *read(line.bootstrap, line.dead_letters))

    again = the_way_on(line, said)
    assert again.status == 1
    assert "nothing to skip" in again.err
    listed = command(line, "dead-letters", "list", "--code", "unreadable_batch")
    assert f"{line.sessions}-0-{before}" in listed.out


def check_dead_letter(line: Line, offset: int, letter: Message) -> None:
    headers = dict(letter.headers() or [])
    assert (letter.key(), letter.value()) == (None, None)
    assert headers["dead_letter.code"] == b"unreadable_batch"
    assert headers["__connect.errors.topic"] == line.sessions.encode()
    assert headers["__connect.errors.partition"] == b"0"
    assert headers["__connect.errors.offset"] == b"%d" % offset
    assert headers["__connect.errors.connector.name"] == line.group.encode()


def test_two_such_batches_in_a_row_take_two_skips(broker: KafkaBroker, line: Line, tmp_path: Path) -> None:
    batch(line, *events(10, 7))
    batch(line, *events(20, 3))
    damage(broker, line, EVENT % 16)
    damage(broker, line, EVENT % 20)
    for place, lost in ((0, 7), (7, 3)):
        said = run_until_it_stops(line, tmp_path / "log")
        assert f"partition 0, offset {place}" in said
        assert f"skipped {lost} offsets, {place} to" in the_way_on(line, said).out
    assert line.committed() == 10
    assert len(read(line.bootstrap, line.dead_letters)) == 2


def test_skip_refuses_another_offset_and_changes_nothing(broker: KafkaBroker, line: Line) -> None:
    batch(line, *events(10, 7))
    damage(broker, line, EVENT % 13)
    batch(line, *events(20, 3))
    said = command(line, "dead-letters", "skip", "--partition", "0", "--offset", "7")
    assert (said.status, said.err.count("\n")) == (1, 1)
    assert "begins at 0" in said.err
    assert line.committed() == 0
    assert not read(line.bootstrap, line.dead_letters)


def test_skip_refuses_while_a_worker_has_the_partition(line: Line, tmp_path: Path) -> None:
    batch(line, *events(0, 10))
    with line.running(tmp_path / "log") as process:
        line.wait_for(lambda count: count == 10, process)
        said = command(line, "dead-letters", "skip", "--partition", "0", "--offset", "10")
        assert stop(process) == 0
    assert (said.status, said.err.count("\n")) == (1, 1)
    assert "stop the group's workers first" in said.err
