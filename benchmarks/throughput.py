"""End to end on a real broker: `session-scorer run` with its defaults, beside a pass-through of the same delivery."""

import functools
from collections.abc import Callable, Sequence

from benchmarks import host, rust
from benchmarks.events import PARTITIONS, as_is, with_escaped_key
from benchmarks.host import PASS
from benchmarks.passthrough import COMMAND
from benchmarks.race import Contestant, Outcome, filled, race
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run

EVENTS = 1_000_000  # what runs on a JVM is slow before
LEFT_EVENTS = 300_000
ALO = ("--delivery", "at-least-once")
OURS, OURS_ALO = Contestant("session-scorer, exactly-once"), Contestant("session-scorer, at-least-once", ALO)
PASS_ALO = Contestant("pass-through, at-least-once", ALO, COMMAND)
CONTESTANTS = (OURS, PASS, OURS_ALO, PASS_ALO)
COLUMNS = (
    "",
    "events/s",
    "CPU, µs an event",
    "÷ pass-through",
    "CPU ÷ pass-through",
    "session-scorer ÷ it",
    "peak memory, MiB",
)
Outcomes = dict[str, list[Outcome]]


def run(given: Run) -> Findings:
    """Events a second and CPU an event, all contestants on the same topic of distinct events; then on a topic where
    each event is left to the contract's decoder."""
    others = [Contestant(name, command=("/bin/sh", "-c", f"exec {command}")) for name, command in given.also.items()]
    others += [Contestant(rust.NAME, command=given.rust)] if given.rust else []
    old, old_alo = _old(given), _old(given, *ALO)
    found = _raced(given, (*CONTESTANTS, *old, *old_alo, *others), EVENTS)
    left = _raced(given, (OURS, PASS, *old), LEFT_EVENTS, with_escaped_key)
    return Findings(
        [
            _table("throughput", found, given, "distinct events"),
            _table("throughput-left", left, given, "distinct events (a key of each has an escape)"),
        ]
    )


def _old(given: Run, *options: str) -> list[Contestant]:
    """The older commit with these options, where there is one."""
    if given.old is None:
        return []
    delivery = "at-least-once" if options else "exactly-once"
    return [Contestant(f"{given.old.name}, {delivery}", options, given.old.command)]


def _raced(
    given: Run, contestants: Sequence[Contestant], events: int, edit: Callable[[bytes], bytes] = as_is
) -> Outcomes:
    with filled(given, 2_000 if given.quick else events, edit=edit) as course:
        calls = {each.name: functools.partial(race, each, course, given.room / "log") for each in contestants}
        if not given.quick:  # a round that does not count: a broker that has just started compiles itself
            in_turn(calls, 1, given.say)
        return in_turn(calls, given.rounds, given.say)


def _table(name: str, found: Outcomes, given: Run, events: str) -> Table:
    rates = {name: Measured.of(each.rate for each in outcomes) for name, outcomes in found.items()}
    cpu = {name: Measured(tuple(each.cpu for each in outcomes)) for name, outcomes in found.items()}
    rows = [
        [
            name,
            rates[name].text(0),
            Measured.of(cpu[name].values).text(1),
            rates[name].over(rates[_baseline(name)]).text(),
            cpu[name].over(cpu[_baseline(name)]).text(),
            rates[_ours(name)].over(rates[name]).text(),
            f"{max(each.peak_mib for each in outcomes):.0f}",
        ]
        for name, outcomes in found.items()
    ]
    ours = found[OURS.name][0]
    ratio = (
        f" session-scorer, exactly-once over at-least-once: {rates[OURS.name].over(rates[OURS_ALO.name]).text()}."
        if OURS_ALO.name in rates
        else ""
    )
    note = (
        f"Median (lowest to highest round). {ours.events:,} {events} in {PARTITIONS} partitions, {ours.high:.2%} of "
        "the results High; defaults only, no option but names. CPU is process time, user and system, after the first "
        f"result.{ratio} {host.state(Measured.of(cpu[PASS.name].values), given.neighbours)}"
    )
    return Table(name, COLUMNS, rows, note)


def _baseline(name: str) -> str:
    """The pass-through of the same delivery."""
    return PASS_ALO.name if "at-least-once" in name else PASS.name


def _ours(name: str) -> str:
    return OURS_ALO.name if "at-least-once" in name else OURS.name
