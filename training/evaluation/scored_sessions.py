"""Labelled sessions with a set's scores, levels and labels."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring import Scorer
from scoring.columns import Columns
from scoring.preprocessing import Prepared, Preprocessor
from training.evaluation.ranking import Flags, Floats, Labels, Ranking
from training.fitting import Track
from training.labelled_sessions import LabelledSessions

CHUNK: Final = 10_000  # sessions scored at once: bounds the memory

Levels = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class ScoredSessions:
    """n labelled sessions with a set's verdicts."""

    label: Labels  # (n,), 0 or 1
    scores: Floats  # (n,)
    levels: Levels  # (n,), index in rules.LEVELS
    predicted: Flags  # (n,): label 1 by the set's threshold
    ranking: Ranking

    @classmethod
    def of(cls, label: Labels, scores: Floats, levels: Levels, predicted: Flags) -> "ScoredSessions":
        """Sort the sessions once, for any number of measurements."""
        return cls(label, scores, levels, predicted.astype(np.bool_), Ranking.of(label, scores))

    def take(self, rows: Flags) -> "ScoredSessions":
        """Return some of the sessions."""
        return ScoredSessions.of(self.label[rows], self.scores[rows], self.levels[rows], self.predicted[rows])


def score_sessions(scorer: Scorer, data: LabelledSessions, track: Track) -> ScoredSessions:
    """Score all sessions, in chunks."""
    chunks = [
        scorer.score_columns(data.take(np.arange(start, min(start + CHUNK, len(data)))).columns)
        for start in track(range(0, len(data), CHUNK), "scoring")
    ]
    return ScoredSessions.of(
        data.label,
        np.concatenate([chunk.scores for chunk in chunks]),
        np.concatenate([chunk.levels for chunk in chunks]),
        np.concatenate([chunk.labels for chunk in chunks]) == 1,
    )


def prepare(scorer: Scorer, columns: Columns) -> Prepared:
    """Impute the gaps as the set does."""
    model = scorer.artifacts.model
    return Preprocessor(model.imputation, model.classes, model.feature_names).prepare(columns)


def permute_field(columns: Columns, field: int, order: NDArray[np.int64]) -> Columns:
    """Return the sessions with one field, by its index in MODEL_FIELDS, in another `order`."""
    numbers, codes, hours = columns.numbers.copy(), columns.codes.copy(), columns.hours
    if field < len(numbers):
        numbers[field] = numbers[field][order]
    elif (category := field - len(numbers)) < len(codes):
        codes[category] = codes[category][order]
    else:
        hours = hours[order]
    return replace(columns, numbers=numbers, codes=codes, hours=hours)
