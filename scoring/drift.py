"""How far live events are from those of training: counts by bin, and the population stability index of each.

A distribution is the score or one of the sixteen fields. Its bins are those of the set's baseline, and one for gaps.
"""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.baseline import Baseline, Mix
from scoring.columns import Columns, Lookup
from scoring.contract import CATEGORIES, DATE, NUMERIC, UNKNOWN
from scoring.local_time import NO_HOUR

SCORE: Final = "anomaly_score"
DISTRIBUTIONS: Final = (SCORE, *NUMERIC, DATE, *CATEGORIES)
_HALF: Final = 0.5


class Bins:
    """All bins of a baseline in one row: distribution after distribution, the bin for gaps last in each."""

    def __init__(self, baseline: Baseline) -> None:
        spreads, mixes = [baseline.score, *baseline.numbers.values()], [*baseline.categories.values()]
        shares = [[*each.shares, each.gaps] for each in spreads]
        shares += [[*each.shares.values(), each.gaps] for each in mixes]
        self._bounds = list(pairwise(accumulate(map(len, shares), initial=0)))
        self._expected = [baseline.rows * np.array(each) for each in shares]
        firsts = [first for first, _ in self._bounds]
        # no value is above infinity, but NaN is sorted behind it: its place is that of the gaps
        self._edges = [np.array([*each.edges, np.inf]) for each in spreads]
        self._firsts = np.array(firsts[: len(spreads)])[:, None]
        self._lookups = [_lookup(each, first) for each, first in zip(mixes, firsts[len(spreads) :], strict=True)]
        self.gaps = {name: each.gaps for name, each in (baseline.numbers | baseline.categories).items()}
        """Field -> its share of gaps in training."""

    def __len__(self) -> int:
        return self._bounds[-1][1]

    def count(self, columns: Columns, scores: NDArray[np.float64], rows: slice) -> NDArray[np.int64]:
        """How many of these rows of n decoded events, and of their n scores, are in each bin: (bins,)."""
        hours = columns.hours[rows]
        known = np.where(hours == NO_HOUR, np.nan, hours)
        values = np.concatenate([scores[None, rows], columns.numbers[:, rows], known[None]])
        spread = np.array([np.searchsorted(edges, row) for edges, row in zip(self._edges, values, strict=True)])
        table, starts = columns.look_up(self._lookups)
        mixed = table[columns.codes[:, rows] + starts[:, None]]
        return np.bincount(np.concatenate([(spread + self._firsts).ravel(), mixed.ravel()]), minlength=len(self))

    def events(self, counts: NDArray[np.int64]) -> int:
        """How many events were counted."""
        return int(counts[: self._bounds[0][1]].sum())

    def drift(self, counts: NDArray[np.int64]) -> Iterator[tuple[str, float]]:
        """Each distribution, by its name, and the population stability index of these counts, (bins,)."""
        for name, (first, end), expected in zip(DISTRIBUTIONS, self._bounds, self._expected, strict=True):
            yield name, psi(expected, counts[first:end])


def psi(expected: NDArray[np.floating], actual: NDArray[np.integer] | NDArray[np.floating]) -> float:
    """Population stability index of two counts by bin, of m and n events: Σ (q - p) ln(q / p), p and q their shares.

    0 for equal shares; by convention up to 0.1 is stable and above 0.25 a shift (Siddiqi, Credit Risk Scorecards,
    Wiley 2006). Of events from one and the same distribution it is about (1/m + 1/n) χ² with bins - 1 degrees of
    freedom, so few events look like drift (Yurdakul and Naranjo, Statistical properties of the population stability
    index, Journal of Risk Model Validation 14(4), 2020): of 25 bins and 1,000 events, 0.024.
    Half an event more in each bin keeps it finite where one is empty.
    """
    p, q = _smoothed(expected), _smoothed(actual)
    return float(((q - p) * np.log(q / p)).sum())


def _smoothed(counts: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
    smoothed = counts.astype(np.float64) + _HALF
    return smoothed / float(smoothed.sum())


def _lookup(mix: Mix, first: int) -> Lookup:
    """Return the bin of each class, of all other strings, and of gaps."""
    bins = {name: first + place for place, name in enumerate(mix.shares)}
    return Lookup(bins, bins[UNKNOWN], first + len(bins))
