"""Many runs, side by side, in parts that can be resumed."""

import functools
import json
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from tests.simulation.schedule import Run, Schedule, run

_PART: Final = 100  # seeds
_SPAWN: Final = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class Violation:
    """A run that broke a promise."""

    seed: int
    check: str
    message: str


@dataclass(slots=True)
class Totals:
    """What came of some runs."""

    schedules: int = 0
    steps: int = 0
    events: int = 0
    faults: int = 0
    seconds: float = 0.0
    """Of all processes together."""
    fewest_events: int = 1 << 30
    fewest_faults: int = 1 << 30
    kinds: Counter[str] = field(default_factory=Counter)
    settings: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def add(self, finished: Run) -> None:
        """Count a run."""
        schedule = Schedule.draw(finished.seed)
        self.schedules += 1
        self.steps += finished.steps
        self.kinds.update(fault.kind for fault in finished.faults)
        self.faults += len(finished.faults)
        delivery, topics = "exactly-once" if schedule.exactly_once else "at-least-once", len(schedule.topics)
        self.settings[f"{delivery}, {schedule.protocol}, topics: {topics}"] += 1
        if finished.violation is not None:
            self.violations.append(Violation(finished.seed, finished.violation.check, str(finished.violation)))
            return
        self.events += finished.events
        self.fewest_events = min(self.fewest_events, finished.events)
        self.fewest_faults = min(self.fewest_faults, len(finished.faults))

    def merge(self, other: "Totals") -> None:
        """Add what came of other runs."""
        for name in ("schedules", "steps", "events", "faults", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.fewest_events = min(self.fewest_events, other.fewest_events)
        self.fewest_faults = min(self.fewest_faults, other.fewest_faults)
        self.kinds.update(other.kinds)
        self.settings.update(other.settings)
        self.violations += other.violations

    def document(self) -> dict[str, Any]:
        """Return it as JSON takes it; `asdict` makes of a counter one of pairs before Python 3.12."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain | {"violations": [asdict(each) for each in self.violations]}

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "Totals":
        """Return what `document` has written."""
        counters = {name: Counter(document[name]) for name in ("kinds", "settings")}
        violations = [Violation(**each) for each in document["violations"]]
        return cls(**(document | counters | {"violations": violations}))


def run_all(
    seeds: range, jobs: int, *, fail_fast: bool, resume: Path | None, progress: Callable[[Totals], None]
) -> Totals:
    """Run all seeds. With `resume`, parts that are in that file are not run again, and new ones are added to it."""
    finished = _load(resume)
    totals = Totals()
    parts = [range(start, min(start + _PART, seeds.stop)) for start in range(seeds.start, seeds.stop, _PART)]
    for part in parts:
        if _name(part) in finished:
            totals.merge(finished[_name(part)])
    left = [part for part in parts if _name(part) not in finished]
    for part, result in _in_processes(left, jobs, fail_fast=fail_fast):
        totals.merge(result)
        progress(totals)
        if fail_fast and totals.violations:
            break
        finished[_name(part)] = result
        _save(resume, finished)
    totals.violations.sort(key=lambda violation: violation.seed)
    return totals


def run_part(seeds: range, *, fail_fast: bool = False) -> tuple[range, Totals]:
    """Run a few seeds in this process; `fail_fast`: up to the first violation."""
    began = time.perf_counter()
    totals = Totals()
    for seed in seeds:
        totals.add(run(seed))
        if fail_fast and totals.violations:
            break
    totals.seconds = time.perf_counter() - began
    return seeds, totals


def _in_processes(parts: list[range], jobs: int, *, fail_fast: bool) -> Iterator[tuple[range, Totals]]:
    run_each = functools.partial(run_part, fail_fast=fail_fast)
    if jobs == 1 or len(parts) <= 1:
        yield from map(run_each, parts)
        return
    with _SPAWN.Pool(jobs, initializer=quiet) as pool:
        yield from pool.imap_unordered(run_each, parts)


def quiet() -> None:
    """Switch the product's log lines off in this process: there are millions."""
    logging.disable(logging.CRITICAL)


def _name(part: range) -> str:
    return f"{part.start}-{part.stop}"


def _load(path: Path | None) -> dict[str, Totals]:
    if path is None or not path.exists():
        return {}
    return {name: Totals.parse(each) for name, each in json.loads(path.read_text()).items()}


def _save(path: Path | None, finished: dict[str, Totals]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({name: each.document() for name, each in finished.items()}))
