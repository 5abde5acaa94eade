"""Generate seeded labelled sessions: the standard training set and endless streams of events.

The first n sessions of a world do not depend on how many are generated. Needs only numpy and msgspec.
As a program it writes the three sets that ship: `python -m training.synthetic.dataset DIR [--seed N]`.
"""

import argparse
import gzip
import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from training.synthetic.sessions import Sessions
from training.synthetic.world import World, live

STANDARD_ROWS: Final = 60_000
LATER_ROWS: Final = 30_000
RANDOM_ROWS: Final = 20_000
STANDARD_SEED: Final = 42

STANDARD: Final = World()
LATER: Final = World(start="2026-10-12", first_user=100_001)
"""Other people at a later time: the test set of the standard set."""
UNRELATED: Final = World(start="2026-10-12", first_user=150_001)
"""More people, whose sessions get random labels."""
STREAM: Final = World(start="2026-11-02", people=3_000, first_user=200_001)


def generate(n: int, seed: int = STANDARD_SEED, *, world: World = STANDARD) -> Sessions:
    """Return the first n sessions of a world, with `seed` for its own, in the order of their start."""
    days: list[Sessions] = []
    total = 0
    for day in live(replace(world, seed=seed)):
        if total >= n and days:
            break
        days.append(day)
        total += len(day)
    return _join(days)[:n]


def events(seed: int, *, world: World = STREAM) -> Iterator[bytes]:
    """Yield endless JSON events in order of time, with distinct session ids."""
    return chain.from_iterable(day.events() for day in live(replace(world, seed=seed)))


def keyed_events(seed: int, *, world: World = STREAM) -> Iterator[tuple[bytes, bytes]]:
    """Yield the same events with their record keys: by convention the user_id."""
    for day in live(replace(world, seed=seed)):
        yield from zip(map(str.encode, day.user_id), day.events(), strict=True)


def _join(days: list[Sessions]) -> Sessions:
    arrays = [name for name, column in vars(days[0]).items() if isinstance(column, np.ndarray)]
    return Sessions(
        numbers={key: np.concatenate([day.numbers[key] for day in days]) for key in days[0].numbers},
        categories={key: np.concatenate([day.categories[key] for day in days]) for key in days[0].categories},
        **{name: np.concatenate([getattr(day, name) for day in days]) for name in arrays},
    )


def random_labels(n: int, seed: int) -> Sessions:
    """Return sessions with permuted labels: the same number of attacks, and no signal.

    `kind` still tells who made a session.
    """
    sessions = generate(n, seed, world=UNRELATED)
    return replace(sessions, label=np.random.default_rng([seed, n]).permutation(sessions.label))


def _test_set(seed: int) -> Sessions:
    return generate(LATER_ROWS, seed + 1, world=LATER)


def _random_set(seed: int) -> Sessions:
    return random_labels(RANDOM_ROWS, seed + 2)


SETS: Final[dict[str, Callable[[int], Sessions]]] = {
    "train": partial(generate, STANDARD_ROWS),
    "test": _test_set,
    "random_labels": _random_set,
}
"""The sets that ship in artifacts/datasets, as functions of the seed."""


def write_sets(directory: Path, seed: int = STANDARD_SEED) -> None:
    """Write the sets that ship as NAME.csv.gz, and SHA256SUMS, the same bytes for the same seed.

    The sums are of the uncompressed tables because zlib's versions compress differently. Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sums = []
    for name, make_set in SETS.items():
        table = make_set(seed).csv().encode()
        (directory / f"{name}.csv.gz").write_bytes(gzip.compress(table, 9, mtime=0))
        sums.append(f"{hashlib.sha256(table).hexdigest()}  {name}.csv\n")
    (directory / "SHA256SUMS").write_text("".join(sums))


def main(arguments: list[str] | None = None) -> int:
    """Write the training, test and random-label sets: NAME.csv.gz, and SHA256SUMS of the uncompressed tables."""
    parser = argparse.ArgumentParser(prog="python -m training.synthetic.dataset", description=main.__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=STANDARD_SEED)
    args = parser.parse_args(arguments)
    try:
        write_sets(args.directory, args.seed)
    except OSError as error:
        print(f"{args.directory}: cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201 - a program
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
