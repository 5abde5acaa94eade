"""Make mistakes of a refactoring in the product, one at a time, and show which tests or seeds catch them:

    python -m tests.mutations [--only NAME ...] [--seeds 2000] [--out FILE] [--compare BEFORE]

The mutations are in mutations.toml. Each is planted in a copy of the checkout. There its tests run, path after path, up
to the first failure; when all pass, a mutation on the delivery path goes through the simulation. A test or seed that
fails without the mutation too catches nothing.

FILE gets a line of JSON for each mutation. One that is in FILE already is not run again, unless its edit or its tests
have changed, or it survived and there are more seeds to run. BEFORE is such a file of an earlier run: the exit status
is 1 when a mutation was caught there and is not caught now.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutations.mutation import load
from tests.mutations.results import append_result, is_known, no_longer_caught, read_results
from tests.mutations.suites import Suites
from tests.support.planting import ROOT, PlantingError


def main(arguments: Sequence[str] | None = None, suites: Suites | None = None) -> int:
    """Run the mutations and print a line for each; return 1 when one could not be tried, or is no longer caught."""
    options = _parser().parse_args(arguments)
    suites = suites or Suites()
    mutations = [mutation for mutation in load() if not options.only or mutation.name in options.only]
    for mutation in mutations:
        mutation.apply((suites.checkout / mutation.file).read_text())  # all of them before the first takes its minutes
    results = read_results(options.out)
    unknown = [mutation for mutation in mutations if not is_known(mutation, results, options.seeds)]
    status = 0
    for number, mutation in enumerate(unknown, 1):
        print(f"{number} of {len(unknown)}: {mutation.name}", file=sys.stderr, flush=True)
        try:
            result = suites.try_mutation(mutation, options.seeds)
        except PlantingError as error:
            print(f"{mutation.name}: NOT TRIED: {error}", flush=True)
            status = 1
            continue
        status = 1 if result.fails_without else status
        results[mutation.name] = result
        append_result(options.out, result)
        print(result, flush=True)
    if options.compare is not None:
        names = [mutation.name for mutation in mutations]
        for lost in no_longer_caught(read_results(options.compare), results, names):
            print(f"{lost.name}: no longer caught; before, {lost.caught_by} caught it")
            status = 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description="Make mutations.")
    names = [mutation.name for mutation in load()]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help="the mutations to make (all)")
    parser.add_argument("--seeds", type=int, default=2000, metavar="N", help="the most seeds of the simulation (2000)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "mutations.jsonl", metavar="FILE", help="where to keep results"
    )
    parser.add_argument("--compare", type=Path, metavar="BEFORE", help="results to compare with")
    return parser


if __name__ == "__main__":
    sys.exit(main())
