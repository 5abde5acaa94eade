"""Starting: from the process to its first result, with and without compiled code at hand; and memory at rest."""

import functools
import time
import uuid
from collections.abc import Callable, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks.events import fill
from benchmarks.host import probing
from benchmarks.latency import reading
from benchmarks.passthrough import COMMAND
from benchmarks.processes import Usage, peak_mib
from benchmarks.race import Contestant
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run
from benchmarks.watching import RaceError
from tests.support.end_to_end import SECONDS, Line, stop
from tests.support.kafka.topics import Topics

EVENTS = 100
SETTLED_SECONDS = 3.0
NOWHERE = {"NUMBA_CACHE_DIR": "/dev/null/none", "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
OURS, PASS = Contestant("session-scorer"), Contestant("baseline: pass-through", command=COMMAND)
KEPT, FRESH, NONE = "compiled code kept from an earlier start", "none kept yet", "nowhere to keep it"


class Started(NamedTuple):
    """A start, up to the first result."""

    seconds: float
    peak_mib: float


def run(given: Run) -> Findings:
    """Seconds to the first result, the most memory until then, and MiB at rest."""
    return Findings([_starts(given), _rests(given)])


def _starts(given: Run) -> Table:
    calls = _calls(given, OURS, "")
    if given.old is not None:
        calls |= _calls(given, Contestant(given.old.name, command=given.old.command), f"{given.old.name}, ")
    calls[PASS.name] = functools.partial(first_result, given, PASS, {})
    if given.quick:
        calls = {name: call for name, call in calls.items() if KEPT not in name and FRESH not in name}
    for name in [name for name in calls if KEPT in name]:
        given.say("filling the place for compiled code")
        calls[name]()
    with probing(given) as probe:
        found = in_turn(calls, given.rounds, given.say, probe.measure)
    baseline = Measured.of(each.seconds for each in found[PASS.name])
    rows = []
    for name, starts in found.items():
        seconds = Measured.of(each.seconds for each in starts)
        peak = Measured.of(each.peak_mib for each in starts)
        rows.append([name, seconds.text(), seconds.over(baseline).text(1), peak.text(0)])
    note = (
        "Median (lowest to highest round), from the start of the process to its first result at a committed reader; "
        f"memory is the most that was resident until then. {probe.state()}"
    )
    return Table("start", ("", "seconds", "× baseline", "peak memory, MiB"), rows, note)


def _calls(given: Run, contestant: Contestant, prefix: str) -> dict[str, Callable[[], Started]]:
    """Its starts: with compiled code kept, with none kept yet, and with nowhere to keep it."""
    kept = {"NUMBA_CACHE_DIR": str(given.room / f"kept-{contestant.name}")}

    def fresh() -> Started:
        return first_result(given, contestant, {"NUMBA_CACHE_DIR": str(given.room / uuid.uuid4().hex)})

    return {
        f"{prefix}{KEPT}": functools.partial(first_result, given, contestant, kept),
        f"{prefix}{FRESH}": fresh,
        f"{prefix}{NONE}": functools.partial(first_result, given, contestant, NOWHERE),
    }


def _rests(given: Run) -> Table:
    calls = {each.name: functools.partial(at_rest, given, each) for each in (OURS, PASS)}
    found = {name: Measured.of(each) for name, each in in_turn(calls, given.rounds, given.say).items()}
    rows = [[name, each.text(0), each.over(found[PASS.name]).text(1)] for name, each in found.items()]
    note = f"Resident {SETTLED_SECONDS:g} s after the group is joined, with no event so far."
    return Table("rest", ("", "MiB", "× baseline"), rows, note)


def first_result(given: Run, contestant: Contestant, environment: Mapping[str, str]) -> Started:
    """Start a contestant until a read-committed reader has a result; the events wait there already."""
    topics = Topics(given.broker())
    try:
        line = Line.on(given.broker(), topics)
        fill(line.bootstrap, line.sessions, EVENTS)
        log = given.room / "log"
        with reading(line) as reader:
            began = time.perf_counter()
            with line.running(log, *contestant.options, command=contestant.command, env=environment) as process:
                reader.wait_for(1)
                started = Started(time.perf_counter() - began, peak_mib(process.pid))
                stop(process)
    finally:
        topics.delete()
    return started


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
