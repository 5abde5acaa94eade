"""Measure how far live events are from those of training: counts by bin, and the population stability index of each.

The manifest of a set carries the baseline: the distributions of the score and of the sixteen model fields in training.
A distribution covers all rows, gaps included: its shares and its gaps add up to 1.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from scoring.columns import Columns, Lookup
from scoring.contract import CATEGORIES, DATE, NUMERIC, UNKNOWN
from scoring.errors import ArtifactError
from scoring.local_time import NO_HOUR

SCORE: Final = "anomaly_score"
DISTRIBUTIONS: Final = (SCORE, *NUMERIC, DATE, *CATEGORIES)
SCORE_EDGES: Final = tuple(round(i / 20, 2) for i in range(1, 20))
"""The same for every set, so that sets can be compared; those of the metric session_scorer_anomaly_score."""
HOUR_EDGES: Final = tuple(range(23))
_TENTHS: Final = np.arange(1, 10) / 10
_ROUNDING: Final = 0.01  # how far from 1 the sum of some thousand shares of six digits may be
_HALF: Final = 0.5

Share = Annotated[float, Meta(ge=0, le=1)]


class Histogram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of numbers by bin. Bin i holds edges[i - 1] < value <= edges[i]; the first and the last are unbounded."""

    edges: list[float]
    shares: list[Share]  # one more than edges
    gaps: Share


class ClassShares(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of a category's classes. `unknown` includes the strings that the encoder has never seen."""

    shares: dict[str, Share]
    gaps: Share


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The distributions of the score and of the sixteen model fields in training."""

    rows: Annotated[int, Meta(ge=1)]
    score: Histogram
    numbers: dict[str, Histogram]  # transaction_date by its hour as written
    categories: dict[str, ClassShares]


def compute_baseline(columns: Columns, scores: NDArray[np.float64], classes: Mapping[str, Sequence[str]]) -> Baseline:
    """Return the baseline of n >= 1 decoded events, with the encoders' classes by category.

    `scores`, (m,), belong to these events or some of them. New events score like events that the forest has not seen,
    so pass scores of left-out rows where there are any.
    Edges of fields are tenths of the values, so a bin holds about a tenth unless values repeat. Edges have six
    significant digits and shares six decimals: the same rows give the same text on every machine.
    """
    hours = np.where(columns.hours == NO_HOUR, np.nan, columns.hours)
    numbers = {name: _histogram(row, _tenths(row)) for name, row in zip(NUMERIC, columns.numbers, strict=True)}
    return Baseline(
        rows=len(hours),
        score=_histogram(scores, SCORE_EDGES),
        numbers=numbers | {DATE: _histogram(hours, HOUR_EDGES)},
        categories={
            name: _class_shares(columns.category_counts(field), classes[name]) for field, name in enumerate(CATEGORIES)
        },
    )


def _tenths(values: NDArray[np.float64]) -> list[float]:
    known = values[~np.isnan(values)]
    tenths = np.quantile(known, _TENTHS, method="inverted_cdf") if len(known) else np.empty(0)
    return sorted({float(f"{edge:.6g}") + 0.0 for edge in tenths.tolist()})


def _histogram(values: NDArray[np.float64], edges: Sequence[float]) -> Histogram:
    known = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    shares = [round(count / len(values), 6) for count in counts.tolist()]
    return Histogram(list(map(float, edges)), shares, round(1 - len(known) / len(values), 6))


def _class_shares(counts: Counter[str | None], classes: Sequence[str]) -> ClassShares:
    rows = counts.total()
    gaps = counts.pop(None, 0)
    seen = {name: counts.pop(name, 0) for name in sorted(classes)}
    seen[UNKNOWN] += counts.total()
    return ClassShares({name: round(count / rows, 6) for name, count in seen.items()}, round(gaps / rows, 6))


def check_baseline(baseline: Baseline) -> None:
    """Raise ArtifactError, naming the distribution, unless drift can be measured against every one."""
    if tuple(baseline.numbers) != (*NUMERIC, DATE) or tuple(baseline.categories) != CATEGORIES:
        raise ArtifactError("baseline: its fields are not those of a session event; train the set again")
    histograms = {"score": baseline.score} | baseline.numbers
    bad = [name for name, histogram in histograms.items() if not _is_sound(histogram)]
    bad += [name for name, classes in baseline.categories.items() if not _is_complete(classes)]
    if bad:
        raise ArtifactError(f"baseline: the distribution of {bad[0]} is none; train the set again")


def _is_sound(histogram: Histogram) -> bool:
    edges, shares = histogram.edges, histogram.shares
    ascending = all(a < b for a, b in pairwise(edges))
    return len(shares) == len(edges) + 1 and ascending and _add_up([*shares, histogram.gaps])


def _is_complete(classes: ClassShares) -> bool:
    return UNKNOWN in classes.shares and _add_up([*classes.shares.values(), classes.gaps])


def _add_up(shares: Sequence[float]) -> bool:
    return math.isclose(sum(shares), 1, abs_tol=_ROUNDING)


class Bins:
    """All bins of a baseline in one row: distribution after distribution, the bin for gaps last in every one."""

    def __init__(self, baseline: Baseline) -> None:
        histograms, categories = [baseline.score, *baseline.numbers.values()], [*baseline.categories.values()]
        shares = [[*histogram.shares, histogram.gaps] for histogram in histograms]
        shares += [[*classes.shares.values(), classes.gaps] for classes in categories]
        self._bounds = list(pairwise(accumulate(map(len, shares), initial=0)))
        self._expected = [baseline.rows * np.array(distribution) for distribution in shares]
        starts = [start for start, _ in self._bounds]
        # no value is above infinity, but NaN sorts behind it: it falls into the bin of the gaps
        self._edges = [np.array([*histogram.edges, np.inf]) for histogram in histograms]
        self._starts = np.array(starts[: len(histograms)])[:, None]
        self._lookups = [
            _lookup(classes, start) for classes, start in zip(categories, starts[len(histograms) :], strict=True)
        ]
        fields = baseline.numbers | baseline.categories
        self.gaps = {name: distribution.gaps for name, distribution in fields.items()}
        """Field -> its share of gaps in training."""

    def __len__(self) -> int:
        return self._bounds[-1][1]

    def count(self, columns: Columns, scores: NDArray[np.float64], rows: slice) -> NDArray[np.int64]:
        """Count these rows of n decoded events, and of their n scores, by bin: (bins,)."""
        hours = columns.hours[rows]
        known = np.where(hours == NO_HOUR, np.nan, hours)
        values = np.concatenate([scores[None, rows], columns.numbers[:, rows], known[None]])
        number_bins = np.array([np.searchsorted(edges, row) for edges, row in zip(self._edges, values, strict=True)])
        table, starts = columns.look_up(self._lookups)
        class_bins = table[columns.codes[:, rows] + starts[:, None]]
        bins = np.concatenate([(number_bins + self._starts).ravel(), class_bins.ravel()])
        return np.bincount(bins, minlength=len(self))

    def count_events(self, counts: NDArray[np.int64]) -> int:
        """Return how many events `counts`, (bins,), stand for."""
        return int(counts[: self._bounds[0][1]].sum())

    def measure_drift(self, counts: NDArray[np.int64]) -> Iterator[tuple[str, float]]:
        """Yield the name and the population stability index of every distribution, by these counts, (bins,)."""
        for name, (start, end), expected in zip(DISTRIBUTIONS, self._bounds, self._expected, strict=True):
            yield name, psi(expected, counts[start:end])


def psi(expected: NDArray[np.floating], actual: NDArray[np.integer] | NDArray[np.floating]) -> float:
    """Return the population stability index of two counts by bin: Σ (q - p) ln(q / p), p and q their shares.

    0 for equal shares; by convention up to 0.1 is stable and above 0.25 a shift (Siddiqi, Credit Risk Scorecards,
    Wiley 2006). For m and n events of one distribution it is about (1/m + 1/n) χ² with bins - 1 degrees of freedom, so
    few events look like drift (Yurdakul and Naranjo, Statistical properties of the population stability index, Journal
    of Risk Model Validation 14(4), 2020): of 25 bins and 1,000 events, 0.024.
    Half an event is added to every bin, which keeps the index finite where one is empty.
    """
    p, q = _smoothed(expected), _smoothed(actual)
    return float(((q - p) * np.log(q / p)).sum())


def _smoothed(counts: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
    smoothed = counts.astype(np.float64) + _HALF
    return smoothed / float(smoothed.sum())


def _lookup(classes: ClassShares, start: int) -> Lookup:
    """Return the bin of every class, of all other strings, and of gaps."""
    bins = {name: start + i for i, name in enumerate(classes.shares)}
    return Lookup(bins, bins[UNKNOWN], start + len(bins))
