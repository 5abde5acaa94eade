"""Samples keep rare attacks and weight honest sessions."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from training import TrainingError
from training.crossvalidation import CrossValidation
from training.evaluation.measures import attack_count, manifest_metrics
from training.evaluation.scored_sessions import ScoredSessions
from training.fitting import ForestParameters, attack_weight, no_progress
from training.labelled_sessions import LabelledSessions
from training.sampling import FEW_ATTACKS, in_proportion, sample_sessions, sample_users
from training.synthetic.dataset import generate
from training.thresholds import AlertBudget, Costs, choose_thresholds


def data_with(attacks: int, sessions: int = 3_000) -> LabelledSessions:
    """Sessions of which so many, spread evenly, are attacks."""
    label = np.zeros(sessions, dtype=np.int64)
    label[np.linspace(0, sessions - 1, attacks).astype(int)] = 1
    return replace(LabelledSessions.from_synthetic(generate(sessions, 4)), label=label)


@pytest.mark.parametrize("attacks", [1, 24, 60, 250])
def test_every_rare_attack_is_compared_on(attacks: int) -> None:
    data = data_with(attacks)
    search = sample_sessions(data, 500, seed=1)
    assert (len(search), search.label.sum()) == (500, attacks)
    assert search.prevalence == pytest.approx(data.prevalence)
    assert search.notes[-1] == (
        f"forests are compared on 500 of the sessions: all {attacks} attacks, and honest ones drawn by lot"
    )


def test_attacks_beyond_half_the_sample_are_drawn() -> None:
    data = data_with(400)
    search = sample_sessions(data, 500, seed=1)
    assert search.label.sum() == 250
    assert "250 of 400 attacks" in search.notes[-1]
    assert search.prevalence == pytest.approx(data.prevalence)


def test_of_many_attacks_a_plain_draw_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.sampling.FEW_ATTACKS", 20)
    data = data_with(300)
    search = sample_sessions(data, 500, seed=1)
    rows = np.sort(np.random.default_rng(1).permutation(3_000)[:500])
    assert search.columns.identity_column(1) == data.take(rows).columns.identity_column(1)
    assert search.honest_weight == 1.0
    assert search.notes == ("forests are compared on 500 of the sessions, drawn by lot",)
    assert sample_sessions(data, 3_000, seed=1) is data
    assert FEW_ATTACKS == 500


def test_attacks_of_users_not_drawn_are_kept() -> None:
    data = data_with(24)
    drawn = sample_users(data, 600, seed=1)
    assert drawn.label.sum() == 24
    assert 500 < len(drawn) <= 600
    assert drawn.prevalence == pytest.approx(data.prevalence)
    assert "all 24 attacks, and the honest sessions of" in drawn.notes[-1]


def test_a_single_honest_user_is_too_large() -> None:
    data = data_with(24)
    data = replace(data, users=np.where(data.label == 1, "attacker", "everybody").astype(object))
    with pytest.raises(TrainingError, match="a single user has more sessions"):
        sample_users(data, 600, seed=1)


def test_both_samples_together_keep_the_share_of_attacks() -> None:
    data = data_with(24)
    search = sample_sessions(sample_users(data, 1_500, seed=1), 500, seed=1)
    assert search.label.sum() == 24
    assert search.prevalence == pytest.approx(data.prevalence)


def test_in_proportion_keeps_the_share_of_attacks() -> None:
    search = sample_sessions(data_with(100), 500, seed=1)
    rows = in_proportion(search)
    assert (search.label[rows] == 0).sum() == (search.label == 0).sum()
    assert search.label[rows].mean() == pytest.approx(100 / 3_000, rel=0.1)
    everything = data_with(100)
    assert in_proportion(everything).tolist() == list(range(3_000))


def test_an_attack_weighs_the_same_in_a_sample() -> None:
    data = data_with(24)
    search = sample_sessions(data, 500, seed=1)
    whole = attack_weight(data.label, 0.5)
    assert attack_weight(search.label, 0.5, search.honest_weight) * search.honest_weight == pytest.approx(whole)


def test_metrics_of_a_sample_are_weighted() -> None:
    search = sample_sessions(data_with(100), 500, seed=1)
    trials = CrossValidation(search, 1, no_progress)
    tried = trials.run([ForestParameters(trees=5, depth=3)], "")
    assert search.weights is not None
    expected = [
        average_precision_score(
            search.label[fold.rows], tried.scores[0][fold.rows], sample_weight=search.weights[fold.rows]
        )
        for fold in trials._folds
    ]
    assert tried.precision[0].tolist() == expected
    scores = np.linspace(0, 1, 500)
    found = manifest_metrics(
        ScoredSessions.of(search.label, scores, np.zeros(500, dtype=int), scores >= 0.5), search.weights
    )
    assert found["prevalence"] == pytest.approx(100 / 3_000, abs=1e-6)
    assert attack_count(found) == found["attacks"] == 100


def test_attack_count_uses_the_share_without_weights() -> None:
    assert attack_count({"sessions": 1_000_000, "prevalence": 0.000024}) == 24
    assert attack_count({"sessions": 30_000, "prevalence": 0.0355}) == 1_065


def test_thresholds_respect_the_weight_of_honest_sessions() -> None:
    label = np.array([1, 0, 1, 0, 0])
    scores = np.array([0.9, 0.8, 0.7, 0.4, 0.1])
    thrice = np.repeat(label, np.where(label == 1, 1, 3)), np.repeat(scores, np.where(label == 1, 1, 3))
    for budget, costs in ((AlertBudget("asked", 0.4), None), (None, Costs(1, 4))):
        weighted = choose_thresholds(label, scores, budget, costs, 3.0)
        assert weighted.thresholds == choose_thresholds(*thrice, budget, costs).thresholds
    (asked,) = (choose_thresholds(*each, None, Costs(1, 4)).origin["costs"]["a_session"] for each in (thrice,))
    assert choose_thresholds(label, scores, None, Costs(1, 4), 3.0).origin["costs"]["a_session"] == asked
