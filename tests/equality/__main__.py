"""Compare many events by hand: python -m tests.equality odd ordinary --events 1000000 --seed 1 --build checked"""

import argparse
import logging
import sys
import time
from itertools import chain
from typing import get_args

from scoring import Scorer
from tests.equality import builds
from tests.equality.batches import Kind
from tests.equality.comparison import Comparison, DifferenceError, batch_number
from tests.support.artifacts import hand_computed


def main() -> int:
    """Compare what the command line asks for; return the exit code."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.WARNING)
    with builds.using(options.build):
        # a forest of hundreds of trees takes too long as plain Python
        comparison = Comparison(hand_computed.scorer() if options.build == "python" else Scorer.load())
        if options.batch is not None:
            for kind in options.kinds:
                comparison.compare(batch_number(kind, options.seed, options.batch))
            return 0
        return _run(comparison, options)


def _run(comparison: Comparison, options: argparse.Namespace) -> int:
    began = shown = time.monotonic()
    try:
        runs = (comparison.run(kind, options.seed, options.events) for kind in options.kinds)
        for totals in chain.from_iterable(runs):
            if time.monotonic() - shown > 5:
                shown = time.monotonic()
                print(f"{shown - began:.0f} s: {totals}", file=sys.stderr, flush=True)
    except DifferenceError as difference:
        print(difference, *difference.__notes__, sep="\n")
        return 1
    print(f"{', '.join(options.kinds)}, seed {options.seed}, {options.build}: {comparison.totals}; no difference")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.equality", description=__doc__)
    parser.add_argument("kinds", nargs="+", choices=get_args(Kind), metavar="KIND", help=", ".join(get_args(Kind)))
    parser.add_argument("--events", type=int, default=1_000_000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", choices=builds.BUILDS, default="compiled")
    parser.add_argument("--batch", type=int, metavar="N", help="only batch N of this seed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
