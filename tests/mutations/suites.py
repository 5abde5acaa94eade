"""Run the tests and the simulation on a mutated copy of the checkout."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.mutations.mutation import Mutation
from tests.mutations.results import Result
from tests.simulation.planted import SIMULATION, parts, simulate
from tests.support.planting import ROOT, PlantingError, copy_checkout

# the timeout of a test is for a busy machine: a test that fails for want of time would catch everything
PYTEST: Final = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--seed=1", "--timeout=600")
_TESTS_SECONDS: Final = 7200.0  # for the tests of one path; each test has a timeout of its own
_SUMMARY: Final = "short test summary info"
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE)
_SHOWN: Final = 2000  # characters, of the output of tests that do not run


class Failure(NamedTuple):
    """A test or seed that fails with a mutation."""

    by: str
    also_without: bool = False


@dataclass(frozen=True, slots=True)
class Suites:
    """The tests and the simulation of a checkout."""

    checkout: Path = ROOT
    pytest: Sequence[str] = PYTEST
    simulation: Sequence[str] = SIMULATION

    def try_mutation(self, mutation: Mutation, seeds: int) -> Result:
        """Plant one mutation in a copy; run its tests, then the simulation, up to the first failure.

        Raises PlantingError when the tests or the simulation do not run.
        """
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mutation-") as name:
            root = Path(name)
            copy_checkout(root, self.checkout)
            mutation.plant(root)
            failure = self._failing_test(root, mutation.tests)
            if failure is None and mutation.delivery:
                failure = self._failing_seed(root, seeds)
        by, also_without = failure or Failure("")
        caught, without = (None, by) if also_without else (by or None, None)
        return Result(mutation.name, mutation.digest, seeds, caught, without, round(time.monotonic() - began, 1))

    def _failing_test(self, root: Path, paths: Iterable[str]) -> Failure | None:
        for path in paths:
            code, output = self._run_tests(root, path)
            if code < 0:
                return Failure(f"{path}, which signal {-code} ended")
            if code:
                if (failed := _FAILED.search(output.rpartition(_SUMMARY)[2])) is None:
                    raise PlantingError(f"{path}: the tests do not run: {output[-_SHOWN:]}")
                test = failed[1]
                if self._fails(self.checkout, test):
                    return Failure(test, also_without=True)
                if not self._fails(root, test):
                    raise PlantingError(f"{test} failed, and passed when it was run again")
                return Failure(test)
        return None

    def _fails(self, root: Path, test: str) -> bool:
        """Return whether a test, or a module that cannot be imported, fails when it is run alone."""
        code, output = self._run_tests(root, test)
        if code != 0 and _FAILED.search(output.rpartition(_SUMMARY)[2]) is None:
            raise PlantingError(f"{test} does not run alone: {output[-_SHOWN:]}")
        return code != 0

    def _run_tests(self, root: Path, path: str) -> tuple[int, str]:
        try:
            done = subprocess.run(
                [*self.pytest, path],
                cwd=root,
                env=_environment(root),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TESTS_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PlantingError(f"{path}: no end after {_TESTS_SECONDS:g} s") from error
        return done.returncode, done.stdout + done.stderr

    def _failing_seed(self, root: Path, seeds: int) -> Failure | None:
        for first, end in parts(0, seeds):
            violation = simulate(root, first, end, self.simulation).violation
            if violation is not None:
                seed = violation.seed
                without = simulate(self.checkout, seed, seed + 1, self.simulation).violation
                return Failure(f"seed {seed}: {violation.check}", also_without=without is not None)
        return None


def _environment(root: Path) -> dict[str, str]:
    """Return an environment in which the programs that tests start import from `root`, and keep their kernels there.

    A broker that is missing is a failure.
    """
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return kept | {"PYTHONPATH": str(root), "CI": "true"}
