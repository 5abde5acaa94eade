"""Several input topics, and topics that match a pattern, one of which is created while workers read."""

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from subprocess import Popen, run
from typing import cast

from consumer.dead_letters.record import DeadLetter
from consumer.records import Headers
from tests.faults.conftest import Full
from tests.support.end_to_end import QUICK, SECONDS, Line, environment, stop
from tests.support.kafka.topics import Topics
from tests.support.waiting import wait_until
from tests.support.wire import Event, read, write
from training.synthetic.dataset import keyed_events

Source = tuple[str, int, int]  # topic, partition and offset of an input record

FOUND_SOON = ("-X", "topic.metadata.refresh.interval.ms=1000")
BROKEN = b'{"click_events": "three"}'


def feed(line: Line, topic: str, count: int, seed: int) -> None:
    """Write events to a topic, one in a hundred of them invalid."""
    events = enumerate(islice(keyed_events(seed=seed), count))
    write(line.bootstrap, topic, [Event(BROKEN if n % 100 == 50 else value, key) for n, (key, value) in events])


def inputs(line: Line, topics: Iterable[str]) -> set[Source]:
    return {
        (topic, message.partition() or 0, message.offset() or 0)
        for topic in topics
        for message in read(line.bootstrap, topic)
    }


def outputs(line: Line) -> Counter[Source]:
    """The sources of all results and dead letters."""
    results = (json.loads(message.value() or b"")["source"] for message in read(line.bootstrap, line.results))
    sources = Counter((source["topic"], source["partition"], source["offset"]) for source in results)
    for message in read(line.bootstrap, line.dead_letters):
        letter = DeadLetter(0, 0, 0, None, None, cast("Headers", message.headers() or []))
        topic, partition, offset = letter.source.rsplit("-", 2)
        sources[topic, int(partition), int(offset)] += 1
    return sources


def wait_for(line: Line, count: int, processes: Iterable["Popen[bytes]"]) -> None:
    """Wait until there is a result or a dead letter for so many events."""
    deadline = time.monotonic() + SECONDS
    while len(outputs(line)) < count:
        assert any(process.poll() is None for process in processes), "session-scorer ended"
        assert time.monotonic() < deadline, f"{len(outputs(line))} of {count} events"
        time.sleep(0.2)


def test_each_event_of_each_topic_has_one_result_whatever_is_killed_or_created(
    kafka: str, topics: Topics, tmp_path: Path, full: Full
) -> None:
    each = full(3_000, 30_000)
    named = [topics("orders"), topics("logins", partitions=2)]
    found = [topics("shop-eu"), topics("shop-us", partitions=1)]
    line = replace(Line.on(kafka, topics), results=topics("shop-results"), dead_letters=topics("shop-dead-letters"))
    line = replace(line, sessions=f"{named[0]},{named[1]},^shop-(eu|us|asia|results|[a-z-]+)-[0-9a-f]+$")
    for seed, topic in enumerate((*named, *found)):
        feed(line, topic, each, seed)
    options = ("--batch-events", "50", *QUICK, *FOUND_SOON)
    with ExitStack() as stack:

        def start(name: str) -> "Popen[bytes]":
            return stack.enter_context(line.running(tmp_path / name, *options))

        workers = [start("first"), start("second")]
        for kill in range(3):
            wait_for(line, (kill + 1) * each, workers)
            if kill == 1:
                found.append(topics("shop-asia", partitions=3))
                feed(line, found[-1], each, 9)
            victim = workers[kill % 2]
            victim.send_signal(signal.SIGKILL)
            assert victim.wait(SECONDS) == -signal.SIGKILL
            workers[kill % 2] = start(f"after kill {kill}")
        wait_for(line, 5 * each, workers)
        assert [stop(worker) for worker in workers] == [0, 0]
    assert outputs(line) == Counter(inputs(line, (*named, *found)))


def test_each_event_of_two_topics_has_one_result_with_the_range_assignor(
    kafka: str, topics: Topics, tmp_path: Path, full: Full
) -> None:
    each = full(3_000, 30_000)
    named = [topics("orders", partitions=2), topics("logins", partitions=2)]
    line = replace(Line.on(kafka, topics), sessions=",".join(named))
    options = ("--batch-events", "50", *QUICK, "-X", "partition.assignment.strategy=range")
    log = tmp_path / "second"
    with (
        line.running(tmp_path / "first", *options) as first,
        line.running(log, *options) as second,
        ExitStack() as stack,
    ):
        # a line for each topic: range gives each worker a partition of both
        wait_until(lambda: log.read_text().count("partitions assigned") >= 2, "not shared")
        for seed, topic in enumerate(named):
            feed(line, topic, each, seed)
        wait_for(line, each // 2, [first, second])
        first.send_signal(signal.SIGKILL)
        assert first.wait(SECONDS) == -signal.SIGKILL
        third = stack.enter_context(line.running(tmp_path / "third", *options))
        wait_for(line, 2 * each, [second, third])
        assert [stop(second), stop(third)] == [0, 0]
    assert outputs(line) == Counter(inputs(line, named))


def test_redriven_events_go_back_to_their_own_topics(kafka: str, topics: Topics, tmp_path: Path) -> None:
    named = [topics("orders", partitions=1), topics("logins", partitions=1)]
    line = replace(Line.on(kafka, topics), sessions=",".join(named))
    for topic in named:
        write(kafka, topic, [Event(BROKEN, topic.encode())])
    with line.running(tmp_path / "log", *QUICK) as worker:
        wait_for(line, 2, [worker])
        command = [sys.executable, "-P", "-m", "consumer", "dead-letters", "redrive", *line.options(), "--yes"]
        run(command, check=True, env=environment())
        wait_for(line, 4, [worker])
        assert stop(worker) == 0
    assert {topic: [message.key() for message in read(kafka, topic)] for topic in named} == {
        topic: [topic.encode()] * 2 for topic in named
    }
