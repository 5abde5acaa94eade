"""How forests do on people whom they have not seen: cross-validation, a user's sessions always in one fold."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.artifacts.manifest import Thresholds
from scoring.errors import MissingExtra
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
class Tried:
    """How m candidates did on n sessions."""

    candidates: Sequence[Parameters]
    scores: Scores  # (m, n): each session's, by a forest that was grown without its user
    precision: NDArray[np.float64]  # (m, FOLDS): average precision
    f1: NDArray[np.float64]  # (m,): at the default threshold of label 1

    def table(self) -> list[dict[str, float]]:
        """A row for each candidate, to six digits: mean average precision, its standard error, F1."""
        figures = np.column_stack([self.precision.mean(axis=1), standard_error(self.precision), self.f1])
        names = ("average_precision", "standard_error", "f1")
        return [
            {"trees": each.trees, "depth": each.depth, "balance": each.balance}
            | dict(zip(names, (round(float(value), 6) for value in row), strict=True))
            for each, row in zip(self.candidates, figures, strict=True)
        ]


def standard_error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row's mean, (m, FOLDS) -> (m,)."""
    error: NDArray[np.float64] = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return error


@dataclass(frozen=True)
class _Fold:
    """Rows to be scored, and the others, to learn from."""

    rows: Places
    features: Features  # of the rows
    others: Features
    label: Labels  # of the others
    honest_weight: float


class CrossValidation:
    """Tries forests on the same folds. The same data and seed give the same scores, on any number of cores."""

    def __init__(self, data: Labelled, seed: int, track: Track) -> None:
        """Deal the users out. Raises TrainingError when there are too few of them."""
        fold = folds_of(groups_of(data.users), data.label, FOLDS, seed)
        self._folds = [_prepare(data, fold == part) for part in range(FOLDS)]
        self._data, self._seed, self._track = data, seed, track

    def run(self, candidates: Sequence[Parameters], description: str) -> Tried:
        """Try all. Of neighbours that differ in trees alone, the last is the largest and the others are parts of it."""
        forests = [list(alike) for _, alike in groupby(candidates, lambda each: replace(each, trees=0))]
        jobs = list(product(forests, self._folds))
        scores = {each: np.empty(len(self._data)) for each in candidates}
        steps = zip(self._track(range(len(jobs)), description), _in_threads(jobs, self._seed), strict=True)
        for (_, found), (forest, fold) in zip(steps, jobs, strict=True):
            for each, of_fold in zip(forest, found, strict=True):
                scores[each][fold.rows] = of_fold
        return self._judged(candidates, np.array([scores[each] for each in candidates]))

    def _judged(self, candidates: Sequence[Parameters], scores: Scores) -> Tried:
        parts = [fold.rows for fold in self._folds]
        label, weights = self._data.label, self._data.weights
        of_part = [None if weights is None else weights[part] for part in parts]
        precision = [
            [
                average_precision_score(label[part], row[part], sample_weight=weight)
                for part, weight in zip(parts, of_part, strict=True)
            ]
            for row in scores
        ]
        f1 = [f1_score(label, row >= Thresholds().label, zero_division=0.0, sample_weight=weights) for row in scores]
        return Tried(candidates, scores, np.array(precision), np.array(f1))


def _prepare(data: Labelled, chosen: NDArray[np.bool_]) -> _Fold:
    """What fills gaps, the classes and the scaling come from the others alone."""
    part, others = data.take(chosen), data.take(~chosen)
    learned = learn(others.columns)
    features = learned.features(part.columns), learned.features(others.columns)
    return _Fold(np.flatnonzero(chosen), *features, others.label, others.honest_weight)


def _in_threads(jobs: Sequence[tuple[list[Parameters], _Fold]], seed: int) -> Iterator[list[Scores]]:
    """Each job's scores, in order. Growing trees leaves Python's lock alone, so that threads use all cores."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield from pool.map(lambda job: _scores_of_parts(job[0], job[1], seed), jobs)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # after a signal: the trees under way may take long


def _scores_of_parts(candidates: Sequence[Parameters], fold: _Fold, seed: int) -> list[Scores]:
    """The scores by the first trees of one forest, and by more and more of them."""
    forest = forest_of(candidates[-1], fold.label, seed, fold.honest_weight).fit(fold.others, fold.label)
    total, found = np.zeros(len(fold.rows)), {}
    for trees, tree in enumerate(forest.estimators_, start=1):
        total += tree.predict_proba(fold.features, check_input=False)[:, 1]
        if trees in {each.trees for each in candidates}:
            found[trees] = total / trees
    return [found[each.trees] for each in candidates]
