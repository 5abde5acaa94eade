"""Seeded labelled sessions: the standard training set, and streams of events without end.

The first n sessions of a world are the same however many are asked for. numpy and msgspec alone are needed.
As a program it writes a table: `python -m training.dataset OUT.csv[.gz] [--rows N] [--seed N]`.
"""

import argparse
import gzip
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from training.sessions import Sessions
from training.world import World, live

STANDARD_ROWS: Final = 60_000
STANDARD_SEED: Final = 42

STANDARD = World()
LATER = World(seed=43, start="2026-10-12", first_user=100_001)
"""Other people, at a later time: what a model of the standard set may be tested on."""
STREAM = World(start="2026-11-02", first_user=200_001)


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


def write(path: Path, sessions: Sessions) -> None:
    """Write the table as CSV, compressed when the name ends in .gz: the same bytes for the same sessions."""
    data = sessions.csv().encode()
    path.write_bytes(gzip.compress(data, 9, mtime=0) if path.suffix == ".gz" else data)


def main(arguments: list[str] | None = None) -> int:
    """Write the standard set, or another one like it, to a file."""
    parser = argparse.ArgumentParser(prog="python -m training.dataset", description=main.__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.csv[.gz]")
    parser.add_argument("--rows", type=int, default=STANDARD_ROWS)
    parser.add_argument("--seed", type=int, default=STANDARD_SEED)
    given = parser.parse_args(arguments)
    try:
        write(given.out, generate(given.rows, given.seed))
    except OSError as error:
        print(f"{given.out}: cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201 - a program
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
