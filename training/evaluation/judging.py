"""Labelled sessions judged by a set."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns
from scoring.preprocessing import Prepared, Preprocessor
from scoring.scorer import Scorer
from training.evaluation.measures import Judged
from training.fitting import Track
from training.reading import Labelled

CHUNK: Final = 10_000  # sessions scored at once: bounds the memory


def judge(scorer: Scorer, data: Labelled, track: Track) -> Judged:
    """What the set says of each session."""
    starts = range(0, len(data), CHUNK)
    scored = [
        scorer.score_columns(data.take(np.arange(at, min(at + CHUNK, len(data)))).columns)
        for at in track(starts, "scoring")
    ]
    return Judged.of(
        data.label,
        np.concatenate([each.scores for each in scored]),
        np.concatenate([each.levels for each in scored]),
        np.concatenate([each.labels for each in scored]) == 1,
    )


def prepare(scorer: Scorer, columns: Columns) -> Prepared:
    """The sessions without gaps, as the set fills them."""
    model = scorer.artifacts.model
    return Preprocessor(model.imputation, model.classes, model.feature_names).prepare(columns)


def with_field(columns: Columns, field: int, order: NDArray[np.int64]) -> Columns:
    """The sessions with the values of one field, by its place in the contract's table, in another `order`."""
    numbers, codes, hours = columns.numbers.copy(), columns.codes.copy(), columns.hours
    if field < len(numbers):
        numbers[field] = numbers[field][order]
    elif (place := field - len(numbers)) < len(codes):
        codes[place] = codes[place][order]
    else:
        hours = hours[order]
    return replace(columns, numbers=numbers, codes=codes, hours=hours)
