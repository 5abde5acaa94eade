"""Seeded labelled sessions: the standard training set, and streams of events without end.

The first n sessions of a world are the same however many are asked for. numpy and msgspec alone are needed.
As a program it writes the three sets that ship: `python -m training.synthetic.dataset DIR [--seed N]`.
"""

import argparse
import gzip
import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
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
"""Other people, at a later time: what a model of the standard set may be tested on."""
UNRELATED: Final = World(start="2026-10-12", first_user=150_001)
"""Others again: their sessions get labels by lot."""
STREAM: Final = World(start="2026-11-02", people=3_000, first_user=200_001)


def generate(n: int, seed: int = STANDARD_SEED, *, world: World = STANDARD) -> Sessions:
    """The first n sessions of a world (its own seed replaced by `seed`), in the order in which they began."""
    days: list[Sessions] = []
    have = 0
    for day in live(replace(world, seed=seed)):
        if have >= n and days:
            break
        days.append(day)
        have += len(day)
    return _join(days)[:n]


def events(seed: int, *, world: World = STREAM) -> Iterator[bytes]:
    """JSON events without end, in order of time, each with a session_id of its own."""
    return chain.from_iterable(day.events() for day in live(replace(world, seed=seed)))


def keyed_events(seed: int, *, world: World = STREAM) -> Iterator[tuple[bytes, bytes]]:
    """The same events, each with its record's key: by convention the user_id."""
    for day in live(replace(world, seed=seed)):
        yield from zip(map(str.encode, day.user_id), day.events(), strict=True)


def _join(days: list[Sessions]) -> Sessions:
    plain = [name for name, column in vars(days[0]).items() if isinstance(column, np.ndarray)]
    return Sessions(
        numbers={key: np.concatenate([day.numbers[key] for day in days]) for key in days[0].numbers},
        categories={key: np.concatenate([day.categories[key] for day in days]) for key in days[0].categories},
        **{name: np.concatenate([getattr(day, name) for day in days]) for name in plain},
    )


def random_labels(n: int, seed: int) -> Sessions:
    """Sessions whose labels are dealt out anew among all of them: as many attacks as before, and nothing to learn.

    `kind` still says who made each session.
    """
    sessions = generate(n, seed, world=UNRELATED)
    return replace(sessions, label=np.random.default_rng([seed, n]).permutation(sessions.label))


SETS: Final[dict[str, Callable[[int], Sessions]]] = {
    "train": lambda seed: generate(STANDARD_ROWS, seed),
    "test": lambda seed: generate(LATER_ROWS, seed + 1, world=LATER),
    "random_labels": lambda seed: random_labels(RANDOM_ROWS, seed + 2),
}
"""The sets that ship in artifacts/datasets, each made from the seed."""


def write_sets(directory: Path, seed: int = STANDARD_SEED) -> None:
    """Write the sets that ship as NAME.csv.gz, and SHA256SUMS, the same bytes for the same seed.

    The sums are of the uncompressed tables because zlib's versions compress differently. Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sums = []
    for name, make in SETS.items():
        table = make(seed).csv().encode()
        (directory / f"{name}.csv.gz").write_bytes(gzip.compress(table, 9, mtime=0))
        sums.append(f"{hashlib.sha256(table).hexdigest()}  {name}.csv\n")
    (directory / "SHA256SUMS").write_text("".join(sums))


def main(arguments: list[str] | None = None) -> int:
    """Write the training, test and random-label sets: NAME.csv.gz, and SHA256SUMS of the uncompressed tables."""
    parser = argparse.ArgumentParser(prog="python -m training.synthetic.dataset", description=main.__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=STANDARD_SEED)
    given = parser.parse_args(arguments)
    try:
        write_sets(given.directory, given.seed)
    except OSError as error:
        print(f"{given.directory}: cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201 - a program
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
