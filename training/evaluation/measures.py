"""Compute the measures of a set's verdicts on labelled sessions."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.rules import HIGH, LOW, MEDIUM
from training.evaluation.ranking import Flags, Floats, Labels, ranking_measures
from training.evaluation.scored_sessions import ScoredSessions

KS: Final = (10, 50, 100, 500)
BINS: Final = 10  # of equal width, from 0 to 1, in the reliability table


def manifest_metrics(scored: ScoredSessions, weights: Floats | None = None) -> dict[str, float]:
    """Return every defined measure by name, the sessions counting `weights` or once.

    Weighted, `attacks` is among them: their share does not tell their number.
    Rounded to six digits: a manifest must not depend on the order in which a CPU adds.
    """
    metrics = {"sessions": float(len(scored.label)), "prevalence": float(np.average(scored.label, weights=weights))}
    if weights is not None:
        metrics["attacks"] = float(scored.label.sum())
    metrics |= all_measures(scored, weights)
    return {name: round(value, 6) for name, value in metrics.items() if np.isfinite(value)}


def attack_count(metrics: Mapping[str, float]) -> int:
    """Return the number of attacks behind a manifest's metrics."""
    return round(metrics.get("attacks", metrics["sessions"] * metrics["prevalence"]))


def all_measures(scored: ScoredSessions, weights: Floats | None = None) -> dict[str, float]:
    """Return every measure by name, the sessions counting `weights`, (n,), or once; NaN where undefined."""
    weight = np.ones(len(scored.label)) if weights is None else weights
    measures = ranking_measures(scored.ranking.curve(weight), KS)
    measures |= threshold_measures("", scored.predicted, scored.label, weight)
    measures |= threshold_measures("_medium", scored.levels >= MEDIUM, scored.label, weight)
    measures |= threshold_measures("_high", scored.levels >= HIGH, scored.label, weight)
    total = float(weight.sum())
    measures |= {
        f"share_{name}": _ratio(float(weight[scored.levels == level].sum()), total)
        for name, level in (("low", LOW), ("medium", MEDIUM), ("high", HIGH))
    }
    return measures | calibration(scored.label, scored.scores, weight)


def threshold_measures(suffix: str, reached: Flags, label: Labels, weight: Floats) -> dict[str, float]:
    """Return precision, recall, F1 and false-positive rate of the sessions that reach a threshold."""
    reached_weight = weight[reached]
    alerts, hits = float(reached_weight.sum()), float((reached_weight * label[reached]).sum())
    attacks = float((weight * label).sum())
    honest = float(weight.sum()) - attacks
    return {
        f"precision{suffix}": _ratio(hits, alerts),
        f"recall{suffix}": _ratio(hits, attacks),
        f"f1{suffix}": _ratio(2 * hits, alerts + attacks) if attacks else np.nan,
        f"false_positive_rate{suffix}": _ratio(alerts - hits, honest),
    }


def calibration(label: Labels, scores: Floats, weight: Floats) -> dict[str, float]:
    """Return the distance of scores from frequencies, were scores probabilities; see `bin_of`.

    `brier`: the mean squared difference of score and label (Brier 1950). `calibration_error`: the mean absolute
    difference of mean score and share of attacks over the bins, weighted by their sessions (Naeini et al. 2015).
    """
    total = float(weight.sum())
    gap = np.bincount(bin_of(scores), weights=weight * (scores - label), minlength=BINS)
    return {
        "brier": _ratio(float((weight * (scores - label) ** 2).sum()), total),
        "calibration_error": _ratio(float(np.abs(gap).sum()), total),
    }


def bin_of(scores: Floats) -> NDArray[np.int64]:
    """Return the bin of each score, (n,); a score of 1 is in the last."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def bin_measures(label: Labels, scores: Floats, weight: Floats) -> dict[str, float]:
    """Return the mean score of a bin and the share of attacks among its sessions."""
    total = float(weight.sum())
    return {
        "mean_score": _ratio(float((weight * scores).sum()), total),
        "share_of_attacks": _ratio(float((weight * label).sum()), total),
    }


def bin_name(index: int) -> str:
    """Return `0.3-0.4` for bin 3."""
    return f"{index / BINS:.1f}-{(index + 1) / BINS:.1f}"


def _ratio(part: float, total: float) -> float:
    return float(part / total) if total else np.nan
