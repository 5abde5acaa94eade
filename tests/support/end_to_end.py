"""One run of the whole line, as a user runs it: its names, what it is fed, its processes, what came of it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from consumer.errors import RetriableError, UnansweredError
from consumer.kafka.errors import kafka_errors
from consumer.runtime import Retry
from tests.support.checker import Outputs, Report, Seen, judge
from tests.support.command_line import COMMAND, PREFIXES
from tests.support.kafka.topics import Topics
from tests.support.wire import Event, read, write
from training.synthetic.dataset import keyed_events
from training.synthetic.invalid_events import InvalidSample, invalid_samples

SECONDS = 120.0  # for anything that should take a few
# a killed worker's partitions lie idle no longer; less than brokers allow by default (deploy/kafka/server.properties)
QUICK = ("-X", "session.timeout.ms=2000", "-X", "heartbeat.interval.ms=300")


@dataclass(frozen=True)
class Line:
    """The names that one run of the line uses."""

    bootstrap: str
    group: str
    sessions: str
    results: str
    alerts: str
    dead_letters: str
    partitions: int = 4
    reports: list[Report] = field(default_factory=list, compare=False)  # of every check so far

    @classmethod
    def on(cls, bootstrap: str, topics: Topics, partitions: int = 4, config: Mapping[str, str] | None = None) -> "Line":
        """A line of its own topics and group; `config` is that of its input topic."""
        sessions = topics("sessions", partitions, config)
        outputs = topics("results"), topics("alerts"), topics("dead-letters")
        return cls(bootstrap, f"scorer-of-{sessions}", sessions, *outputs, partitions)

    def options(self) -> list[str]:
        """As the command line says it."""
        named = {
            "bootstrap-servers": self.bootstrap,
            "group-id": self.group,
            "input-topic": self.sessions,
            "results-topic": self.results,
            "alerts-topic": self.alerts,
            "dead-letters-topic": self.dead_letters,
            "metrics-port": "0",
        }
        return [text for name, value in named.items() for text in (f"--{name}", value)]

    def feed(self, count: int, *, bad_one_in: int = 100, seed: int = 7) -> dict[bytes, InvalidSample]:
        """Writes generated events, one in so many of them broken, each kind in turn. Returns the broken by value."""
        bad = invalid_samples(seed=seed)
        planted: dict[bytes, InvalidSample] = {}
        events = []
        for number, (key, value) in enumerate(islice(keyed_events(seed=seed), count)):
            if number % bad_one_in == bad_one_in // 2:
                one = next(bad)
                planted[one.value] = one
                events.append(Event(one.value, key))
            else:
                events.append(Event(value, key))
        write(self.bootstrap, self.sessions, events)
        return planted

    def check(self, planted: Mapping[bytes, InvalidSample]) -> Report:
        """What a read-committed reader finds on all four topics, judged."""
        topics = (self.sessions, self.results, self.alerts, self.dead_letters)
        inputs, *outputs = [[Seen.of(message) for message in read(self.bootstrap, topic)] for topic in topics]
        self.reports.append(judge(inputs, planted, Outputs(*outputs)))
        return self.reports[-1]

    def committed(self, isolation: str = "read_committed") -> int:
        """Input records committed, over all partitions. Read committed, the answer waits until no transaction that
        commits offsets is under way, which under load may take seconds."""
        asker = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": self.group,
                "isolation.level": isolation,
                "log_level": 0,
            }
        )
        try:
            wanted = [TopicPartition(self.sessions, partition) for partition in range(self.partitions)]

            def ask() -> list[TopicPartition]:
                with kafka_errors("read the committed offsets"):
                    return asker.committed(wanted, 30.0)

            # on a new broker, or one that comes back, the coordinator first says that it is none
            answers = Retry(seconds=SECONDS).call(ask, on=(RetriableError, UnansweredError))
            return sum(max(0, each.offset) for each in answers)
        finally:
            asker.close()

    def wait_for(self, enough: Callable[[int], bool], *processes: "subprocess.Popen[bytes]") -> int:
        """Waits until enough input records are committed, while at least one of `processes` lives and goes on."""
        count, deadline = -1, 0.0
        while True:
            before, count = count, self.committed("read_uncommitted")
            if enough(count):
                return count
            if count != before:
                deadline = time.monotonic() + SECONDS
            assert any(process.poll() is None for process in processes), "session-scorer ended"
            assert time.monotonic() < deadline, f"{count} events committed, and none more for {SECONDS:g} s"
            time.sleep(0.05)

    @contextmanager
    def running(
        self, log: Path, *options: str, command: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """`session-scorer run` in a process of its own; what it says on stderr is appended to `log`.

        `command` may stand in for the entry point: a program that takes the same arguments.
        """
        start = command or COMMAND
        with (
            log.open("ab") as stderr,
            subprocess.Popen(
                [*start, "run", *self.options(), *options], stderr=stderr, env=environment(env)
            ) as process,
        ):
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.kill()

    def drain(
        self,
        log: Path,
        count: int,
        *options: str,
        command: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run a worker until `count` input records are committed, and stop it."""
        with self.running(log, *options, command=command, env=env) as process:
            self.wait_for(lambda committed: committed == count, process)
            assert stop(process) == 0


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment, without settings of ours in it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    return own | dict(more or {})


def stop(process: "subprocess.Popen[bytes]") -> int:
    """SIGTERM, and the exit status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(SECONDS)


def last_words(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait until the process fails, and return its one line for the user: the only one that is not a log line."""
    assert process.wait(SECONDS) == 1
    plain = [text for text in log.read_text().splitlines() if not text.startswith("{")]
    assert len(plain) == 1, plain
    return plain[0]


def logged(log: Path) -> list[dict[str, Any]]:
    """Return the log lines of a worker."""
    return [json.loads(text) for text in log.read_text().splitlines() if text.startswith("{")]


def metrics_url(log: Path) -> str:
    """Return the address of /metrics of the latest worker that wrote this log."""
    return next(str(each["metrics"]) for each in reversed(logged(log)) if each["message"] == "ready to score")
