"""Smaller runs that fail alike: with fewer faults."""

from collections.abc import Callable, Collection

from tests.simulation.schedule import Run

_MOST_RUNS = 300

Rerun = Callable[[int, Collection[int]], Run]
"""Runs a seed with only these faults."""


def shrink(failed: Run, rerun: Rerun) -> Run:
    """Return the smallest run found that breaks the same promise; the same run when none is smaller."""
    search = _Search(failed, rerun)
    size = max(1, len(search.best.faults) // 2)
    while size >= 1:
        if not search.without_some(size):
            size //= 2
    return search.best


class _Search:
    """Leaves faults out, chunk by chunk, as long as the run fails (delta debugging)."""

    def __init__(self, failed: Run, rerun: Rerun) -> None:
        self.best = failed
        self._rerun = rerun
        self._runs = 0

    def without_some(self, size: int) -> bool:
        """Try to leave out `size` faults at a time; return whether some could be."""
        numbers = [fault.number for fault in self.best.faults]
        starts = range(0, len(numbers), size)
        return any(self._fails(numbers[:start] + numbers[start + size :]) for start in starts)

    def _fails(self, numbers: list[int]) -> bool:
        if self._runs >= _MOST_RUNS:
            return False
        self._runs += 1
        run = self._rerun(self.best.seed, frozenset(numbers))
        same = run.violation is not None and self.best.violation is not None
        if same and run.violation.check == self.best.violation.check and len(run.faults) < len(self.best.faults):  # type: ignore[union-attr]  # mypy does not follow `same`
            self.best = run
            return True
        return False
