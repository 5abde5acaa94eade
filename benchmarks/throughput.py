"""End to end on a real broker: `session-scorer run` with its defaults, beside a pass-through of the same delivery."""

import functools

from benchmarks.events import PARTITIONS
from benchmarks.passthrough import COMMAND
from benchmarks.race import Contestant, Outcome, filled, race
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run

EVENTS = 1_000_000  # what runs on a JVM is slow before
ALO = ("--delivery", "at-least-once")
OURS, OURS_ALO = Contestant("session-scorer, exactly-once"), Contestant("session-scorer, at-least-once", ALO)
PASS = Contestant("pass-through, exactly-once", command=COMMAND)
PASS_ALO = Contestant("pass-through, at-least-once", ALO, COMMAND)
CONTESTANTS = (OURS, PASS, OURS_ALO, PASS_ALO)


def run(given: Run) -> Findings:
    """Events a second and CPU an event, all contestants on the same topic of distinct events."""
    count = 2_000 if given.quick else EVENTS
    others = [Contestant(name, command=("/bin/sh", "-c", f"exec {command}")) for name, command in given.also.items()]
    with filled(given, count) as course:
        calls = {
            each.name: functools.partial(race, each, course, given.room / "log") for each in (*CONTESTANTS, *others)
        }
        if not given.quick:  # a round that does not count: a broker that has just started compiles itself
            in_turn(calls, 1, given.say)
        found = in_turn(calls, given.rounds, given.say)
    return Findings([_table(found, count)])


def _table(found: dict[str, list[Outcome]], count: int) -> Table:
    rates = {name: Measured.of(each.rate for each in outcomes) for name, outcomes in found.items()}
    rows = [
        [
            name,
            rates[name].text(0),
            Measured.of(each.cpu for each in outcomes).text(1),
            rates[name].over(rates[_baseline(name)]).text(),
            rates[_ours(name)].over(rates[name]).text(),
            f"{max(each.peak_mib for each in outcomes):.0f}",
        ]
        for name, outcomes in found.items()
    ]
    high = found[OURS.name][0].high
    ratio = rates[OURS.name].over(rates[OURS_ALO.name])
    note = (
        f"Median (lowest to highest round). {count:,} distinct events in {PARTITIONS} partitions, {high:.2%} of the "
        "results High; defaults only, no option but names. CPU is process time, user and system, after the first "
        f"result. session-scorer, exactly-once over at-least-once: {ratio.text()}."
    )
    columns = ("", "events/s", "CPU, µs an event", "÷ pass-through", "session-scorer ÷ it", "peak memory, MiB")
    return Table("throughput", columns, rows, note)


def _baseline(name: str) -> str:
    """The pass-through of the same delivery."""
    return PASS_ALO.name if "at-least-once" in name else PASS.name


def _ours(name: str) -> str:
    return OURS_ALO.name if "at-least-once" in name else OURS.name
