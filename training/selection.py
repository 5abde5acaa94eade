"""How large a forest, and what an attack weighs in it: chosen by cross-validation, a user's sessions kept together."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.errors import MissingExtra
from scoring.manifest import Thresholds
from training.fitting import Features, Parameters, Track, forest_of, learn
from training.reading import Labelled
from training.splitting import Places, folds_of, groups_of

try:
    from sklearn.metrics import average_precision_score, f1_score
except ImportError:
    raise MissingExtra("training", "train") from None

FOLDS: Final = 5

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """What is tried: every combination."""

    trees: tuple[int, ...] = (25, 50, 100)
    depth: tuple[int, ...] = (6, 8, 10)
    balance: tuple[float, ...] = (0.5, 0.75, 1.0)

    def candidates(self) -> list[Parameters]:
        """The deepest first, for they take longest; side by side those that are parts of the same forest."""
        every = product(sorted(self.depth, reverse=True), self.balance, sorted(self.trees))
        return [Parameters(trees, depth, balance) for depth, balance, trees in every]


@dataclass(frozen=True)
class Selection:
    """What was chosen, and what it said of people whom it had not seen."""

    chosen: Parameters
    label: Labels  # (n,)
    scores: Scores  # (n,): each session's, from a forest that was grown without its user
    table: list[dict[str, float]]  # a row for each candidate


@dataclass(frozen=True)
class _Fold:
    """Rows to be scored, and the others, to learn from."""

    rows: Places
    features: Features  # of the rows
    others: Features
    label: Labels  # of the others


def select(data: Labelled, candidates: Sequence[Parameters], seed: int, track: Track) -> Selection:
    """Try all on the same folds, and choose the smallest whose average precision is near the best's.

    Near is: the mean difference over the folds is at most its standard error (the rule of Breiman et al. 1984,
    "Classification and Regression Trees", 3.4.3, with the error of the difference: folds differ more than candidates).
    Small is what serving pays for, trees times depth. Where candidates differ in nothing but what an attack weighs,
    F1 at the default threshold decides: the weight hardly changes the order of the scores, but where they lie.
    Raises TrainingError when there are too few users.
    """
    fold = folds_of(groups_of(data.users), data.label, FOLDS, seed)
    scores = np.empty((len(candidates), len(data)))
    alike = groupby(range(len(candidates)), lambda i: replace(candidates[i], trees=0))
    forests = [np.array(list(places)) for _, places in alike]
    steps = track(range(FOLDS * len(forests)), "trying forests")
    for _, (rows, places, found) in zip(steps, _tried(data, fold, candidates, forests, seed), strict=True):
        scores[np.ix_(places, rows)] = found
    return _choose(candidates, scores, data.label, fold)


def _tried(
    data: Labelled, fold: Labels, candidates: Sequence[Parameters], forests: Sequence[Places], seed: int
) -> Iterator[tuple[Places, Places, Scores]]:
    """Rows, candidates and their scores, forest by forest. In threads: growing trees leaves Python's lock alone."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in range(FOLDS):
            each = _prepare(data, fold == part)
            grow = partial(_scores_of_parts, each, seed)
            found = pool.map(grow, [[candidates[i] for i in places] for places in forests])
            yield from ((each.rows, places, scores) for places, scores in zip(forests, found, strict=True))


def _prepare(data: Labelled, chosen: NDArray[np.bool_]) -> _Fold:
    part, others = data.take(chosen), data.take(~chosen)
    learned = learn(others.columns)
    return _Fold(np.flatnonzero(chosen), learned.features(part.columns), learned.features(others.columns), others.label)


def _scores_of_parts(fold: _Fold, seed: int, candidates: Sequence[Parameters]) -> Scores:
    """(candidates, rows): the scores by the first trees of one forest, and by more and more of them."""
    forest = forest_of(candidates[-1], fold.label, seed).fit(fold.others, fold.label)
    total, found = np.zeros(len(fold.rows)), {}
    for trees, tree in enumerate(forest.estimators_, start=1):
        total += tree.predict_proba(fold.features, check_input=False)[:, 1]
        if trees in {each.trees for each in candidates}:
            found[trees] = total / trees
    return np.array([found[each.trees] for each in candidates])


def _choose(candidates: Sequence[Parameters], scores: Scores, label: Labels, fold: Labels) -> Selection:
    rows = [np.flatnonzero(fold == part) for part in range(FOLDS)]
    precision = np.array([[average_precision_score(label[r], each[r]) for r in rows] for each in scores])
    best = precision.mean(axis=1).argmax()
    below = precision[best] - precision
    near = np.flatnonzero(below.mean(axis=1) <= _error(below)).tolist()
    f1 = [f1_score(label, each >= Thresholds().label, zero_division=0.0) for each in scores]
    sizes = [each.trees * each.depth for each in candidates]
    chosen = min(near, key=lambda i: (sizes[i], -f1[i]))
    measured = np.column_stack([precision.mean(axis=1), _error(precision), below.mean(axis=1), _error(below), f1])
    names = ("average_precision", "error", "below_best", "below_best_error", "f1")
    table = [
        {"trees": each.trees, "depth": each.depth, "balance": each.balance}
        | dict(zip(names, (round(float(value), 6) for value in row), strict=True))
        for each, row in zip(candidates, measured, strict=True)
    ]
    return Selection(candidates[chosen], label, scores[chosen], table)


def _error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard error of each row's mean, (candidates, folds) -> (candidates,)."""
    error: NDArray[np.float64] = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return error
