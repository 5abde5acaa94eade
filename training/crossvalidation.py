"""Cross-validate forests in folds of whole users."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.artifacts import Thresholds
from training import train_extra
from training.fitting import Features, ForestParameters, Track, fit_preprocessing, make_forest
from training.labelled_sessions import LabelledSessions
from training.splitting import Indices, assign_folds, user_groups

with train_extra():
    from sklearn.metrics import average_precision_score, f1_score

FOLDS: Final = 5

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class CrossValidationResults:
    """Out-of-fold results of m candidates on n sessions."""

    candidates: Sequence[ForestParameters]
    scores: Scores  # (m, n): of each session, by a forest that did not learn from its user
    precision: NDArray[np.float64]  # (m, FOLDS): average precision
    f1: NDArray[np.float64]  # (m,): at the default threshold of label 1

    def table(self) -> list[dict[str, float]]:
        """Return a row per candidate, to six digits: mean average precision, its standard error, F1."""
        figures = np.column_stack([self.precision.mean(axis=1), standard_error(self.precision), self.f1])
        names = ("average_precision", "standard_error", "f1")
        return [
            {"trees": candidate.trees, "depth": candidate.depth, "balance": candidate.balance}
            | dict(zip(names, (round(float(value), 6) for value in row), strict=True))
            for candidate, row in zip(self.candidates, figures, strict=True)
        ]


def standard_error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard error of each row's mean, (m, FOLDS) -> (m,)."""
    error: NDArray[np.float64] = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return error


@dataclass(frozen=True)
class _Fold:
    """Rows to score, and the features and labels of all others."""

    rows: Indices
    features: Features  # of the rows
    train_features: Features
    train_label: Labels
    honest_weight: float


class CrossValidation:
    """Compares forests on the same folds. The same data and seed give the same scores, on any number of cores."""

    def __init__(self, data: LabelledSessions, seed: int, track: Track) -> None:
        """Assign users to folds. Raises TrainingError when there are too few."""
        fold = assign_folds(user_groups(data.users), data.label, FOLDS, seed)
        self._folds = [_make_fold(data, fold == i) for i in range(FOLDS)]
        self._data, self._seed, self._track = data, seed, track

    def run(self, candidates: Sequence[ForestParameters], description: str) -> CrossValidationResults:
        """Score all candidates. Neighbours that differ only in trees, in rising order, share one forest."""
        families = [list(family) for _, family in groupby(candidates, partial(replace, trees=0))]
        jobs = list(product(families, self._folds))
        scores = {candidate: np.empty(len(self._data)) for candidate in candidates}
        results = zip(self._track(range(len(jobs)), description), _in_threads(jobs, self._seed), strict=True)
        for (_, fold_scores), (family, fold) in zip(results, jobs, strict=True):
            for candidate, values in zip(family, fold_scores, strict=True):
                scores[candidate][fold.rows] = values
        return self._results(candidates, np.array([scores[candidate] for candidate in candidates]))

    def _results(self, candidates: Sequence[ForestParameters], scores: Scores) -> CrossValidationResults:
        label, weights = self._data.label, self._data.weights
        folds = [(fold.rows, None if weights is None else weights[fold.rows]) for fold in self._folds]
        precision = [
            [average_precision_score(label[rows], row[rows], sample_weight=weight) for rows, weight in folds]
            for row in scores
        ]
        f1 = [f1_score(label, row >= Thresholds().label, zero_division=0.0, sample_weight=weights) for row in scores]
        return CrossValidationResults(candidates, scores, np.array(precision), np.array(f1))


def _make_fold(data: LabelledSessions, in_fold: NDArray[np.bool_]) -> _Fold:
    """Prepare a fold; imputation, classes and scaling are fitted on the other rows alone."""
    test, train = data.take(in_fold), data.take(~in_fold)
    fitted = fit_preprocessing(train.columns)
    features = fitted.features(test.columns), fitted.features(train.columns)
    return _Fold(np.flatnonzero(in_fold), *features, train.label, train.honest_weight)


def _in_threads(jobs: Sequence[tuple[list[ForestParameters], _Fold]], seed: int) -> Iterator[list[Scores]]:
    """Yield the scores of each job, in order. Growing trees releases the GIL, so threads use all cores."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        families, folds = [family for family, _ in jobs], [fold for _, fold in jobs]
        yield from pool.map(partial(_score_family, seed=seed), families, folds)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # after a signal: running trees may take long


def _score_family(candidates: Sequence[ForestParameters], fold: _Fold, seed: int) -> list[Scores]:
    """Grow the largest forest once; score with as many of its first trees as each candidate has."""
    forest = make_forest(candidates[-1], fold.train_label, seed, fold.honest_weight)
    forest.fit(fold.train_features, fold.train_label)
    sizes = {candidate.trees for candidate in candidates}
    total, scores = np.zeros(len(fold.rows)), {}
    for trees, tree in enumerate(forest.estimators_, start=1):
        total += tree.predict_proba(fold.features, check_input=False)[:, 1]
        if trees in sizes:
            scores[trees] = total / trees
    return [scores[candidate.trees] for candidate in candidates]
