"""Choose the forest's size and the weight of an attack by cross-validation."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from training.crossvalidation import CrossValidation, CrossValidationResults, Scores, standard_error
from training.fitting import ForestParameters, Track
from training.labelled_sessions import LabelledSessions


@dataclass(frozen=True)
class Grid:
    """Candidates. No forest is dearer to serve than 100 trees of depth 10."""

    trees: tuple[int, ...] = (25, 50, 100)
    depth: tuple[int, ...] = (6, 8, 10)
    balance: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)

    def weights(self) -> list[ForestParameters]:
        """Return the largest forest with every weight of an attack."""
        return [ForestParameters(max(self.trees), max(self.depth), balance) for balance in self.balance]

    def sizes(self, balance: float) -> list[ForestParameters]:
        """Return every size: the deepest, which take longest, first; sizes of one depth side by side."""
        sizes = product(sorted(self.depth, reverse=True), sorted(self.trees))
        return [ForestParameters(trees, depth, balance) for depth, trees in sizes]


@dataclass(frozen=True)
class Selection:
    """The selected parameters and their out-of-fold scores."""

    parameters: ForestParameters
    data: LabelledSessions  # n sessions
    scores: Scores  # (n,): of each session, by a forest that did not learn from its user
    table: list[dict[str, float]]  # a row per candidate


def select(data: LabelledSessions, grid: Grid, seed: int, track: Track) -> Selection:
    """Select the weight of an attack, then the size of the forest, on the same folds of whole users.

    A weight hardly changes the order of the scores, but their level: of those whose average precision is within one
    standard error of the best, take the one with the highest F1 at the default threshold. The size is the smallest
    within one standard error of the best (Breiman et al. 1984, "Classification and Regression Trees", 3.4.3, but the
    error of the difference, for folds differ more than forests). Small means trees times depth, the cost of serving.
    Raises TrainingError when there are too few users.
    """
    validation = CrossValidation(data, seed, track)
    balance, table = grid.balance[0], list[dict[str, float]]()
    if len(grid.balance) > 1:
        weights = validation.run(grid.weights(), "comparing attack weights")
        balance, table = best_weight(weights).balance, weights.table()
    sizes = validation.run(grid.sizes(balance), "comparing forest sizes")
    best = smallest(sizes)
    table += [row for row in sizes.table() if row not in table]
    return Selection(sizes.candidates[best], data, sizes.scores[best], table)


def best_weight(results: CrossValidationResults) -> ForestParameters:
    """Return the candidate with the highest F1 among those near the best average precision."""
    mean = results.precision.mean(axis=1)
    near = mean >= mean.max() - standard_error(results.precision)[mean.argmax()]
    return results.candidates[int(np.where(near, results.f1, -1.0).argmax())]


def smallest(results: CrossValidationResults) -> int:
    """Return the index of the cheapest candidate within one standard error of the best."""
    below = results.precision[results.precision.mean(axis=1).argmax()] - results.precision
    near = np.flatnonzero(below.mean(axis=1) <= standard_error(below)).tolist()
    return int(min((results.candidates[i].trees * results.candidates[i].depth, i) for i in near)[1])
