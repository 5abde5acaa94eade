"""Choose thresholds by an alert budget or by costs, on out-of-fold scores.

The share of attacks in the data is assumed to be that in production.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.artifacts import Thresholds

SUPPORT: Final = 20  # sessions above a threshold: with fewer its value is chance (20 are sure to about a quarter)
_SECONDS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_RATE: Final = r"([0-9]+(?:\.[0-9]+)?)/(s|min|h|d)"
_BUDGET: Final = re.compile(rf"{_RATE}@{_RATE}")

Scores = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class AlertBudget:
    """An upper bound on alerts per event."""

    text: str
    share: float  # alerts per event

    @classmethod
    def parse(cls, text: str) -> "AlertBudget":
        """Parse `50/h@1000/s`: at most 50 alerts an hour at 1,000 events a second. Raises ValueError, one line."""
        if not (match := _BUDGET.fullmatch(text.replace(" ", ""))):
            raise ValueError("expected the rates of alerts and of events, as in 50/h@1000/s (units: s, min, h, d)")
        alerts, alert_unit, events, event_unit = match.groups()
        alert_rate, event_rate = float(alerts) / _SECONDS[alert_unit], float(events) / _SECONDS[event_unit]
        if not 0 < alert_rate < event_rate:
            raise ValueError("expected more events than alerts, and more than 0 alerts")
        return cls(text, alert_rate / event_rate)


@dataclass(frozen=True)
class Costs:
    """The costs of a false alert and of a missed attack, in one unit."""

    false_alert: float
    missed: float


@dataclass(frozen=True)
class ThresholdChoice:
    """Thresholds, their origin for the manifest (empty for the defaults), and warnings."""

    thresholds: Thresholds
    origin: dict[str, Any]
    warnings: tuple[str, ...]


def choose_thresholds(
    label: Labels, scores: Scores, budget: AlertBudget | None, costs: Costs | None, honest_weight: float = 1.0
) -> ThresholdChoice:
    """Choose `high` by the budget and `label` by the costs, from (n,) labels and scores; without either, the default.

    An honest session stands for `honest_weight` sessions. With costs, `medium` equals `label`: a session called an
    attack is worth a look. `medium` is never above `high`.
    """
    default = Thresholds()
    high, label_1, medium = default.high, default.label, default.medium
    origin: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    if budget is not None:
        high, above = _by_budget(scores, budget.share, np.where(label == 1, 1.0, honest_weight))
        origin["alert_budget"] = {"asked": budget.text, "share": budget.share, "sessions_at_high": above}
        warnings += _support_warning(budget, high, above, len(scores))
    if costs is not None:
        label_1, cost = _by_cost(label, scores, costs, honest_weight)
        medium = label_1
        origin["costs"] = {"false_alert": costs.false_alert, "missed": costs.missed, "a_session": round(cost, 6)}
        warnings += _extreme_warning(label_1, scores)
    if origin:
        origin["sessions"] = len(scores)
    return ThresholdChoice(Thresholds(label=label_1, medium=min(medium, high), high=high), origin, warnings)


def _by_budget(scores: Scores, share: float, weights: Scores) -> tuple[float, int]:
    """Return the lowest score that at most `share` of the sessions reach, and the number of those."""
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    reached = np.cumsum(weights[order])
    allowed = share * reached[-1] + 1e-9  # 20 of 1,440,000, not 19.999…
    # equal scores are all in or all out: the first beyond the budget excludes those equal to it
    cut = descending[min(np.searchsorted(reached, allowed, side="right"), len(scores) - 1)]
    above = descending[descending > cut]
    return (float(above[-1]) if len(above) else _above(descending[0])), len(above)


def _support_warning(budget: AlertBudget, high: float, above: int, sessions: int) -> tuple[str, ...]:
    if above >= SUPPORT:
        return ()
    warning = (
        f"--alert-budget {budget.text} is one alert in {1 / budget.share:,.0f} sessions; of {sessions:,} scored, "
        f"{above} reach High at {high:.6g}, too few for a reliable threshold: {math.ceil(SUPPORT / budget.share):,} "
        "would do"
    )
    return (warning,)


def _by_cost(label: Labels, scores: Scores, costs: Costs, honest_weight: float) -> tuple[float, float]:
    """Return the threshold of least cost, the highest of equals, and the cost per session."""
    order = np.argsort(-scores, kind="stable")
    descending, attack = scores[order], label[order] == 1
    last = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))  # cuts: not between equal scores
    false = np.concatenate([[0], np.cumsum(~attack)[last]]) * honest_weight
    missed = attack.sum() - np.concatenate([[0], np.cumsum(attack)[last]])
    cost = costs.false_alert * false + costs.missed * missed
    best = int(cost.argmin())
    threshold = float(descending[last[best - 1]]) if best else _above(descending[0])
    return threshold, float(cost[best] / (attack.sum() + (~attack).sum() * honest_weight))


def _extreme_warning(threshold: float, scores: Scores) -> tuple[str, ...]:
    if threshold > scores.max():
        return (f"at these costs no session is called an attack: label 1 from {threshold:.6g}, which none reach",)
    if threshold <= scores.min():
        return (f"at these costs every session is called an attack: label 1 from {threshold:.6g}, which all reach",)
    return ()


def _above(score: float) -> float:
    return float(np.nextafter(score, 2.0))
