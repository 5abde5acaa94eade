"""Thresholds from what alerts may cost, chosen on the scores of people whom the forest has not seen.

All of it takes the share of attacks in the data for the share in life.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.artifacts.manifest import Thresholds

SUPPORT: Final = 20  # sessions above a threshold: with fewer, where it lies is chance (20 are sure to about a quarter)
_SECONDS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_RATE: Final = r"([0-9]+(?:\.[0-9]+)?)/(s|min|h|d)"
_BUDGET: Final = re.compile(rf"{_RATE}@{_RATE}")

Scores = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Budget:
    """How many alerts there may be among how many events."""

    text: str
    share: float  # alerts an event

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """`50/h@1000/s`: at most 50 alerts an hour at 1,000 events a second. Raises ValueError, one line."""
        if not (found := _BUDGET.fullmatch(text.replace(" ", ""))):
            raise ValueError("expected alerts and events, each with its time, as in 50/h@1000/s (units: s, min, h, d)")
        alerts, a, events, e = found.groups()
        allowed, coming = float(alerts) / _SECONDS[a], float(events) / _SECONDS[e]
        if not 0 < allowed < coming:
            raise ValueError("expected more events than alerts, and at least some of both")
        return cls(text, allowed / coming)


@dataclass(frozen=True)
class Costs:
    """What a false alert and an attack that was missed cost, in any one unit."""

    false_alert: float
    missed: float


@dataclass(frozen=True)
class Choice:
    """Thresholds, how they came about (nothing: they are the defaults), and what to be warned of."""

    thresholds: Thresholds
    how: dict[str, Any]
    warnings: tuple[str, ...]


def choose(
    label: Labels, scores: Scores, budget: Budget | None, costs: Costs | None, honest_weight: float = 1.0
) -> Choice:
    """`high` by the budget, `label` by the costs, from (n,) labels and scores; the defaults where neither is given.

    Each honest session stands for `honest_weight` of its like.

    With costs, `medium` is `label`: what is called an attack is worth a look. It is never above `high`.
    """
    default = Thresholds()
    high, label_1, medium = default.high, default.label, default.medium
    how: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    if budget is not None:
        high, reached = _by_budget(scores, budget.share, np.where(label == 1, 1.0, honest_weight))
        how["alert_budget"] = {"asked": budget.text, "share": budget.share, "sessions_at_high": reached}
        warnings += _support(budget, high, reached, len(scores))
    if costs is not None:
        label_1, cost = _by_cost(label, scores, costs, honest_weight)
        medium = label_1
        how["costs"] = {"false_alert": costs.false_alert, "missed": costs.missed, "a_session": round(cost, 6)}
        warnings += _extremes(label_1, scores)
    if how:
        how["sessions"] = len(scores)
    return Choice(Thresholds(label=label_1, medium=min(medium, high), high=high), how, warnings)


def _by_budget(scores: Scores, share: float, weights: Scores) -> tuple[float, int]:
    """The least score that at most `share` of all reach, and how many reach it."""
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    reached = np.cumsum(weights[order])
    allowed = share * reached[-1] + 1e-9  # 20 of 1,440,000, not 19.999…
    # of equal scores all count or none: the first beyond the budget shuts out its like
    at = descending[min(np.searchsorted(reached, allowed, side="right"), len(scores) - 1)]
    above = descending[descending > at]
    return (float(above[-1]) if len(above) else _above(descending[0])), len(above)


def _support(budget: Budget, high: float, reached: int, sessions: int) -> tuple[str, ...]:
    if reached >= SUPPORT:
        return ()
    said = (
        f"--alert-budget {budget.text} is one alert in {1 / budget.share:,.0f} sessions; of {sessions:,} judged, "
        f"{reached} reach High at {high:.6g}, too few to be sure of it: {math.ceil(SUPPORT / budget.share):,} would do"
    )
    return (said,)


def _by_cost(label: Labels, scores: Scores, costs: Costs, honest_weight: float) -> tuple[float, float]:
    """The score from which calling an attack costs least, and the cost of a session then. Of equals the highest."""
    order = np.argsort(-scores, kind="stable")
    descending, attack = scores[order], label[order] == 1
    last = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))  # where one may cut: not among equals
    false = np.concatenate([[0], np.cumsum(~attack)[last]]) * honest_weight
    missed = attack.sum() - np.concatenate([[0], np.cumsum(attack)[last]])
    cost = costs.false_alert * false + costs.missed * missed
    best = int(cost.argmin())
    threshold = float(descending[last[best - 1]]) if best else _above(descending[0])
    return threshold, float(cost[best] / (attack.sum() + (~attack).sum() * honest_weight))


def _extremes(threshold: float, scores: Scores) -> tuple[str, ...]:
    if threshold > scores.max():
        return (
            f"at these costs no session is worth calling an attack: label 1 from {threshold:.6g}, which none reach",
        )
    if threshold <= scores.min():
        return (f"at these costs every session is called an attack: label 1 from {threshold:.6g}, which all reach",)
    return ()


def _above(score: float) -> float:
    return float(np.nextafter(score, 2.0))
