"""Bytes to bytes in memory: what a batch of events costs until its results are encoded, by stage.

Beside it, in the same run, msgspec alone decoding the same events into the contract's struct: no line that reads JSON
in Python can be cheaper than that.
"""

import functools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from benchmarks.events import SEED, batches
from benchmarks.plots import Figure, Line, Panel
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run
from consumer.collector import collect_seldom
from consumer.pipeline import Pipeline, Topics
from consumer.records import Batch
from consumer.stream.output_limits import TopicLimits
from scoring import LEVELS, Scorer
from scoring.contract import Event

STAGES = ("decode", "score", "encode")
SIZES = (1, 10, 100, 500, 1000, 2000, 5000, 10_000)
EVENTS = 20_000
MOST_BATCHES = 2000  # of one event: not all the events are needed to tell
AGAIN = 5  # times that the High events are scored in a round: they are few
Cost = dict[str, float]  # µs an event, by stage and in all


def run(given: Run) -> Findings:
    """µs an event for each size of batch, and what the explanation of a High one adds."""
    collect_seldom()  # as the consumer does
    events = 200 if given.quick else EVENTS
    line = pipeline(Scorer.load())
    contestants = {size: batches(min(events, size * MOST_BATCHES), size) for size in SIZES}
    calls = {str(size): functools.partial(cost, line, some) for size, some in contestants.items()}
    calls["msgspec"] = functools.partial(decoding, contestants[max(SIZES)])
    found = in_turn(calls, given.rounds, given.say)
    baseline = Measured.of(each["all"] for each in found.pop("msgspec"))
    costs = {int(size): by_stage(each) for size, each in found.items()}
    lines = [Line(name, SIZES, [of[name] for of in costs.values()]) for name in ("all", *STAGES)]
    figure = Figure("stages", [Panel("events in a batch", "µs an event", lines, log_y=True)])
    return Findings([_table(costs, baseline, shares(line, contestants[max(SIZES)])), reasons(given)], [figure])


def pipeline(scorer: Scorer) -> Pipeline:
    """As `session-scorer run` makes it."""
    topics = Topics("session-results", "session-alerts", "session-dead-letters")
    return Pipeline(
        scorer, topics, "session-scorer", lambda _: TopicLimits(1_000_000), now=lambda: time.time_ns() // 1_000_000
    )


def cost(line: Pipeline, some: Sequence[Batch]) -> Cost:
    """Of all these batches, one after the other; once uncounted, for who comes before leaves its own in the caches."""
    for batch in some:
        line.process(batch)
    spent = dict.fromkeys((*STAGES, "all"), 0.0)
    for batch in some:
        began = time.perf_counter()
        output = line.process(batch)
        spent["all"] += time.perf_counter() - began
        for stage in STAGES:
            spent[stage] += output.tally.stage_seconds[stage]
    count = sum(map(len, some))
    return {name: seconds / count * 1e6 for name, seconds in spent.items()}


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
        counts.update(line.process(batch).tally.levels)
    return ", ".join(f"{counts[level] / max(1, counts.total()):.2%} {level}" for level in LEVELS)


def _table(costs: dict[int, dict[str, Measured]], baseline: Measured, levels: str) -> Table:
    rows = [
        [f"{size:,}", *(of[name].text() for name in (*STAGES, "all")), of["all"].over(baseline).text(1)]
        for size, of in costs.items()
    ]
    note = (
        f"µs an event, median (lowest to highest round). Baseline: msgspec alone decodes these events in "
        f"{baseline.text()} µs each. Events are distinct (`training.dataset.keyed_events({SEED})`): {levels}."
    )
    return Table("stages", ("events in a batch", *STAGES, "all", "× msgspec alone"), rows, note)


def reasons(given: Run) -> Table:
    """What contributions and alert add to a High event: the same events with and without a level High."""
    scorer = Scorer.load()
    artifacts = scorer.artifacts
    never = Scorer(replace(artifacts, thresholds=msgspec.structs.replace(artifacts.thresholds, high=2.0)))
    high = _high(scorer, 5_000 if given.quick else 100_000)
    contestants = {"explained": pipeline(scorer), "not explained": pipeline(never)}
    calls = {name: functools.partial(cost, line, high * AGAIN) for name, line in contestants.items()}
    found = {name: by_stage(each) for name, each in in_turn(calls, given.rounds, given.say).items()}
    rows = [[name, *(of[stage].text() for stage in (*STAGES, "all"))] for name, of in found.items()]
    more = {stage: _more(found["explained"][stage], found["not explained"][stage]) for stage in (*STAGES, "all")}
    rows.append(["the difference", *(each.text() for each in more.values())])
    note = (
        f"µs an event, for {sum(map(len, high)):,} events that are all High, in batches of 500 at the most; "
        "`score` holds the contributions, `encode` the alert."
    )
    return Table("reasons", ("High events", *STAGES, "all"), rows, note)


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
