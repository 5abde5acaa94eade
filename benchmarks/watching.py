"""Looking on from outside: how far a contestant is, and what it left on a topic."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.support.end_to_end import SECONDS, Line

LOOKS = 0.02  # seconds between two questions how far it is


class RaceError(Exception):
    """A contestant that did not do the work."""


class Span(NamedTuple):
    """What stands on a topic, read committed."""

    records: int
    first: int  # append time, ms
    last: int


class Progress:
    """How many input records are committed, asked by one consumer that stays."""

    def __init__(self, line: Line) -> None:
        self._wanted = [TopicPartition(line.sessions, partition) for partition in range(line.partitions)]
        # read committed the answer waits until no transaction is under way
        settings = {"isolation.level": "read_uncommitted", "log_level": 0}
        self._asker = Consumer({"bootstrap.servers": line.bootstrap, "group.id": line.group, **settings})

    def committed(self) -> int:
        """By now; a coordinator that is none yet counts as nothing."""
        with contextlib.suppress(KafkaException):
            return sum(max(0, each.offset) for each in self._asker.committed(self._wanted, SECONDS))
        return 0

    def wait_for(self, enough: int, processes: list["subprocess.Popen[bytes]"]) -> int:
        """Until so many are committed. Raises RaceError when a process ends, or nothing moves."""
        before, deadline = -1, 0.0
        while (now := self.committed()) < enough:
            if now != before:
                before, deadline = now, time.monotonic() + SECONDS
            if any(process.poll() is not None for process in processes):
                raise RaceError(f"it ended after {now:,} events")
            if time.monotonic() > deadline:
                raise RaceError(f"{now:,} events committed, and none more for {SECONDS:g} s")
            time.sleep(LOOKS)
        return now

    def close(self) -> None:
        """Leave the broker."""
        self._asker.close()


@contextlib.contextmanager
def progress(line: Line) -> Iterator[Progress]:
    """Somebody to ask, while inside."""
    with contextlib.closing(Progress(line)) as asking:
        yield asking


def span(bootstrap: str, topic: str) -> Span:
    """Count a topic up to its present end, and between when it was appended. Raises KafkaException."""
    settings = {"isolation.level": "read_committed", "enable.partition.eof": True, "fetch.wait.max.ms": 10}
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "nobody", "log_level": 0, **settings})
    with contextlib.closing(reader):
        partitions = reader.list_topics(topic, timeout=SECONDS).topics[topic].partitions
        reader.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        count, first, last, left = 0, 1 << 62, 0, len(partitions)
        while left:
            for message in reader.consume(10_000, 0.1):
                if error := message.error():
                    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - so librdkafka spells it
                        raise KafkaException(error)
                    left -= 1
                else:
                    at = message.timestamp()[1]
                    count, first, last = count + 1, min(first, at), max(last, at)
    return Span(count, first, last)
