"""What is measured of a set's verdicts on labelled sessions: the one definition of each measure. Pure numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.rules import HIGH, LOW, MEDIUM
from training.evaluation.ranking import Floats, Labels, Ranking, of_order

KS: Final = (10, 50, 100, 500)
BINS: Final = 10  # of equal width, from 0 to 1: the reliability table's

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """n labelled sessions and what a set says of them."""

    label: Labels  # (n,), 0 or 1
    scores: Floats  # (n,)
    levels: NDArray[np.integer[Any]]  # (n,), place in reasons.LEVELS
    called: Flags  # (n,): label 1 by the set's threshold
    ranking: Ranking

    @classmethod
    def of(cls, label: Labels, scores: Floats, levels: NDArray[np.integer[Any]], called: Flags) -> "Judged":
        """Sorted once, for as many measurements as are wanted."""
        return cls(label, scores, levels, called.astype(np.bool_), Ranking.of(label, scores))


def measure(judged: Judged, weights: Floats | None = None) -> dict[str, float]:
    """What a manifest says: each measure that the sessions have, by name, the sessions counting `weights` or once.

    Weighted, `attacks` is among them: their share does not tell how many they are.
    Rounded to six digits: what stands in a manifest must not depend on the order in which a CPU adds.
    """
    found = {"sessions": float(len(judged.label)), "prevalence": float(np.average(judged.label, weights=weights))}
    if weights is not None:
        found["attacks"] = float(judged.label.sum())
    found |= measures(judged, weights)
    return {name: round(value, 6) for name, value in found.items() if np.isfinite(value)}


def attacks_behind(metrics: Mapping[str, float]) -> int:
    """Return how many attacks the figures of a manifest are of."""
    return round(metrics.get("attacks", metrics["sessions"] * metrics["prevalence"]))


def measures(judged: Judged, weights: Floats | None = None) -> dict[str, float]:
    """Every measure by name, the sessions counting `weights`, (n,), or once. NaN where one is not defined."""
    weight = np.ones(len(judged.label)) if weights is None else weights
    found = of_order(judged.ranking.curve(weight), KS)
    found |= at_threshold("", judged.called, judged.label, weight)
    found |= at_threshold("_medium", judged.levels >= MEDIUM, judged.label, weight)
    found |= at_threshold("_high", judged.levels >= HIGH, judged.label, weight)
    total = float(weight.sum())
    found |= {
        f"share_{name}": _ratio(float(weight[judged.levels == level].sum()), total)
        for name, level in (("low", LOW), ("medium", MEDIUM), ("high", HIGH))
    }
    return found | calibration(judged.label, judged.scores, weight)


def at_threshold(suffix: str, called: Flags, label: Labels, weight: Floats) -> dict[str, float]:
    """Precision, recall, F1 and false-positive rate of what reaches a threshold."""
    called_weight = weight[called]
    reached, hits = float(called_weight.sum()), float((called_weight * label[called]).sum())
    attacks = float((weight * label).sum())
    honest = float(weight.sum()) - attacks
    return {
        f"precision{suffix}": _ratio(hits, reached),
        f"recall{suffix}": _ratio(hits, attacks),
        f"f1{suffix}": _ratio(2 * hits, reached + attacks) if attacks else np.nan,
        f"false_positive_rate{suffix}": _ratio(reached - hits, honest),
    }


def calibration(label: Labels, scores: Floats, weight: Floats) -> dict[str, float]:
    """How far scores are from frequencies, were they read as probabilities; see `bins`.

    `brier`: the mean squared difference of score and label (Brier 1950). `calibration_error`: the mean absolute
    difference of mean score and share of attacks over the bins, weighted by their sessions (Naeini et al. 2015).
    """
    total = float(weight.sum())
    place = bins(scores)
    gap = np.bincount(place, weights=weight * (scores - label), minlength=BINS)
    return {
        "brier": _ratio(float((weight * (scores - label) ** 2).sum()), total),
        "calibration_error": _ratio(float(np.abs(gap).sum()), total),
    }


def bins(scores: Floats) -> NDArray[np.int64]:
    """(n,): the bin of each score; 1 belongs to the last."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def frequency(label: Labels, scores: Floats, weight: Floats) -> dict[str, float]:
    """What a bin is read by: its mean score, and the share of attacks among its sessions."""
    total = float(weight.sum())
    return {
        "mean_score": _ratio(float((weight * scores).sum()), total),
        "share_of_attacks": _ratio(float((weight * label).sum()), total),
    }


def bin_name(place: int) -> str:
    """`0.3-0.4`."""
    return f"{place / BINS:.1f}-{(place + 1) / BINS:.1f}"


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan
