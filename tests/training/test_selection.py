"""Selection of a forest by cross-validation."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from training import TrainingError
from training.crossvalidation import FOLDS, CrossValidation, CrossValidationResults
from training.fitting import ForestParameters, fit_preprocessing, make_forest, no_progress
from training.labelled_sessions import LabelledSessions
from training.selection import Grid, Selection, best_weight, select, smallest
from training.splitting import assign_folds, user_groups
from training.synthetic.dataset import generate

GRID = Grid(trees=(1, 8, 16), depth=(2, 6), balance=(0.0, 0.75))
SEED = 3


@pytest.fixture(scope="module")
def data() -> LabelledSessions:
    return LabelledSessions.from_synthetic(generate(2_000, 5))


@pytest.fixture(scope="module")
def folds(data: LabelledSessions) -> np.ndarray:
    return assign_folds(user_groups(data.users), data.label, FOLDS, SEED)


@pytest.fixture(scope="module")
def selection(data: LabelledSessions) -> Selection:
    return select(data, GRID, SEED, no_progress)


def tried(
    precision: list[list[float]], f1: list[float], sizes: list[tuple[int, int]] | None = None
) -> CrossValidationResults:
    """Candidates with these figures, and a balance that counts them."""
    sizes = sizes or [(10, 10)] * len(f1)
    candidates = [ForestParameters(trees, depth, balance=i) for i, (trees, depth) in enumerate(sizes)]
    return CrossValidationResults(candidates, np.zeros((len(f1), 1)), np.array(precision), np.array(f1))


def test_select_tries_all_weights_then_all_sizes(
    selection: Selection,
) -> None:
    rows = {(row["trees"], row["depth"], row["balance"]) for row in selection.table}
    chosen = selection.parameters.balance
    assert rows == {(16, 6, b) for b in GRID.balance} | {(t, d, chosen) for t in GRID.trees for d in GRID.depth}
    assert len(rows) == len(selection.table)


def test_a_session_is_scored_out_of_fold(data: LabelledSessions, folds: np.ndarray, selection: Selection) -> None:
    rest, part = data.take(folds != 2), data.take(folds == 2)
    learned = fit_preprocessing(rest.columns)
    forest = make_forest(selection.parameters, rest.label, SEED).fit(learned.features(rest.columns), rest.label)
    expected = forest.predict_proba(learned.features(part.columns))[:, 1]
    assert np.abs(selection.scores[folds == 2] - expected).max() <= 1e-12


def test_a_candidates_row_has_mean_error_and_f1(
    data: LabelledSessions, folds: np.ndarray, selection: Selection
) -> None:
    each = [average_precision_score(data.label[folds == i], selection.scores[folds == i]) for i in range(FOLDS)]
    chosen = selection.parameters
    (row,) = [
        row
        for row in selection.table
        if (row["trees"], row["depth"]) == (chosen.trees, chosen.depth) and row["balance"] == chosen.balance
    ]
    assert row["average_precision"] == pytest.approx(np.mean(each), abs=1e-6)
    assert row["standard_error"] == pytest.approx(np.std(each, ddof=1) / FOLDS**0.5, abs=1e-6)
    assert row["f1"] == pytest.approx(f1_score(data.label, selection.scores >= 0.5), abs=1e-6)


def test_the_weight_maximizes_f1_near_the_best() -> None:
    best = [0.5, 0.6, 0.5, 0.6, 0.5]  # mean 0.54, standard error 0.0245
    near, far = [0.52] * 5, [0.51] * 5
    assert best_weight(tried([best, near, far], [0.4, 0.5, 0.9])).balance == 1
    assert best_weight(tried([best, near, far], [0.5, 0.4, 0.9])).balance == 0


def test_the_size_is_the_smallest_near_the_best() -> None:
    best = [0.3, 0.7, 0.5, 0.6, 0.4]
    near = [0.28, 0.71, 0.5, 0.59, 0.41]  # below by 0.002, give or take 0.0058
    far = [0.29, 0.69, 0.49, 0.59, 0.39]  # below by 0.01 in every fold: nothing that chance explains
    figures = ([best, near, far], [0.0] * 3)
    assert smallest(tried(*figures, sizes=[(100, 10), (50, 10), (25, 10)])) == 1
    assert smallest(tried(*figures, sizes=[(50, 6), (50, 10), (25, 10)])) == 0


def test_more_trees_win_where_they_are_better(selection: Selection) -> None:
    assert selection.parameters.trees > 1


def test_the_seed_decides_all_that_is_random(data: LabelledSessions, selection: Selection) -> None:
    same, other = (
        CrossValidation(data, seed, no_progress).run([selection.parameters], "").scores[0] for seed in (SEED, 4)
    )
    assert (same == selection.scores).all()
    assert (other != selection.scores).any()


def test_labels_without_signal_are_not_found_again(data: LabelledSessions) -> None:
    label = np.random.default_rng(1).permutation(data.label)
    trials = CrossValidation(replace(data, label=label), SEED, no_progress)
    (scores,) = trials.run([ForestParameters(trees=10, depth=5)], "").scores
    assert roc_auc_score(label, scores) == pytest.approx(0.5, abs=0.12)  # 70 attacks: three standard errors


def test_without_users_each_session_stands_for_itself(data: LabelledSessions) -> None:
    nameless = replace(data, users=np.full(len(data), "", dtype=object))
    (scores,) = CrossValidation(nameless, SEED, no_progress).run([ForestParameters(trees=5, depth=3)], "").scores
    assert scores.shape == (len(data),)


def test_a_single_user_cannot_be_judged_by(data: LabelledSessions) -> None:
    with pytest.raises(TrainingError, match=r"^too few users [^\n]*$"):
        select(replace(data, users=np.full(len(data), "me", dtype=object)), GRID, SEED, no_progress)
