"""Measures equal scikit-learn's, with and without weights; others are checked by hand."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from training.evaluation.measures import BINS, all_measures, bin_measures, bin_name, bin_of, manifest_metrics
from training.evaluation.ranking import Ranking
from training.evaluation.scored_sessions import ScoredSessions

Judgement = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]

# few scores that differ, so that many are equal; weights as a bootstrap draws them, 0 among them
_sessions = st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 1.0]), st.integers(0, 4))


@st.composite
def judgements(draw: st.DrawFn) -> Judgement:
    """Labels, scores and weights, both classes among those that count."""
    rows = draw(st.lists(_sessions, min_size=2, max_size=60))
    label, scores, weight = (np.array(column) for column in zip(*[*rows, (0, 0.3, 1), (1, 0.3, 1)], strict=True))
    return label, scores.astype(np.float64), weight.astype(np.float64)


def judged(label: NDArray[np.int64], scores: NDArray[np.float64]) -> ScoredSessions:
    levels = (scores >= 0.45).astype(np.int64) + (scores >= 0.75)
    return ScoredSessions.of(label, scores, levels, scores >= 0.5)


@given(judgements())
def test_measures_of_an_order_are_scikit_learns(given_: Judgement) -> None:
    label, scores, weight = given_
    curve = Ranking.of(label, scores).curve(weight)
    expected = metrics.average_precision_score(label, scores, sample_weight=weight)
    assert curve.average_precision() == pytest.approx(expected, abs=1e-12)
    assert curve.roc_auc() == pytest.approx(metrics.roc_auc_score(label, scores, sample_weight=weight), abs=1e-12)


@given(judgements())
def test_measures_at_thresholds_are_scikit_learns(given_: Judgement) -> None:
    label, scores, weight = given_
    found = all_measures(judged(label, scores), weight)
    for suffix, threshold in (("", 0.5), ("_medium", 0.45), ("_high", 0.75)):
        called = scores >= threshold
        expected = metrics.precision_recall_fscore_support(
            label, called, sample_weight=weight, average="binary", zero_division=np.nan
        )
        if weight[called].sum() > 0:
            assert found[f"precision{suffix}"] == pytest.approx(expected[0])
        else:
            assert math.isnan(found[f"precision{suffix}"])
        assert found[f"recall{suffix}"] == pytest.approx(expected[1])
        assert found[f"f1{suffix}"] == pytest.approx(expected[2])
        honest = label == 0
        assert found[f"false_positive_rate{suffix}"] == pytest.approx(
            np.average(called[honest], weights=weight[honest])
        )


@given(judgements())
def test_the_brier_score_is_scikit_learns(given_: Judgement) -> None:
    label, scores, weight = given_
    expected = metrics.brier_score_loss(label, scores, sample_weight=weight)
    assert all_measures(judged(label, scores), weight)["brier"] == pytest.approx(expected)


@given(judgements())
def test_a_weight_of_two_is_the_session_twice(given_: Judgement) -> None:
    label, scores, weight = given_
    times = weight.astype(int)
    found = all_measures(judged(label, scores), weight)
    assert found == pytest.approx(all_measures(judged(np.repeat(label, times), np.repeat(scores, times))), nan_ok=True)


@given(judgements())
def test_levels_are_shared_out_wholly(given_: Judgement) -> None:
    label, scores, weight = given_
    found = all_measures(judged(label, scores), weight)
    assert sum(found[f"share_{level}"] for level in ("low", "medium", "high")) == pytest.approx(1.0)


def test_precision_at_k_counts_ties_in_part() -> None:
    label, scores = np.array([1, 0, 1, 1, 0, 0]), np.array([0.9, 0.8, 0.5, 0.5, 0.5, 0.1])
    curve = Ranking.of(label, scores).curve()
    assert curve.precision_at(1) == 1
    assert curve.precision_at(2) == 1 / 2
    assert curve.precision_at(3) == pytest.approx((1 + 2 / 3) / 3)  # one of three equals, two of them attacks
    assert curve.precision_at(5) == 3 / 5
    assert curve.precision_at_attacks() == curve.precision_at(3)
    assert math.isnan(curve.precision_at(7))


def test_calibration_by_hand() -> None:
    label = np.array([0, 0, 1, 1])
    scores = np.array([0.12, 0.18, 0.15, 1.0])  # three of bin 1, of which one is an attack; the last bin holds 1.0
    assert [bin_name(index) for index in bin_of(scores)] == ["0.1-0.2"] * 3 + ["0.9-1.0"]
    found = bin_measures(label[:3], scores[:3], np.array([1.0, 1.0, 2.0]))
    assert found == pytest.approx({"mean_score": 0.15, "share_of_attacks": 1 / 2})
    assert all_measures(judged(label, scores))["calibration_error"] == pytest.approx(3 / 4 * abs(0.15 - 1 / 3))
    assert BINS == 10


@pytest.mark.parametrize("only", [0, 1])
def test_metrics_of_both_classes_need_both(only: int) -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of_manifest = manifest_metrics(
            ScoredSessions.of(np.full(50, only), scores, np.zeros(50, dtype=int), scores > 0.5)
        )
    assert "roc_auc" not in of_manifest
    assert ("average_precision" in of_manifest) == ("recall" in of_manifest) == ("f1" in of_manifest) == (only == 1)
    assert ("false_positive_rate" in of_manifest) == (only == 0)
    assert of_manifest["sessions"] == 50
    assert {"brier", "share_low"} <= set(of_manifest)


def test_manifest_metrics_have_six_digits() -> None:
    label, scores = np.array([0, 1, 0, 1, 0, 0, 1]), np.array([0.1, 0.9, 0.5, 0.3, 0.2, 0.46, 0.8])
    levels = (scores >= 0.45).astype(int) + (scores >= 0.75)
    found = manifest_metrics(ScoredSessions.of(label, scores, levels, scores >= 0.5))
    names = ("sessions", "prevalence", "average_precision", "roc_auc", "precision", "recall")
    assert [found[name] for name in names] == [7, 0.428571, 0.866667, 0.833333, 0.666667, 0.666667]
    assert (found["share_medium"], found["share_high"]) == (0.285714, 0.285714)
    assert all(round(value, 6) == value for value in found.values())
