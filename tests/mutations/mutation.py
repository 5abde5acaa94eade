"""The mutations: edits that make the product wrong, from mutations.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.planting import Edit, digest

MUTATIONS: Final = Path(__file__).with_name("mutations.toml")


@dataclass(frozen=True, slots=True)
class Mutation(Edit):
    """A mistake that a refactoring could make, and the tests that should catch it."""

    tests: tuple[str, ...]
    """Paths of tests, run in this order."""
    delivery: bool
    """Whether it is on the delivery path, so that the simulation runs after the tests."""

    @property
    def digest(self) -> str:
        """A hash of the edit and of the tests' paths."""
        return digest(self.file, self.old, self.new, *self.tests)


def load() -> list[Mutation]:
    """Return the mutations in the order of mutations.toml."""
    tables = tomllib.loads(MUTATIONS.read_text())
    return [
        Mutation(**{**row, "tests": tuple(row["tests"]), "delivery": path == "delivery"})
        for path in ("scoring", "delivery")
        for row in tables[path]
    ]
