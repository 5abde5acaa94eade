"""Estimate measures with confidence intervals: a bootstrap over users, as sessions of a user are alike (Efron 1979)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.evaluation.ranking import Floats
from training.fitting import Track, no_progress

RESAMPLES: Final = 1_000
PERCENT: Final = (2.5, 97.5)
DEFINED: Final = 0.95  # an interval needs the measure to be defined in this share of the resamples

Key = tuple[str, str]
"""Subject and measure."""
Compute = Callable[[Floats], dict[Key, float]]
"""Computes measures from the weights of all sessions of the file; always the same keys in the same order."""


@dataclass(frozen=True)
class MeasureSet:
    """Measures of the same sessions."""

    section: str
    n: int  # sessions
    compute: Compute
    attacks: int = 0  # of these, where known


@dataclass(frozen=True)
class Estimate:
    """A measure of `n` sessions with its 95 % interval; NaN for none.

    `attacks`: the number of attacks among these, where known; results.csv has it in rows of its own.
    """

    section: str
    subject: str
    measure: str
    value: float
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    attacks: int = 0


def estimate(
    sets: Sequence[MeasureSet],
    groups: NDArray[np.int64],
    seed: int,
    *,
    resamples: int = RESAMPLES,
    track: Track = no_progress,
) -> list[Estimate]:
    """Estimate every defined measure with its percentile interval. `groups`, (n,): the user of each session.

    All sets see the same resamples, so that a difference of two measures has the interval of paired samples.
    """
    rng = np.random.default_rng(seed)
    users = int(groups.max()) + 1
    ones = np.ones(len(groups))
    values = [(measures, key, value) for measures in sets for key, value in measures.compute(ones).items()]
    drawn = np.empty((resamples, len(values)))
    for i in track(range(resamples), "resampling users"):
        weights = np.bincount(rng.integers(users, size=users), minlength=users).astype(np.float64)[groups]
        drawn[i] = [value for measures in sets for value in measures.compute(weights).values()]
    return [
        Estimate(measures.section, *key, value, *_interval(column), measures.n, measures.attacks)
        for (measures, key, value), column in zip(values, drawn.T, strict=True)
        if np.isfinite(value)
    ]


def _interval(drawn: Floats) -> tuple[float, float]:
    defined = drawn[np.isfinite(drawn)]
    if not len(drawn) or len(defined) < DEFINED * len(drawn):
        return np.nan, np.nan
    if defined.min() == defined.max():
        return np.nan, np.nan  # a recall of 0 or 1: that resamples agree is no certainty
    low, high = np.percentile(defined, PERCENT)
    return float(low), float(high)
