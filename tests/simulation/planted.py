"""Plant faults in the product, one at a time, and find out which check of the simulation catches each, and how soon.

    python -m tests.simulation.planted [--seeds 20000] [--jobs 2] [NAME ...]

The faults stand in planted.toml. Each is planted in a copy of the checkout. Results are kept in build/planted.json, so
a run that was interrupted goes on where it was; a fault whose edit has changed is tried from the first seed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from tests.simulation.campaign import Violation
from tests.support.planting import ROOT, Edit, PlantingError, copy_checkout, digest

FAULTS: Final = Path(__file__).with_suffix(".toml")
SIMULATION: Final = (sys.executable, "-m", "tests.simulation", "--jobs", "1")
_FIRST_SEEDS: Final = 200  # most faults are caught by these; the copy that is used stays the same
_PART_SECONDS: Final = 3600.0  # for one run of the simulation, which may hang with a fault in it


@dataclass(frozen=True, slots=True)
class Fault(Edit):
    """An edit that the simulation must catch, or that breaks no promise."""

    harmless: str = ""
    """Why it breaks no promise; empty for a fault that must be caught."""
    first_seed: int = 0
    """Where to begin: a little before a seed that is known to catch it, where that is a late one."""

    @property
    def digest(self) -> str:
        """A hash of the edit."""
        return digest(self.file, self.old, self.new, str(self.first_seed))


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one fault, so far."""

    digest: str
    next_seed: int = 0  # what comes before it, from the fault's first seed on, is tried
    seconds: float = 0.0
    violation: Violation | None = None
    also_without: bool = False  # the same seed fails without the fault, so the simulation has not caught it

    @property
    def caught(self) -> bool:
        """Whether a check found the fault."""
        return self.violation is not None and not self.also_without


def load() -> list[Fault]:
    """Return the faults in the order of planted.toml."""
    return [Fault(**each) for each in tomllib.loads(FAULTS.read_text())["fault"]]


@dataclass(slots=True)
class Results:
    """The results by the names of the faults, kept in a file."""

    path: Path
    by_name: dict[str, Result]
    lock: threading.Lock

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Return what the file holds; nothing when there is none."""
        rows = json.loads(path.read_text()) if path.exists() else {}
        return cls(path, {name: _result(row) for name, row in rows.items()}, threading.Lock())

    def of(self, fault: Fault) -> Result:
        """Return what is known of a fault with this very edit."""
        known = self.by_name.get(fault.name)
        return known if known is not None and known.digest == fault.digest else Result(fault.digest, fault.first_seed)

    def keep(self, fault: Fault, result: Result) -> None:
        """Write a result to the file."""
        with self.lock:
            self.by_name[fault.name] = result
            rows = {name: asdict(each) for name, each in sorted(self.by_name.items())}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self.path.with_suffix(".new")
            unfinished.write_text(json.dumps(rows, indent=1) + "\n")
            unfinished.replace(self.path)


def _result(row: Mapping[str, object]) -> Result:
    violation = row["violation"]
    found = Violation(**violation) if isinstance(violation, dict) else None
    return Result(**{**row, "violation": found})  # type: ignore[arg-type]  # a row is what asdict made of one


def simulate(root: Path, first: int, end: int, command: Sequence[str] = SIMULATION) -> Result:
    """Run the schedules of seeds `first` to `end` - 1 with the packages below `root`, up to the first violation.

    Raises PlantingError when the simulation does not run.
    """
    full = [*command, "--seeds", f"{first}-{end}", "--fail-fast", "--json"]
    try:
        done = subprocess.run(full, cwd=root, capture_output=True, text=True, timeout=_PART_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise PlantingError(f"seeds {first} to {end}: no end after {_PART_SECONDS:g} s") from error
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise PlantingError(f"the simulation does not run: {done.stderr[-2000:] or done.stdout[-2000:]}") from error
    violations = [Violation(**each) for each in report["violations"]]
    earliest = min(violations, key=lambda each: each.seed, default=None)
    return Result("", end, report["seconds"], earliest)


def parts(first: int, end: int) -> Iterator[tuple[int, int]]:
    """Split seeds into runs: short ones first, since most faults are caught soon."""
    size = _FIRST_SEEDS
    while first < end:
        yield first, min(first + size, end)
        first, size = first + size, size * 3


def try_fault(fault: Fault, seeds: int, results: Results, command: Sequence[str] = SIMULATION) -> Result:
    """Plant one fault and run the simulation until a check catches it, or all seeds are tried."""
    result = results.of(fault)
    if result.violation is not None or result.next_seed >= seeds:
        return result
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        root = Path(name)
        copy_checkout(root)
        fault.plant(root)
        for first, end in parts(result.next_seed, seeds):
            part = simulate(root, first, end, command)
            result = replace(
                part,
                digest=fault.digest,
                seconds=result.seconds + part.seconds,
                also_without=part.violation is not None and _fails_without(part.violation.seed, command),
            )
            results.keep(fault, result)
            if result.violation is not None:
                break
    return result


def _fails_without(seed: int, command: Sequence[str]) -> bool:
    """Return whether a schedule fails without any fault planted."""
    return simulate(ROOT, seed, seed + 1, command).violation is not None


def table(faults: Iterable[Fault], results: Results) -> str:
    """Return the results as Markdown."""
    head = "| fault | what is wrong | file | caught by | seeds tried | seconds |\n|---|---|---|---|--:|--:|"
    return "\n".join([head] + [_line(fault, results.of(fault)) for fault in faults])


def _line(fault: Fault, result: Result) -> str:
    if result.violation is None:
        how = f"harmless: {fault.harmless}" if fault.harmless else "**not caught**"
        last = result.next_seed - 1
    else:
        how = f"**also fails without**: {result.violation.check}" if result.also_without else result.violation.check
        last = result.violation.seed
    tried = f"{fault.first_seed:,} to {last:,}"
    cells = [fault.name, fault.wrong, f"`{fault.file}`", how, tried, f"{result.seconds:.1f}"]
    return f"| {' | '.join(cells)} |"


def unexpected(faults: Iterable[Fault], results: Results) -> list[str]:
    """Return the names of the faults that must be caught and are not, or are said to be harmless and are caught."""
    return [fault.name for fault in faults if results.of(fault).caught == bool(fault.harmless)]


def main(arguments: Sequence[str] | None = None, command: Sequence[str] = SIMULATION) -> int:
    """Try the faults and print the table; return 1 when one is not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planted", description="Plant faults.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="the faults to plant; without a name all of them")
    parser.add_argument(
        "--seeds", type=int, default=20_000, help="seeds to try with each fault: up to, not including, this one"
    )
    parser.add_argument("--jobs", type=int, default=2, help="faults at the same time")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "planted.json")
    options = parser.parse_args(arguments)
    faults = [fault for fault in load() if not options.names or fault.name in options.names]
    for fault in faults:
        fault.apply((ROOT / fault.file).read_text())  # all of them before the first takes its minutes
    results = Results.read(options.results)

    def run(fault: Fault) -> None:
        try:
            line = _line(fault, try_fault(fault, options.seeds, results, command))
        except PlantingError as error:
            line = f"{fault.name}: {error}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - how far it is

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(run, faults))
    failed = unexpected(faults, results)
    print(table(faults, results))  # noqa: T201 - the result
    if failed:
        print(f"not as expected: {', '.join(failed)}", file=sys.stderr)  # noqa: T201 - the result
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
