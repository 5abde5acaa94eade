"""From decoded columns to the model's matrix: impute, derive, encode, order, scale."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring import reasons
from scoring.columns import Columns
from scoring.contract import CATEGORIES, MODEL_FIELDS, NUMERIC
from scoring.features import DERIVED, LARGE_SCREENS, MOBILE, SMALL_SCREENS, Flags, Imputed, as_bits, derive
from scoring.localtime import NO_HOUR
from scoring.pickles import Imputation
from scoring.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Prepared:
    """n events without gaps."""

    gaps: Flags  # (16, n): which fields were imputed
    gap_bits: NDArray[np.int64]  # (n,): the same, bit i for field i
    unseen: Flags  # (6, n): which categories the encoder has never seen
    raw: Imputed
    codes: NDArray[np.float64]  # (6, n): categories, encoded
    patterns: NDArray[np.int64]  # (n,): which rules hold


class Preprocessor:
    """Fills gaps and encodes, with the values and classes of one set of artifacts."""

    def __init__(self, imputation: Imputation, classes: Mapping[str, Sequence[str]]) -> None:
        self._imputation = imputation
        self._vocabulary = Vocabulary(classes, imputation.categories)
        self._mobile, self._small, self._large = map(
            self._vocabulary.is_in, (frozenset({MOBILE}), SMALL_SCREENS, LARGE_SCREENS)
        )

    def prepare(self, columns: Columns) -> Prepared:
        """Fill the gaps, look up the categories, ask the rules."""
        fill, vocabulary = self._imputation, self._vocabulary
        places = vocabulary.look_up(columns)
        device, screen = places[0], places[1]
        missing, no_hour = np.isnan(columns.numbers), columns.hours == NO_HOUR
        gaps = np.concatenate([missing, vocabulary.gap[places], no_hour[None]])
        hours = np.where(no_hour, fill.hour, columns.hours)
        raw = Imputed(
            np.where(missing, fill.numbers[:, None], columns.numbers),
            (hours >= 1) & (hours <= 3),
            self._mobile[device],
            self._small[screen],
            self._large[screen],
        )
        return Prepared(
            gaps, as_bits(gaps), vocabulary.unseen[places], raw, vocabulary.codes[places], reasons.patterns(raw)
        )

    def category(self, field: str, value: str | None) -> str:
        """The string of a category, its gap filled."""
        return self._imputation.categories[CATEGORIES.index(field)] if value is None else value


def matrix(prepared: Prepared, feature_names: Sequence[str]) -> NDArray[np.float64]:
    """(features, n), unscaled, in the order of `feature_names`; a name that is no feature counts 0."""
    raw = prepared.raw
    columns: dict[str, NDArray[Any]] = derive(raw, prepared.patterns & reasons.OBVIOUS != 0)
    columns.update(zip(NUMERIC, raw.numbers, strict=True))
    columns.update(zip(CATEGORIES, prepared.codes, strict=True))
    nothing = np.zeros(len(prepared.patterns))
    rows = [columns.get(name, nothing) for name in feature_names]
    return np.concatenate(rows, dtype=np.float64).reshape(len(rows), -1)


@functools.cache  # at most 65,536, one a pattern of gaps
def imputed_fields(gap_bits: int) -> list[str]:
    """The fields that were imputed, in the contract's order. The list is shared: read it, do not change it."""
    return [field for i, field in enumerate(MODEL_FIELDS) if gap_bits >> i & 1]


def unknown_features(feature_names: Sequence[str]) -> list[str]:
    """The names that are neither raw nor derived."""
    known = {*NUMERIC, *CATEGORIES, *DERIVED}
    return [name for name in feature_names if name not in known]
