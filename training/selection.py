"""How large a forest, and what an attack weighs in it: chosen by cross-validation."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from training.crossvalidation import CrossValidation, Scores, Tried, standard_error
from training.fitting import Parameters, Track
from training.reading import Labelled


@dataclass(frozen=True)
class Grid:
    """What is tried. No forest is dearer to serve than 100 trees of depth 10."""

    trees: tuple[int, ...] = (25, 50, 100)
    depth: tuple[int, ...] = (6, 8, 10)
    balance: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)

    def weights(self) -> list[Parameters]:
        """Every weight of an attack, in the largest forest."""
        return [Parameters(max(self.trees), max(self.depth), balance) for balance in self.balance]

    def sizes(self, balance: float) -> list[Parameters]:
        """Every size, the deepest first, for they take longest; side by side those that are parts of one forest."""
        every = product(sorted(self.depth, reverse=True), sorted(self.trees))
        return [Parameters(trees, depth, balance) for depth, trees in every]


@dataclass(frozen=True)
class Selection:
    """What was chosen, and what it said of people whom it had not seen."""

    chosen: Parameters
    data: Labelled  # n sessions
    scores: Scores  # (n,): each session's, from a forest that was grown without its user
    table: list[dict[str, float]]  # a row for each candidate


def select(data: Labelled, grid: Grid, seed: int, track: Track) -> Selection:
    """Choose what an attack weighs, then the size of the forest, all on the same folds of whole users.

    A weight hardly changes the order of the scores, but where they lie: of those whose average precision is within one
    standard error of the best, the one with the highest F1 at the default threshold. The size is the smallest within
    one standard error of the best (Breiman et al. 1984, "Classification and Regression Trees", 3.4.3, but the error of
    the difference, for folds differ more than forests). Small is what serving pays for, trees times depth.
    Raises TrainingError when there are too few users.
    """
    trials = CrossValidation(data, seed, track)
    balance, table = grid.balance[0], list[dict[str, float]]()
    if len(grid.balance) > 1:
        weights = trials.run(grid.weights(), "weighing attacks")
        balance, table = best_weight(weights).balance, weights.table()
    sizes = trials.run(grid.sizes(balance), "trying sizes")
    chosen = smallest(sizes)
    table += [row for row in sizes.table() if row not in table]
    return Selection(sizes.candidates[chosen], data, sizes.scores[chosen], table)


def best_weight(tried: Tried) -> Parameters:
    """The candidate with the highest F1 among those near the best average precision."""
    mean = tried.precision.mean(axis=1)
    near = mean >= mean.max() - standard_error(tried.precision)[mean.argmax()]
    return tried.candidates[int(np.where(near, tried.f1, -1.0).argmax())]


def smallest(tried: Tried) -> int:
    """The place of the cheapest candidate that is as good as the best, as far as the folds can tell."""
    below = tried.precision[tried.precision.mean(axis=1).argmax()] - tried.precision
    near = np.flatnonzero(below.mean(axis=1) <= standard_error(below)).tolist()
    return int(min(near, key=lambda i: tried.candidates[i].trees * tried.candidates[i].depth))
