"""The results of mutations, kept in a file of JSON lines and compared with those of an earlier run."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutations.mutation import Mutation


@dataclass(frozen=True, slots=True)
class Result:
    """What caught a mutation, or that nothing did."""

    name: str
    digest: str
    seeds: int  # that the simulation may run
    caught_by: str | None  # a test, a seed, or the signal that ended the tests
    fails_without: str | None  # a test or seed that fails without the mutation too; nothing after it is run
    seconds: float

    def __str__(self) -> str:
        outcome = f"caught by {self.caught_by}" if self.caught_by else "SURVIVED"
        if self.fails_without:
            outcome = f"NOT TRIED: {self.fails_without} fails without it"
        return f"{self.name}: {outcome}, {self.seconds:.0f} s"


def read_results(path: Path) -> dict[str, Result]:
    """Return the results in a file by mutation; the last one where there are several."""
    rows = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return {row["name"]: Result(**row) for row in rows}


def append_result(path: Path, result: Result) -> None:
    """Write a result at the end of a file, which is made when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def is_known(mutation: Mutation, results: Mapping[str, Result], seeds: int) -> bool:
    """Return whether the results already answer for this mutation, so that it need not run again."""
    known = results.get(mutation.name)
    if known is None or known.digest != mutation.digest or known.fails_without is not None:
        return False
    return known.caught_by is not None or not mutation.delivery or known.seeds >= seeds


def no_longer_caught(before: Mapping[str, Result], after: Mapping[str, Result], names: Iterable[str]) -> list[Result]:
    """Return the results before of the named mutations that were caught then and are not now."""
    caught = [before[name] for name in names if name in before and before[name].caught_by is not None]
    return [result for result in caught if result.name not in after or after[result.name].caught_by is None]
