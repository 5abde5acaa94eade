"""The choice of a forest by cross-validation."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score

from training.dataset import generate
from training.errors import TrainingError
from training.fitting import Parameters, forest_of, learn, unseen
from training.reading import Labelled, of_sessions
from training.selection import FOLDS, Grid, Selection, select
from training.splitting import folds_of, groups_of

GRID = Grid(trees=(1, 8, 16), depth=(2, 6), balance=(0.0, 0.75))


@pytest.fixture(scope="module")
def data() -> Labelled:
    return of_sessions(generate(2_000, 5))


@pytest.fixture(scope="module")
def selection(data: Labelled) -> Selection:
    return select(data, GRID.candidates(), 3, unseen)


def row_of(selection: Selection, parameters: Parameters) -> dict[str, float]:
    wanted = {"trees": parameters.trees, "depth": parameters.depth, "balance": parameters.balance}
    (row,) = [row for row in selection.table if wanted.items() <= row.items()]
    return row


def test_every_combination_is_tried(selection: Selection) -> None:
    tried = {(row["trees"], row["depth"], row["balance"]) for row in selection.table}
    assert tried == {(t, d, b) for t in GRID.trees for d in GRID.depth for b in GRID.balance}


def test_a_session_is_scored_by_a_forest_that_has_not_seen_its_user(data: Labelled, selection: Selection) -> None:
    fold = folds_of(groups_of(data.users), data.label, FOLDS, 3)
    rest, part = data.take(fold != 2), data.take(fold == 2)
    learned = learn(rest.columns)
    forest = forest_of(selection.chosen, rest.label, 3).fit(learned.features(rest.columns), rest.label)
    expected = forest.predict_proba(learned.features(part.columns))[:, 1]
    assert np.abs(selection.scores[fold == 2] - expected).max() <= 1e-12


def test_a_candidates_figures_are_the_mean_over_folds_and_its_error(data: Labelled, selection: Selection) -> None:
    fold = folds_of(groups_of(data.users), data.label, FOLDS, 3)
    each = [average_precision_score(data.label[fold == i], selection.scores[fold == i]) for i in range(FOLDS)]
    row = row_of(selection, selection.chosen)
    assert row["average_precision"] == pytest.approx(np.mean(each), abs=1e-6)
    assert row["error"] == pytest.approx(np.std(each, ddof=1) / FOLDS**0.5, abs=1e-6)


def test_chosen_is_the_smallest_within_one_standard_error_of_the_best(selection: Selection) -> None:
    near = [row for row in selection.table if row["below_best"] <= row["below_best_error"]]
    assert min(row["below_best"] for row in near) == 0
    chosen = row_of(selection, selection.chosen)
    assert chosen in near
    assert chosen["trees"] * chosen["depth"] == min(row["trees"] * row["depth"] for row in near)
    alike = [row for row in near if (row["trees"], row["depth"]) == (chosen["trees"], chosen["depth"])]
    assert chosen["f1"] == max(row["f1"] for row in alike)


def test_a_single_tree_is_not_near_the_best(selection: Selection) -> None:
    assert selection.chosen.trees > 1


def test_the_seed_decides_all_that_is_random(data: Labelled, selection: Selection) -> None:
    again, other = (select(data, [selection.chosen], seed, unseen) for seed in (3, 4))
    assert (again.scores == selection.scores).all()
    assert (other.scores != selection.scores).any()


def test_labels_without_signal_score_no_better_than_chance(data: Labelled) -> None:
    label = np.random.default_rng(1).permutation(data.label)
    tried = select(replace(data, label=label), [Parameters(trees=10, depth=5)], 3, unseen)
    assert tried.table[0]["average_precision"] < 2 * label.mean()


def test_without_users_each_session_stands_for_itself(data: Labelled) -> None:
    nameless = replace(data, users=np.full(len(data), "", dtype=object))
    assert len(select(nameless, [Parameters(trees=5, depth=3)], 3, unseen).scores) == len(data)


def test_a_single_user_cannot_be_judged_by(data: Labelled) -> None:
    with pytest.raises(TrainingError, match=r"^too few users [^\n]*$"):
        select(replace(data, users=np.full(len(data), "me", dtype=object)), GRID.candidates(), 3, unseen)


def test_the_first_trees_of_a_forest_are_the_smaller_forest(data: Labelled) -> None:
    features = learn(data.columns).features(data.columns)
    small, large = (forest_of(Parameters(trees=n, depth=5), data.label, 9) for n in (3, 7))
    assert isinstance(large, RandomForestClassifier)
    for one, other in zip(small.fit(features, data.label), large.fit(features, data.label), strict=False):
        assert (one.predict_proba(features) == other.predict_proba(features)).all()
