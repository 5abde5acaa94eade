"""Labels without signal are not learned: shuffled within users, or random."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from scoring import Scorer
from scoring.artifacts import shipped
from training.evaluation.bootstrap import Estimate, estimate
from training.evaluation.measure_sets import overall
from training.evaluation.scored_sessions import ScoredSessions
from training.fitting import ForestParameters, fit_preprocessing, make_forest
from training.labelled_sessions import LabelledSessions
from training.reader import read_sessions
from training.synthetic.dataset import LATER, STANDARD, generate

SMALL = ForestParameters(trees=10)
RANDOM_LABELS = Path(__file__).parents[2] / "artifacts" / "datasets" / "random_labels.csv.gz"
Scores = NDArray[np.float64]


@pytest.fixture(scope="module")
def known() -> LabelledSessions:
    """200 people with 100 sessions each, as the standard set has them."""
    return LabelledSessions.from_synthetic(generate(20_000, 5, world=replace(STANDARD, people=200)))


@pytest.fixture(scope="module")
def later() -> LabelledSessions:
    return LabelledSessions.from_synthetic(generate(10_000, 6, world=replace(LATER, people=100)))


def shuffled(data: LabelledSessions, seed: int) -> LabelledSessions:
    """The same sessions, each user's labels dealt out anew among them."""
    _, user = np.unique(data.users.astype(str), return_inverse=True)
    lot = np.random.default_rng(seed).random(len(data))
    label = np.empty_like(data.label)
    label[np.argsort(user, kind="stable")] = data.label[np.lexsort((lot, user))]
    return replace(data, label=label)


def scores(training: LabelledSessions, data: LabelledSessions, seed: int) -> Scores:
    learned = fit_preprocessing(training.columns)
    forest = make_forest(SMALL, training.label, seed).fit(learned.features(training.columns), training.label)
    return np.asarray(forest.predict_proba(learned.features(data.columns))[:, 1])


def area(data: LabelledSessions, scores: Scores) -> Estimate:
    """The area under the ROC curve with its interval over users."""
    _, user = np.unique(data.users.astype(str), return_inverse=True)
    scored = ScoredSessions.of(data.label, scores, np.zeros(len(data), dtype=np.int64), scores >= 0.5)
    rows = estimate([overall(scored)], user, seed=1, resamples=200)
    return next(row for row in rows if row.measure == "roc_auc")


def holds_chance(row: Estimate) -> bool:
    return row.low <= 0.5 <= row.high


def test_true_labels_can_be_learned(known: LabelledSessions, later: LabelledSessions) -> None:
    assert area(later, scores(known, later, 1)).low > 0.85


def test_a_shuffle_keeps_the_attacks_of_each_user(known: LabelledSessions) -> None:
    again = shuffled(known, 1)
    for user in set(known.users[:50]):
        assert again.label[known.users == user].sum() == known.label[known.users == user].sum()
    assert (again.label & known.label).sum() < 0.15 * known.label.sum()


def test_shuffled_labels_give_an_auc_of_one_half(known: LabelledSessions, later: LabelledSessions) -> None:
    assert holds_chance(area(shuffled(later, 2), scores(shuffled(known, 1), later, 1)))


def test_forests_of_shuffled_labels_scatter_around_one_half(known: LabelledSessions, later: LabelledSessions) -> None:
    # what chance has taught a forest moves its area further than other users would: the interval is over shuffles
    areas = [roc_auc_score(later.label, scores(shuffled(known, seed), later, seed)) for seed in range(5)]
    assert abs(np.mean(areas) - 0.5) < 2.8 * np.std(areas, ddof=1)  # t of 4 degrees of freedom
    assert max(areas) < 0.7


def test_the_shipped_set_finds_nothing_in_random_labels() -> None:
    data = read_sessions(RANDOM_LABELS)
    assert holds_chance(area(data, Scorer.load(shipped()).score_columns(data.columns).scores))
