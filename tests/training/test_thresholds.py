"""Thresholds from an alert budget and from costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.artifacts import Thresholds, check_thresholds
from training.thresholds import AlertBudget, Costs, choose_thresholds

# few values, so that scores tie
SCORES = st.integers(1, 60).flatmap(lambda n: arrays(np.float64, n, elements=st.integers(0, 20).map(lambda k: k / 20)))


def labels_for(scores: np.ndarray, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(len(scores)) < scores).astype(np.int64)


def test_defaults_stay_without_budget_and_costs() -> None:
    choice = choose_thresholds(np.array([0, 1]), np.array([0.1, 0.9]), None, None)
    assert choice.thresholds == Thresholds(label=0.5, medium=0.45, high=0.75)
    assert (choice.origin, choice.warnings) == ({}, ())


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("50/h@1000/s", 50 / 3_600_000),
        ("1/min@100/min", 0.01),
        ("2.5/d@1/h", 2.5 / 24),
        ("50 / h @ 1000 / s", 50 / 3_600_000),
    ],
)
def test_a_budget_is_parsed(text: str, share: float) -> None:
    assert AlertBudget.parse(text).share == pytest.approx(share)


@pytest.mark.parametrize(
    "text", ["", "50", "50/h", "50@1000", "50/h@1000/week", "-1/h@5/s", "0/h@5/s", "5/s@1/h", "a/h@b/s"]
)
def test_an_invalid_budget_names_the_expected_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected [^\n]*$"):
        AlertBudget.parse(text)


@given(SCORES, st.floats(0.001, 0.999))
def test_high_is_the_lowest_score_within_budget(scores: np.ndarray, share: float) -> None:
    high = choose_thresholds(labels_for(scores), scores, AlertBudget("asked", share), None).thresholds.high
    assert (scores >= high).sum() <= share * len(scores) + 1e-9
    lower = scores[scores < high]
    assert (scores >= lower.max()).sum() > share * len(scores)


def test_twenty_sessions_above_support_a_budget() -> None:
    scores = np.linspace(0, 1, 1_440_000)
    choice = choose_thresholds(labels_for(scores), scores, AlertBudget.parse("50/h@1000/s"), None)
    assert (scores >= choice.thresholds.high).sum() == 20
    assert choice.warnings == ()
    assert choice.origin["alert_budget"]["sessions_at_high"] == 20


def test_weak_support_reports_the_sessions_needed() -> None:
    scores = np.linspace(0, 0.9, 30_000)
    choice = choose_thresholds(labels_for(scores), scores, AlertBudget.parse("50/h@1000/s"), None)
    assert choice.thresholds.high > 0.9
    (warning,) = choice.warnings
    assert "\n" not in warning
    assert "one alert in 72,000 sessions" in warning
    assert "1,440,000 would do" in warning


@given(SCORES, st.floats(0.01, 100), st.floats(0.01, 100), st.integers(0, 5))
def test_no_other_threshold_costs_less(scores: np.ndarray, false_alert: float, missed: float, seed: int) -> None:
    label = labels_for(scores, seed)

    def cost(threshold: float) -> float:
        called = scores >= threshold
        return float(false_alert * (called & (label == 0)).sum() + missed * (~called & (label == 1)).sum())

    chosen = choose_thresholds(label, scores, None, Costs(false_alert, missed))
    least = min(cost(threshold) for threshold in [*scores, 2.0])
    assert cost(chosen.thresholds.label) == pytest.approx(least)
    assert chosen.origin["costs"]["a_session"] == pytest.approx(least / len(scores), abs=1e-6)


def test_dearer_misses_lower_the_threshold() -> None:
    scores = np.random.default_rng(3).random(5_000)
    label = labels_for(scores, 4)
    chosen = [choose_thresholds(label, scores, None, Costs(1, missed)).thresholds.label for missed in (0.25, 1, 4)]
    # a score that is a probability: call from cost / (cost + cost of a miss) on
    assert chosen == pytest.approx([0.8, 0.5, 0.2], abs=0.06)


def test_extreme_costs_are_reported() -> None:
    scores = np.linspace(0, 1, 100)
    choice = choose_thresholds(np.array([0] * 98 + [1, 0]), scores, None, Costs(false_alert=100, missed=1))
    assert choice.thresholds.label > 1
    assert "no session is called an attack" in choice.warnings[0]
    (every,) = choose_thresholds(np.array([1] + [0] * 99), scores, None, Costs(1e-3, 1)).warnings
    assert "every session is called an attack" in every


@given(SCORES, st.one_of(st.none(), st.floats(0.001, 0.9)), st.one_of(st.none(), st.floats(0.01, 100)))
def test_thresholds_are_always_in_order(scores: np.ndarray, share: float | None, missed: float | None) -> None:
    budget = None if share is None else AlertBudget("asked", share)
    costs = None if missed is None else Costs(1.0, missed)
    check_thresholds(choose_thresholds(labels_for(scores), scores, budget, costs).thresholds)
