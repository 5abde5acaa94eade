"""How sure a measure is: whole users drawn again with replacement (Efron 1979), for a user's sessions are alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.evaluation.ranking import Floats
from training.fitting import Track, unseen

RESAMPLES: Final = 1_000
PERCENT: Final = (2.5, 97.5)
DEFINED: Final = 0.95  # an interval needs the measure to be defined in this share of the resamples

Key = tuple[str, str]
"""Subject and measure."""
Measured = Callable[[Floats], dict[Key, float]]
"""The weights of all sessions of the file -> measures; the same ones, in the same order, for whatever weights."""


@dataclass(frozen=True)
class Part:
    """Measures that are taken of the same sessions."""

    section: str
    n: int  # sessions
    of: Measured
    attacks: int = 0  # of these, where they are told apart


@dataclass(frozen=True)
class Row:
    """One figure, and the 95 % interval that holds it; NaN where there is none. `n`: of how many sessions.

    `attacks`: how many of these are attacks, where that is told apart; results.csv has it in rows of its own.
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
    parts: Sequence[Part],
    groups: NDArray[np.int64],
    seed: int,
    *,
    resamples: int = RESAMPLES,
    track: Track = unseen,
) -> list[Row]:
    """Every defined measure of every part with its percentile interval. `groups`, (n,): the user of each session.

    All parts see the same resamples, so that a difference of two measures has the interval of paired samples.
    """
    rng = np.random.default_rng(seed)
    users = int(groups.max()) + 1
    ones = np.ones(len(groups))
    named = [(part, key, value) for part in parts for key, value in part.of(ones).items()]
    drawn = np.empty((resamples, len(named)))
    for i in track(range(resamples), "drawing users again"):
        weights = np.bincount(rng.integers(users, size=users), minlength=users).astype(np.float64)[groups]
        drawn[i] = [value for part in parts for value in part.of(weights).values()]
    return [
        Row(part.section, *key, value, *_interval(column), part.n, part.attacks)
        for (part, key, value), column in zip(named, drawn.T, strict=True)
        if np.isfinite(value)
    ]


def _interval(drawn: Floats) -> tuple[float, float]:
    defined = drawn[np.isfinite(drawn)]
    if not len(drawn) or len(defined) < DEFINED * len(drawn):
        return np.nan, np.nan
    if defined.min() == defined.max():
        return np.nan, np.nan  # nothing found, or all: that drawing the same users again agrees says nothing
    low, high = np.percentile(defined, PERCENT)
    return float(low), float(high)
