"""One contestant works off a topic: how fast, at what cost of CPU and memory.

The rate is the events over the time from the first to the last append of a result, by the broker's clock
(LogAppendTime), so starting up does not count. CPU counts from the first result, too. Results are read committed.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.events import PARTITIONS, as_is, fill
from benchmarks.passthrough import PARTITIONER
from benchmarks.processes import Usage
from benchmarks.run import Run
from benchmarks.watching import RaceError, progress, span
from tests.support.end_to_end import Line, stop
from tests.support.kafka.topics import Topics

OUTPUT = {"message.timestamp.type": "LogAppendTime"}


class Contestant(NamedTuple):
    """What is run: `session-scorer run` with these options, or a command that takes the same arguments."""

    name: str
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    workers: int = 1


class Outcome(NamedTuple):
    """Of one contestant, once."""

    rate: float  # events/s
    cpu: float  # µs an event, of all its processes; nan when it was over before it could be told
    peak_mib: float
    high: float  # share of the results that are also alerts
    events: int


class Course(NamedTuple):
    """What is to be worked off: a topic full of events, all of them valid."""

    bootstrap: str
    sessions: str
    events: int
    partitions: int = PARTITIONS


@contextlib.contextmanager
def filled(
    given: Run,
    events: int,
    partitions: int = PARTITIONS,
    partitioner: str = PARTITIONER,
    edit: Callable[[bytes], bytes] = as_is,
) -> Iterator[Course]:
    """A topic with so many distinct events, each as `edit` returns it; gone afterwards."""
    bootstrap, topics = given.broker(), Topics(given.broker())
    try:
        given.say(f"writing {events:,} events")
        course = Course(bootstrap, topics("sessions", partitions), events, partitions)
        fill(bootstrap, course.sessions, events, partitioner, edit)
        yield course
    finally:
        topics.delete()


def race(contestant: Contestant, course: Course, log: Path) -> Outcome:
    """Let it work off the course, into topics of its own. Raises RaceError."""
    topics = Topics(course.bootstrap)
    try:
        results, alerts, letters = (topics(name, course.partitions, OUTPUT) for name in ("r", "a", "d"))
        names = (f"bench-{results}", course.sessions, results, alerts, letters)
        line = Line(course.bootstrap, *names, course.partitions)
        try:
            cpu, peak = _worked_off(contestant, line, course.events, log)
        except RaceError as error:
            raise RaceError(f"{contestant.name}: {error}; the last it said: {last_line(log)}") from None
        found, high = span(course.bootstrap, results), span(course.bootstrap, alerts).records
    finally:
        topics.delete()
    if found.records != course.events:
        raise RaceError(f"{contestant.name}: {found.records:,} results of {course.events:,} events")
    return Outcome(
        found.records / max(1, found.last - found.first) * 1e3, cpu, peak, high / found.records, found.records
    )


def last_line(log: Path) -> str:
    """What a process said before it ended, or nothing."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "nothing"


def _worked_off(contestant: Contestant, line: Line, count: int, log: Path) -> tuple[float, float]:
    """µs of CPU an event after the first results, and the most memory in MiB."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                line.running(log, *contestant.options, command=contestant.command, env=_environment(line))
            )
            for _ in range(contestant.workers)
        ]
        usage = stack.enter_context(Usage.watched(*processes))
        done = stack.enter_context(progress(line))
        began_at = done.wait_for(1, processes)
        began = usage.cpu_seconds()
        done.wait_for(count, processes)
        spent = usage.cpu_seconds() - began
        for process in processes:
            stop(process)
    rest = count - began_at
    return (spent / rest * 1e6 if rest else math.nan), usage.peak_mib


def _environment(line: Line) -> dict[str, str]:
    """What a contestant of others reads, which knows nothing of our options."""
    topics = {"IN": line.sessions, "OUT": line.results, "DLQ": line.dead_letters}
    return {"BOOTSTRAP": line.bootstrap, "GROUP": line.group, **topics}
