"""Starting: from the process to its first result, with and without compiled code at hand; and memory at rest."""

import functools
import time
import uuid
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks.events import fill
from benchmarks.latency import reading
from benchmarks.passthrough import COMMAND
from benchmarks.processes import Usage
from benchmarks.race import Contestant
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run
from benchmarks.watching import RaceError
from tests.line import SECONDS, Line, stop
from tests.topics import Topics

EVENTS = 100
SETTLED_SECONDS = 3.0
NOWHERE = {"NUMBA_CACHE_DIR": "/dev/null/none", "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
OURS, PASS = Contestant("session-scorer"), Contestant("baseline: pass-through", command=COMMAND)
KEPT, FRESH, NONE = "compiled code kept from an earlier start", "none kept yet", "nowhere to keep it"


def run(given: Run) -> Findings:
    """Seconds to the first result, and MiB at rest."""
    return Findings([_starts(given), _rests(given)])


def _starts(given: Run) -> Table:
    kept = {"NUMBA_CACHE_DIR": str(given.room / "kept")}
    calls: dict[str, Callable[[], float]] = {
        KEPT: lambda: first_result(given, OURS, kept),
        FRESH: lambda: first_result(given, OURS, {"NUMBA_CACHE_DIR": str(given.room / uuid.uuid4().hex)}),
        NONE: lambda: first_result(given, OURS, NOWHERE),
        PASS.name: lambda: first_result(given, PASS, {}),
    }
    if given.quick:
        calls = {name: calls[name] for name in (NONE, PASS.name)}
    else:
        given.say("filling the place for compiled code")
        calls[KEPT]()
    found = {name: Measured.of(each) for name, each in in_turn(calls, given.rounds, given.say).items()}
    rows = [[name, each.text(), each.over(found[PASS.name]).text(1)] for name, each in found.items()]
    note = "Median (lowest to highest round), from the start of the process to its first result at a committed reader."
    return Table("start", ("", "seconds", "× baseline"), rows, note)


def _rests(given: Run) -> Table:
    calls = {each.name: functools.partial(at_rest, given, each) for each in (OURS, PASS)}
    found = {name: Measured.of(each) for name, each in in_turn(calls, given.rounds, given.say).items()}
    rows = [[name, each.text(0), each.over(found[PASS.name]).text(1)] for name, each in found.items()]
    note = f"Resident {SETTLED_SECONDS:g} s after the group is joined, with no event so far."
    return Table("rest", ("", "MiB", "× baseline"), rows, note)


def first_result(given: Run, contestant: Contestant, environment: Mapping[str, str]) -> float:
    """Seconds until a read-committed reader has a result; the events wait there already."""
    topics = Topics(given.broker())
    try:
        line = Line.on(given.broker(), topics)
        fill(line.bootstrap, line.sessions, EVENTS)
        log = given.room / "log"
        with reading(line) as reader:
            began = time.perf_counter()
            with line.running(log, *contestant.options, command=contestant.command, env=environment) as process:
                reader.wait_for(1)
                seconds = time.perf_counter() - began
                stop(process)
    finally:
        topics.delete()
    return seconds


def at_rest(given: Run, contestant: Contestant) -> float:
    """MiB resident in a process that has joined its group and found nothing to do."""
    topics = Topics(given.broker())
    try:
        line = Line.on(given.broker(), topics)
        with line.running(given.room / "log", *contestant.options, command=contestant.command) as process:
            _wait_until_joined(line)
            time.sleep(0.0 if given.quick else SETTLED_SECONDS)
            resident = Usage([process]).rss_mib()
            stop(process)
    finally:
        topics.delete()
    return resident


def _wait_until_joined(line: Line) -> None:
    """Until the group has a member with partitions. Raises RaceError when that takes too long."""
    admin = AdminClient({"bootstrap.servers": line.bootstrap, "log_level": 0})
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            members = admin.describe_consumer_groups([line.group])[line.group].result(SECONDS).members
        except KafkaException:  # no such group yet, or no coordinator
            members = []
        if any(member.assignment.topic_partitions for member in members):
            return
        time.sleep(0.05)
    raise RaceError(f"nobody joined the group in {SECONDS:g} s")
