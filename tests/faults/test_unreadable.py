"""Row: a batch whose checksum is wrong, or that the client cannot decompress. The process stops and names the way on;
`dead-letters skip` goes past that batch and no other, and the line goes on."""

import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import pytest
from confluent_kafka import Message, Producer

from consumer.kafka.config import Connection
from consumer.kafka.unreadable import KafkaProbe
from consumer.records import Partition
from consumer.stream.batching import PART_EVENTS
from tests.faults.conftest import Full, LineOn
from tests.faults.doomed import command as doomed_command
from tests.support.command_line import COMMAND
from tests.support.end_to_end import QUICK, Line, environment, metrics_url, stop
from tests.support.kafka.brokers import KafkaBroker
from tests.support.kafka.topics import Topics
from tests.support.waiting import wait_until
from tests.support.wire import SECONDS, read

EVENT = b'{"session_id":"s-%d","click_events":3}'
STOP_SECONDS = 60.0  # a start, which compiles, and the stop; the stop itself takes no more than a poll


@pytest.fixture(scope="module")
def broker(java_and_maven: None) -> Iterator[KafkaBroker]:  # noqa: ARG001 - skips where there is none
    """A broker whose files are ours to damage."""
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture
def line(broker: KafkaBroker, line_on: LineOn) -> Line:
    return line_on(broker.address, partitions=1)


def batch(line: Line, *values: bytes, partition: int = 0, properties: Mapping[str, str | int] | None = None) -> None:
    """Writes the values as one batch: nothing is sent before the flush, however slow the host."""
    producer = Producer({"bootstrap.servers": line.bootstrap, "linger.ms": 60_000, **(properties or {})})
    producer.list_topics(line.sessions, SECONDS)  # else the first value waits for that alone, and may be sent alone
    for value in values:
        producer.produce(line.sessions, value, partition=partition)
    assert producer.flush(SECONDS) == 0


def events(first: int, count: int) -> list[bytes]:
    return [EVENT % number for number in range(first, first + count)]


def damage(broker: KafkaBroker, line: Line, value: bytes, partition: int = 0) -> None:
    """Changes one byte of the value on the broker's disk."""
    (segment,) = (broker.directory / "data" / f"{line.sessions}-{partition}").glob("*.log")
    place = segment.read_bytes().index(value)
    with segment.open("r+b") as file:
        file.seek(place)
        file.write(b"[")


class Said(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    def error(self) -> str:
        """Return the one line that says why it failed, below the note of options that the command does not use."""
        assert self.status == 1
        note, error = self.err.splitlines()
        assert "not used by" in note
        return error


def command(line: Line, *words: str) -> Said:
    """`session-scorer` with these words and the line's names."""
    done = subprocess.run(
        [*COMMAND, *words, *line.options()], check=False, capture_output=True, text=True, env=environment(), timeout=120
    )
    return Said(done.returncode, done.stdout, done.stderr)


def run_until_it_stops(line: Line, log: Path) -> str:
    """The last line that the worker says before it ends by itself, non-zero."""
    with line.running(log) as process:
        assert process.wait(STOP_SECONDS) == 1
    return log.read_text().splitlines()[-1]


def the_way_on(line: Line, said: str) -> Said:
    """Runs the very command that the worker named."""
    found = re.search(r"session-scorer (dead-letters skip [^(]*)", said)
    assert found is not None, said
    return command(line, *shlex.split(found[1]))


def bad_checksum(broker: KafkaBroker, line: Line) -> int:
    batch(line, *events(5010, 7))
    damage(broker, line, EVENT % 5013)
    return 7


def too_large_to_decompress(_: KafkaBroker, line: Line) -> int:
    batch(line, bytes(150_000_000), properties={"message.max.bytes": 200_000_000, "compression.type": "zstd"})
    return 1


Spoil = Callable[[KafkaBroker, Line], int]


@pytest.mark.parametrize(
    ("before", "spoil"),
    [
        (10, bad_checksum),
        (PART_EVENTS, bad_checksum),
        (10, too_large_to_decompress),
    ],  # after a whole part a batch stays open
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
    line.drain(tmp_path / "log", before + 5 + lost)
    assert len(read(line.bootstrap, line.results)) == before + 5
    check_dead_letter(line, before, *read(line.bootstrap, line.dead_letters))

    again = the_way_on(line, said)
    assert again.status == 1
    assert "nothing to skip" in again.err
    listed = command(line, "dead-letters", "list", "--code", "unreadable_batch")
    assert f"{line.sessions}-0-{before}" in listed.out


@pytest.mark.parametrize(("on_unreadable", "status"), [("stop", "fail"), ("dead-letter", "warn")])
def test_check_names_a_batch_that_cannot_be_read(
    broker: KafkaBroker, line: Line, on_unreadable: str, status: str
) -> None:
    bad_checksum(broker, line)
    said = command(line, "check", "--json", "--on-unreadable", on_unreadable)
    checks = json.loads(said.out)["checks"]
    (found,) = (each for each in checks if each["name"] == f"read {line.sessions}")
    assert found["status"] == status, found
    assert f"{line.sessions}, partition 0, offset 0: the batch there cannot be read" in found["message"]
    assert ("dead-letters skip" in found["message"]) == (status == "fail")


def check_dead_letter(line: Line, offset: int, letter: Message) -> None:
    headers = dict(letter.headers() or [])
    assert (letter.key(), letter.value()) == (f"{line.sessions}-0-{offset}".encode(), None)
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


def test_skip_writes_to_a_compacted_dead_letter_topic(broker: KafkaBroker, line: Line) -> None:
    with Topics(broker.address) as topics:
        compacted = replace(line, dead_letters=topics("compacted", config={"cleanup.policy": "compact"}))
        lost = bad_checksum(broker, line)
        skipped = command(compacted, "dead-letters", "skip", "--partition", "0", "--offset", "0")
        assert skipped.status == 0, skipped.err
        assert line.committed() == lost
        check_dead_letter(line, 0, *read(line.bootstrap, compacted.dead_letters))


def test_skip_refuses_another_offset_and_changes_nothing(broker: KafkaBroker, line: Line) -> None:
    batch(line, *events(10, 7))
    damage(broker, line, EVENT % 13)
    batch(line, *events(20, 3))
    said = command(line, "dead-letters", "skip", "--partition", "0", "--offset", "7")
    assert "begins at 0" in said.error()
    assert line.committed() == 0
    assert not read(line.bootstrap, line.dead_letters)


def test_skip_refuses_while_a_worker_has_the_partition(line: Line, tmp_path: Path) -> None:
    batch(line, *events(0, 10))
    with line.running(tmp_path / "log") as process:
        line.wait_for(lambda offset: offset == 10, process)
        said = command(line, "dead-letters", "skip", "--partition", "0", "--offset", "10")
        assert stop(process) == 0
    assert "stop the group's workers first" in said.error()


PASSING = ("--on-unreadable", "dead-letter")
DELIVERIES = ("exactly-once", "at-least-once")


def start_and_drain(line: Line, log: Path, end: int, *options: str) -> str:
    """Runs a worker until the group stands at `end`; returns what it logged."""
    line.drain(log, end, *PASSING, *QUICK, *options)
    return log.read_text()


def passed_over(log: str) -> list[dict[str, object]]:
    """The lines that tell of a batch passed over."""
    lines = [json.loads(each) for each in log.splitlines() if each.startswith("{")]
    return [each for each in lines if each["message"] == "passing over a batch that cannot be read"]


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize(
    "case", [(10, bad_checksum), (0, bad_checksum), (PART_EVENTS, bad_checksum), (10, too_large_to_decompress)]
)
def test_told_to_a_worker_passes_over_a_batch_that_cannot_be_read(
    broker: KafkaBroker, line: Line, tmp_path: Path, case: tuple[int, Spoil], delivery: str
) -> None:
    before, spoil = case
    if before:
        batch(line, *events(0, before))
    lost = spoil(broker, line)
    batch(line, *events(9000, 5))
    log = start_and_drain(line, tmp_path / "log", before + lost + 5, "--delivery", delivery)
    assert len(read(line.bootstrap, line.results)) == before + 5
    check_dead_letter(line, before, *read(line.bootstrap, line.dead_letters))
    (told,) = passed_over(log)
    assert told["level"] == "error"
    assert (told["topic"], told["partition"]) == (line.sessions, 0)
    assert (told["first_offset"], told["last_offset"]) == (before, before + lost - 1)


def test_batches_that_cannot_be_read_are_passed_over_one_after_the_other(
    broker: KafkaBroker, line: Line, tmp_path: Path
) -> None:
    sizes = ((10, 1), (7, 0), (1, 0), (40, 0), (5, 1), (3, 0), (2, 1))  # events, and whether they can be read
    for number, (size, _) in enumerate(sizes):
        batch(line, *events(1000 * (1 + number), size))
    for number, (_, readable) in enumerate(sizes):
        if not readable:
            damage(broker, line, EVENT % (1000 * (1 + number)))
    start_and_drain(line, tmp_path / "log", sum(size for size, _ in sizes))
    assert len(read(line.bootstrap, line.results)) == sum(size for size, readable in sizes if readable)
    letters = [dict(letter.headers() or []) for letter in read(line.bootstrap, line.dead_letters)]
    offsets = sorted(int(letter["__connect.errors.offset"] or -1) for letter in letters)
    assert offsets == [10, 17, 18, 63]


@pytest.mark.parametrize(
    "protocol", ["partition.assignment.strategy=cooperative-sticky", "partition.assignment.strategy=range"]
)
def test_other_partitions_are_read_while_one_is_passed_over(
    broker: KafkaBroker, line_on: LineOn, tmp_path: Path, protocol: str
) -> None:
    line = line_on(broker.address, partitions=2)
    batch(line, *events(10, 7), partition=0)
    damage(broker, line, EVENT % 13)
    batch(line, *events(100, 50), partition=0)
    batch(line, *events(200, 50), partition=1)
    start_and_drain(line, tmp_path / "log", 107, "-X", protocol)
    assert len(read(line.bootstrap, line.results)) == 100
    assert len(read(line.bootstrap, line.dead_letters)) == 1


POINTS = ("after-consume", "mid-produce", "before-send-offsets", "before-commit", "after-commit")


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_while_it_passes_over_a_batch_loses_and_repeats_nothing(
    broker: KafkaBroker, line: Line, tmp_path: Path, point: str
) -> None:
    doomed = kill_in_the_second_batch(broker, line, tmp_path / "log", point)
    assert doomed == (17 if point == "after-commit" else 10)
    start_and_drain(line, tmp_path / "log", 22)
    assert len(read(line.bootstrap, line.results)) == 15
    check_dead_letter(line, 10, *read(line.bootstrap, line.dead_letters))


def test_at_least_once_a_worker_killed_before_the_commit_repeats_the_dead_letter_and_loses_nothing(
    broker: KafkaBroker, line: Line, tmp_path: Path
) -> None:
    options = ("--delivery", "at-least-once")
    assert kill_in_the_second_batch(broker, line, tmp_path / "log", "before-plain-commit", *options) == 10
    start_and_drain(line, tmp_path / "log", 22, *options)
    assert len(read(line.bootstrap, line.results)) == 15
    letters = read(line.bootstrap, line.dead_letters)
    assert len(letters) == 2
    for letter in letters:
        check_dead_letter(line, 10, letter)


def kill_in_the_second_batch(broker: KafkaBroker, line: Line, log: Path, point: str, *options: str) -> int:
    """Ten events, seven that cannot be read, five more; the worker dies over the seven. Returns what is committed."""
    batch(line, *events(0, 10))
    bad_checksum(broker, line)
    batch(line, *events(9000, 5))
    doomed = doomed_command("SIGKILL", point, 2)
    with line.running(log, *PASSING, *QUICK, *options, command=doomed) as process:
        assert process.wait(STOP_SECONDS) == -signal.SIGKILL
    return line.committed()


def test_a_transaction_aborted_over_a_batch_that_is_passed_over_is_done_again(
    broker: KafkaBroker, line: Line, tmp_path: Path
) -> None:
    batch(line, *events(0, 10))
    bad_checksum(broker, line)
    batch(line, *events(9000, 5))
    line.drain(tmp_path / "log", 22, *PASSING, command=doomed_command("abort", "before-commit", 2))
    assert len(read(line.bootstrap, line.results)) == 15
    check_dead_letter(line, 10, *read(line.bootstrap, line.dead_letters))


def test_workers_come_and_go_while_batches_are_passed_over(
    broker: KafkaBroker, line_on: LineOn, tmp_path: Path, full: Full
) -> None:
    line = line_on(broker.address, partitions=3)
    rounds, good, bad = full(4, 12), 20, 5
    numbers = count(1000, good + bad)  # each stretch has numbers of its own
    for partition in range(3):
        for first in islice(numbers, rounds):
            batch(line, *events(first, good), partition=partition)
            batch(line, *events(first + good, bad), partition=partition)
            damage(broker, line, EVENT % (first + good), partition)
    end = 3 * rounds * (good + bad)
    log = tmp_path / "log"
    with line.running(log, *PASSING, *QUICK) as stays:
        for done in range(end // 8, end * 7 // 8, end // 4):
            with line.running(log, *PASSING, *QUICK) as killed:
                line.wait_for(lambda offset: offset >= done, stays, killed)  # noqa: B023 - used at once
                killed.send_signal(signal.SIGKILL)
        line.wait_for(lambda offset: offset == end, stays)
        assert stop(stays) == 0
    results = [json.loads(message.value() or b"")["result_id"] for message in read(line.bootstrap, line.results)]
    assert len(results) == len(set(results)) == 3 * rounds * good
    letters = [dict(message.headers() or []) for message in read(line.bootstrap, line.dead_letters)]
    places = {(each["__connect.errors.partition"], each["__connect.errors.offset"]) for each in letters}
    assert len(letters) == len(places) == 3 * rounds


def test_looking_at_such_a_batch_ends_although_one_close_in_250_does_not(
    broker: KafkaBroker, line: Line, full: Full
) -> None:
    batch(line, *events(0, 10))
    bad_checksum(broker, line)
    probe = KafkaProbe(Connection(line.bootstrap), line.group, Partition(line.sessions, 0))
    for _ in range(full(20, 1500)):
        began = time.monotonic()
        found = probe.at(12)
        assert (found.offset, found.reason is None) == (10, False)
        assert time.monotonic() - began < SECONDS / 4
    probe.close()


def test_many_batches_that_cannot_be_read_trip_the_circuit_breaker(
    broker: KafkaBroker, line: Line, tmp_path: Path
) -> None:
    for number in range(3):
        batch(line, *events(10 + number, 1))
        damage(broker, line, EVENT % (10 + number))
    with line.running(tmp_path / "log", *PASSING, "--breaker-run", "3") as process:
        assert process.wait(STOP_SECONDS) == 1
    assert "3 events in a row are invalid (breaker_run is 3)" in (tmp_path / "log").read_text().splitlines()[-1]
    assert line.committed() == 2
    assert len(read(line.bootstrap, line.dead_letters)) == 2


def test_a_batch_that_is_passed_over_is_counted_by_its_code(broker: KafkaBroker, line: Line, tmp_path: Path) -> None:
    bad_checksum(broker, line)
    log = tmp_path / "log"
    with line.running(log, *PASSING) as process:
        line.wait_for(lambda offset: offset == 7, process)
        name = 'session_scorer_dead_letters_total{code="unreadable_batch"} 1.0'
        # counted right after the commit
        wait_until(lambda: name in urlopen(metrics_url(log), timeout=SECONDS).read().decode())
        assert stop(process) == 0
