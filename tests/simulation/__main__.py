"""`python -m tests.simulation`: run many schedules, or replay one with its story."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.campaign import Totals, Violation, quiet, run_all
from tests.simulation.schedule import Run, run
from tests.simulation.shrinking import shrink

_MOST_SHOWN = 5  # violations that are shrunk and shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    options = _parser().parse_args(arguments)
    quiet()
    if options.seed is not None:
        return _replay(*options.seed)
    began = time.monotonic()

    def progress(totals: Totals) -> None:
        if not options.json:
            _show_progress(totals, options.seeds, time.monotonic() - began)

    totals = run_all(options.seeds, options.jobs, fail_fast=options.fail_fast, resume=options.resume, progress=progress)
    if options.json:
        print(json.dumps(totals.document()))
    else:
        _show(totals)
    return 1 if totals.violations else 0


def _replay(seed: int, only: frozenset[int] | None) -> int:
    """Run one seed and print its story, one line for each event of the world."""
    done = run(seed, only, with_story=True)
    print("\n".join(done.story or []))
    print(f"faults: {', '.join(f'{fault.number} {fault.kind}' for fault in done.faults)}")
    print(f"seed {seed}: {done.violation or 'no violation'}, {done.steps} steps")
    return 1 if done.violation else 0


def _show(totals: Totals) -> None:
    rate = totals.steps / max(totals.seconds, 1e-9)
    print(
        f"{totals.schedules:,} schedules, {totals.events:,} events, {totals.faults:,} faults, {totals.steps:,} steps, "
        f"{rate:,.0f} steps a second and process"
    )
    for name, count in sorted(totals.settings.items()):
        print(f"  {name:<44} {count:>9,} schedules")
    for name, count in sorted(totals.kinds.items()):
        print(f"  {name:<44} {count:>9,} faults")
    print(f"{len(totals.violations)} violations")
    for violation in totals.violations[:_MOST_SHOWN]:
        _show_violation(violation)


def _show_violation(violation: Violation) -> None:
    """Show a run that failed, with as few faults as it fails with."""
    failed = run(violation.seed)
    smallest = shrink(failed, run) if failed.violation is not None else failed
    print(f"\nseed {violation.seed}: {violation.message}")
    print(f"  replay: make simulate SEED={violation.seed}")
    if smallest is not failed:
        print(f"  with {len(smallest.faults)} of {len(failed.faults)} faults: make simulate SEED={_name(smallest)}")
        print(f"  {smallest.violation}")


def _name(smallest: Run) -> str:
    return f"{smallest.seed}/{'.'.join(str(fault.number) for fault in smallest.faults)}"


def _show_progress(totals: Totals, seeds: range, seconds: float) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    if end == "\r" or totals.schedules % 1000 == 0 or totals.schedules == len(seeds):
        found = f", {len(totals.violations)} violations" if totals.violations else ""
        print(f"{totals.schedules:,} of {len(seeds):,} schedules, {seconds:.0f} s{found}", end=end, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument(
        "--seeds", type=_range, default=range(4000), metavar="A-B", help="from A up to, not including, B"
    )
    parser.add_argument(
        "--seed", type=_seed, metavar="N[/F.F…]", help="replay one seed with its story; with these faults only"
    )
    parser.add_argument("--jobs", type=_jobs, default=os.cpu_count() or 1, help="processes (one for each core)")
    parser.add_argument("--fail-fast", action="store_true", help="end at the first violation")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="keep what is finished in this file, and go on from it"
    )
    return parser


def _range(text: str) -> range:
    start, _, end = text.partition("-")
    if not (start.isdecimal() and end.isdecimal() and int(start) < int(end)):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of seeds: give A-B, as in 0-2000")
    return range(int(start), int(end))


def _seed(text: str) -> tuple[int, frozenset[int] | None]:
    seed, slash, faults = text.partition("/")
    numbers = [each for each in faults.split(".") if each]
    if not all(each.isdecimal() for each in [seed, *numbers]):
        raise argparse.ArgumentTypeError(f"{text!r} is no seed: give a number, or number/fault.fault, as in 17/3.8")
    return int(seed), frozenset(map(int, numbers)) if slash else None


def _jobs(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes: give 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
