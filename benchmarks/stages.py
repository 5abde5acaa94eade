"""Bytes to bytes in memory: what a batch of events costs until its results are encoded, by stage.

Beside it, in the same run, msgspec alone decoding the same events into the contract's struct: no line that reads JSON
in Python can be cheaper than that.
"""

import functools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import msgspec

from benchmarks.events import SEED, batches
from benchmarks.host import Probe, probing
from benchmarks.in_memory import STAGES, cost
from benchmarks.plots import Figure, Line, Panel
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run
from benchmarks.trees import OURS, in_memory, same_events, trees
from consumer.process import tune_garbage_collector
from consumer.records import Batch
from consumer.stream.output_limits import TopicLimits
from consumer.stream.pipeline import Pipeline, Topics
from scoring import LEVELS, Scorer
from scoring.contract import Event

COLUMNS = (*STAGES, "all")
MSGSPEC = "msgspec"
SIZES = (1, 10, 100, 200, 500, 1000, 2000, 5000, 10_000)
EVENTS = 20_000
MOST_BATCHES = 2000  # of one event: not all the events are needed to tell
AGAIN = 5  # times that the High events are scored in a round: they are few
Cost = dict[str, float]  # µs an event, by stage and in all
Costs = dict[int, dict[str, Measured]]  # by size of batch


def run(given: Run) -> Findings:
    """µs an event for each size of batch, in this tree and in an older commit's; and what the explanation of a High one
    adds."""
    tune_garbage_collector()  # as the consumer does
    events = 200 if given.quick else EVENTS
    with probing(given) as probe:
        found = _in_turn(given, events, probe)
        of_reasons = reasons(given, probe)
    baseline = Measured.of(each["all"] for each in found.pop(MSGSPEC))
    costs: dict[str, Costs] = {tree.name: {} for tree in trees(given)}
    for name, each in found.items():
        tree, _, size = name.rpartition(", ")
        costs[tree][int(size)] = by_stage(each)
    ours = costs[OURS]
    lines = [Line(name, SIZES, [of[name] for of in ours.values()]) for name in ("all", *STAGES)]
    figure = Figure("stages", [Panel("events in a batch", "µs an event", lines, log_y=True)])
    levels = shares(pipeline(Scorer.load()), batches(events, max(SIZES)))
    return Findings([_table(costs, baseline, f"{levels}. {probe.state()}"), of_reasons], [figure])


def _in_turn(given: Run, events: int, probe: Probe) -> dict[str, list[Cost]]:
    """The costs of each tree and size of batch, by their names together."""
    with ExitStack() as stack:
        running = {
            tree.name: stack.enter_context(in_memory(tree, given.room / f"log {tree.name}")) for tree in trees(given)
        }
        same_events(running, events)
        calls: dict[str, Callable[[], Cost]] = {
            f"{name}, {size}": functools.partial(each.ask, "cost", min(events, size * MOST_BATCHES), size)
            for size in SIZES
            for name, each in running.items()
        }
        calls[MSGSPEC] = functools.partial(running[OURS].ask, "msgspec", events, max(SIZES))
        return in_turn(calls, given.rounds, given.say, probe.measure)


def pipeline(scorer: Scorer) -> Pipeline:
    """As `session-scorer run` makes it."""
    topics = Topics("session-results", "session-alerts", "session-dead-letters")
    return Pipeline(
        scorer, topics, "session-scorer", lambda _: TopicLimits(1_000_000), now=lambda: time.time_ns() // 1_000_000
    )


def decoding(some: Sequence[Batch]) -> Cost:
    """Of msgspec alone, on the same events."""
    decode = msgspec.json.Decoder(Event).decode
    values = [value or b"" for batch in some for value in batch.values]
    began = time.perf_counter()
    for value in values:
        decode(value)
    return {"all": (time.perf_counter() - began) / len(values) * 1e6}


def by_stage(costs: Sequence[Cost]) -> dict[str, Measured]:
    """The rounds of each stage together."""
    return {name: Measured.of(each[name] for each in costs) for name in costs[0]}


def shares(line: Pipeline, some: Sequence[Batch]) -> str:
    """How the events' results are spread over the levels, in words."""
    counts: Counter[str] = Counter()
    for batch in some:
        counts.update(line.process(batch).stats.levels)
    return ", ".join(f"{counts[level] / max(1, counts.total()):.2%} {level}" for level in LEVELS)


def _table(costs: dict[str, Costs], baseline: Measured, levels: str) -> Table:
    """Ours row by row; an older commit's below it, with the share of its CPU that ours takes."""
    columns, (ours, *others) = ["events in a batch", *COLUMNS, "× msgspec alone"], costs
    if others:
        columns.append("session-scorer ÷ it")
    rows = []
    for size in SIZES:
        for name, by_size in costs.items():
            of = by_size[size]
            row = [f"{size:,}" if name == ours else f"{size:,}, {name}", *(of[each].text() for each in COLUMNS)]
            row.append(of["all"].over(baseline).text(1))
            rows.append(row + [costs[ours][size]["all"].over(of["all"]).text() for _ in others])
    note = (
        f"µs an event, of CPU time, median (lowest to highest round). Baseline: msgspec alone decodes "
        f"these events in {baseline.text()} µs each. Events are distinct "
        f"(`training.synthetic.dataset.keyed_events({SEED})`): {levels}"
    )
    return Table("stages", columns, rows, note)


def reasons(given: Run, probe: Probe) -> Table:
    """What contributions and alert add to a High event: the same events with and without a level High."""
    scorer = Scorer.load()
    artifacts = scorer.artifacts
    never = Scorer(replace(artifacts, thresholds=msgspec.structs.replace(artifacts.thresholds, high=2.0)))
    high = _high(scorer, 5_000 if given.quick else 100_000)
    contestants = {"explained": pipeline(scorer), "not explained": pipeline(never)}
    calls = {name: functools.partial(cost, line, high * AGAIN) for name, line in contestants.items()}
    found = {name: by_stage(each) for name, each in in_turn(calls, given.rounds, given.say, probe.measure).items()}
    rows = [[name, *(of[stage].text() for stage in COLUMNS)] for name, of in found.items()]
    more = {stage: _more(found["explained"][stage], found["not explained"][stage]) for stage in COLUMNS}
    rows.append(["the difference", *(each.text() for each in more.values())])
    note = (
        f"µs an event by the clock, for {sum(map(len, high)):,} events that are all High, in batches of 500 at the "
        "most; `score` holds the contributions, `encode` the alert. "
        f"{probe.state()}"
    )
    return Table("reasons", ("High events", *COLUMNS), rows, note)


def _more(ours: Measured, baseline: Measured) -> Measured:
    return Measured.of(a - b for a, b in zip(ours.values, baseline.values, strict=True))


def _high(scorer: Scorer, looked_at: int) -> list[Batch]:
    """Batches of nothing but High events."""
    found = []
    for batch in batches(looked_at, 10_000):
        levels = scorer.score_columns(scorer.decode([value or b"" for value in batch.values]).columns).levels
        found.append(batch.take([i for i, level in enumerate(levels.tolist()) if LEVELS[level] == "High"]))
    return [part for batch in found for part in _cut(batch)]


def _cut(batch: Batch) -> list[Batch]:
    return [batch.take(range(i, min(i + 500, len(batch)))) for i in range(0, len(batch), 500)]
