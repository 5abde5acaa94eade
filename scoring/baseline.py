"""What scores and inputs looked like in training: the distributions that drift is measured against.

A set's manifest carries them. Every distribution is of all rows, gaps included: its shares and its gaps make 1.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from scoring.columns import Columns
from scoring.contract import CATEGORIES, DATE, NUMERIC, UNKNOWN
from scoring.errors import ArtifactError
from scoring.local_time import NO_HOUR

SCORE_EDGES: Final = tuple(round(i / 20, 2) for i in range(1, 20))
"""The same for every set, so that sets can be compared; those of the metric session_scorer_anomaly_score."""
HOUR_EDGES: Final = tuple(range(23))
_TENTHS: Final = np.arange(1, 10) / 10
_ROUNDING: Final = 0.01  # how far from 1 the sum of some thousand shares of six digits may be

Share = Annotated[float, Meta(ge=0, le=1)]


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How numbers are spread. Bin i holds edges[i - 1] < value <= edges[i]; the first and the last have no bound."""

    edges: list[float]
    shares: list[Share]  # one more than edges
    gaps: Share


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often each class of a category comes. `unknown` counts whatever the encoder has never seen, too."""

    shares: dict[str, Share]
    gaps: Share


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The score, and each of the sixteen fields that the model reads."""

    rows: Annotated[int, Meta(ge=1)]
    score: Spread
    numbers: dict[str, Spread]  # transaction_date by its hour as written
    categories: dict[str, Mix]


def baseline(columns: Columns, scores: NDArray[np.float64], classes: Mapping[str, Sequence[str]]) -> Baseline:
    """Of n decoded events, n at least 1, and the encoders' classes by category.

    `scores`, (m,), are of these events or some of them; new events score like those of a forest that had not seen
    the event, so take scores of left-out rows where there are any.
    Edges of fields are tenths of the values there are, so a bin holds about a tenth unless values repeat. Edges have
    six significant digits and shares six decimals: the same rows give the same text wherever they are counted.
    """
    hours = np.where(columns.hours == NO_HOUR, np.nan, columns.hours)
    numbers = {name: _spread(row, _tenths(row)) for name, row in zip(NUMERIC, columns.numbers, strict=True)}
    return Baseline(
        rows=len(hours),
        score=_spread(scores, SCORE_EDGES),
        numbers=numbers | {DATE: _spread(hours, HOUR_EDGES)},
        categories={name: _mix(columns.category_counts(field), classes[name]) for field, name in enumerate(CATEGORIES)},
    )


def _tenths(values: NDArray[np.float64]) -> list[float]:
    known = values[~np.isnan(values)]
    tenths = np.quantile(known, _TENTHS, method="inverted_cdf") if len(known) else np.empty(0)
    return sorted({float(f"{edge:.6g}") + 0.0 for edge in tenths.tolist()})


def _spread(values: NDArray[np.float64], edges: Sequence[float]) -> Spread:
    known = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    shares = [round(count / len(values), 6) for count in counts.tolist()]
    return Spread(list(map(float, edges)), shares, round(1 - len(known) / len(values), 6))


def _mix(counts: Counter[str | None], classes: Sequence[str]) -> Mix:
    rows = counts.total()
    gaps = counts.pop(None, 0)
    seen = {name: counts.pop(name, 0) for name in sorted(classes)}
    seen[UNKNOWN] += counts.total()
    return Mix({name: round(count / rows, 6) for name, count in seen.items()}, round(gaps / rows, 6))


def check(found: Baseline) -> None:
    """Raise ArtifactError, naming the distribution, unless each can be measured against."""
    if tuple(found.numbers) != (*NUMERIC, DATE) or tuple(found.categories) != CATEGORIES:
        raise ArtifactError("baseline: its fields are not those of a session event; train the set again")
    spreads = {"score": found.score} | found.numbers
    bad = [name for name, spread in spreads.items() if not _is_sound(spread)]
    bad += [name for name, mix in found.categories.items() if not _has_all(mix)]
    if bad:
        raise ArtifactError(f"baseline: the distribution of {bad[0]} is none; train the set again")


def _is_sound(spread: Spread) -> bool:
    ascending = all(a < b for a, b in pairwise(spread.edges))
    return len(spread.shares) == len(spread.edges) + 1 and ascending and _is_whole([*spread.shares, spread.gaps])


def _has_all(mix: Mix) -> bool:
    return UNKNOWN in mix.shares and _is_whole([*mix.shares.values(), mix.gaps])


def _is_whole(shares: Sequence[float]) -> bool:
    return math.isclose(sum(shares), 1, abs_tol=_ROUNDING)
