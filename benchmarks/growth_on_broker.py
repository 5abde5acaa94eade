"""How throughput and memory grow on a broker: with partitions, with workers, with the backlog."""

import functools
from collections.abc import Mapping, Sequence

from benchmarks.passthrough import COMMAND
from benchmarks.plots import Figure, Line, Panel
from benchmarks.race import Contestant, Course, Outcome, filled, race
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run

FULL = ((1, 4, 16, 64), (100_000, 300_000, 1_000_000), (1, 2), 400_000)  # partitions, backlogs, workers, events
QUICK = ((2,), (), (2,), 500)
ELSEWHERE = "consistent_random"  # librdkafka's own partitioner: keys stand in other partitions than their results
ROUNDS = 3  # each takes a quarter of a minute
CREW_FACTOR = 4  # more events for several workers: the first that joins hands partitions on, which takes a second
OURS, PASS, APART = "session-scorer", "pass-through", "session-scorer, keys in other partitions"
Outcomes = dict[str, list[Outcome]]


def run(given: Run) -> Findings:
    """Tables and one figure."""
    rounds = min(given.rounds, ROUNDS)
    partitions, backlogs, crews, events = QUICK if given.quick else FULL
    by_partitions = {each: _by_partition(given, rounds, events, each) for each in partitions}
    with filled(given, CREW_FACTOR * events) as course:
        crew = {f"{n} worker{'s' if n > 1 else ''}": (Contestant(OURS, workers=n), course) for n in crews}
        by_workers = _raced(given, rounds, crew)
    by_backlog = {each: _by_backlog(given, each) for each in backlogs}
    by_backlog = by_backlog or {events: by_partitions[partitions[0]]}  # quick: one race stands for both
    tables = [_partitions(by_partitions), _workers(by_workers, CREW_FACTOR * events), _backlog(by_backlog)]
    return Findings(tables, [Figure("growth-on-broker", _panels(by_partitions, by_backlog))])


def _by_partition(given: Run, rounds: int, events: int, partitions: int) -> Outcomes:
    with filled(given, events, partitions) as course, filled(given, events, partitions, ELSEWHERE) as apart:
        contestants = {
            OURS: (Contestant(OURS), course),
            PASS: (Contestant(PASS, command=COMMAND), course),
            APART: (Contestant(OURS), apart),
        }
        return _raced(given, rounds, contestants)


def _by_backlog(given: Run, events: int) -> Outcomes:
    with filled(given, events) as course:
        return _raced(given, 1, {OURS: (Contestant(OURS), course)})


def _raced(given: Run, rounds: int, contestants: Mapping[str, tuple[Contestant, Course]]) -> Outcomes:
    log = given.room / "log"
    calls = {name: functools.partial(race, who, course, log) for name, (who, course) in contestants.items()}
    course = next(iter(contestants.values()))[1]
    about = f"{course.events:,} events, {course.partitions} partitions"
    return in_turn(calls, rounds, lambda text: given.say(f"{about}, {text}"))


def rates(outcomes: Sequence[Outcome]) -> Measured:
    """Events a second, of each round."""
    return Measured.of(each.rate for each in outcomes)


def _peaks(outcomes: Sequence[Outcome]) -> Measured:
    return Measured.of(each.peak_mib for each in outcomes)


def _partitions(found: dict[int, Outcomes]) -> Table:
    rows = []
    for partitions, of in found.items():
        ours, baseline = rates(of[OURS]), rates(of[PASS])
        cpu = Measured.of(each.cpu for each in of[OURS])
        apart = rates(of[APART]).text(0)
        rows.append([f"{partitions}", ours.text(0), cpu.text(1), baseline.text(0), ours.over(baseline).text(), apart])
    note = (
        "Events a second, exactly-once, defaults; CPU in µs an event. In the last column session-scorer again, with "
        "keys put into partitions by librdkafka's default and not by Java's: each batch is spread over all partitions."
    )
    columns = ("partitions", OURS, "CPU", PASS, "of the pass-through's rate", "keys in other partitions")
    return Table("growth-partitions", columns, rows, note)


def _workers(found: Outcomes, events: int) -> Table:
    first = rates(next(iter(found.values())))
    rows = [
        [
            name,
            rates(of).text(0),
            Measured.of(each.cpu for each in of).text(1),
            rates(of).over(first).text(),
            _peaks(of).text(0),
        ]
        for name, of in found.items()
    ]
    note = (
        f"{events:,} events in four partitions; workers, started at once, and broker share the cores. Memory is that "
        "of all workers."
    )
    columns = ("", "events/s", "CPU, µs an event", "× one worker", "peak memory, MiB")
    return Table("growth-workers", columns, rows, note)


def _backlog(found: dict[int, Outcomes]) -> Table:
    rows = [[f"{count:,}", f"{of[OURS][0].peak_mib:.0f}", f"{of[OURS][0].rate:,.0f}"] for count, of in found.items()]
    note = "One run each: so many events stood there when it started."
    return Table("growth-backlog", ("events waiting", "peak memory, MiB", "events/s"), rows, note)


def _panels(by_partitions: dict[int, Outcomes], by_backlog: dict[int, Outcomes]) -> list[Panel]:
    lines = [
        Line(name, list(by_partitions), [rates(of[name]) for of in by_partitions.values()]) for name in (OURS, PASS)
    ]
    memory = Line(OURS, list(by_backlog), [_peaks(of[OURS]) for of in by_backlog.values()])
    return [Panel("partitions", "events/s", lines), Panel("events waiting", "peak memory, MiB", [memory])]
