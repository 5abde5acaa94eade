"""Turn decoded columns into the features of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns, Lookup
from scoring.contract import CATEGORIES, UNKNOWN
from scoring.kernels import features as kernel
from scoring.kernels.compiled import compiled
from scoring.model import FEATURES, LARGE_SCREENS, MOBILE, SMALL_SCREENS, Imputation

_FLAGS: Final = {
    "device_type": {MOBILE: kernel.MOBILE},
    "screen_size": dict.fromkeys(SMALL_SCREENS, kernel.SMALL_SCREEN)
    | dict.fromkeys(LARGE_SCREENS, kernel.LARGE_SCREEN),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """n events without gaps."""

    raw: NDArray[np.float64]  # (features, n), unscaled, in the order of the model; 0 for a name that is no feature
    patterns: NDArray[np.int64]  # (n,): bit i is set when rule i of rules.RULES holds
    gap_bits: NDArray[np.int64]  # (n,): bit i is set when field i of MODEL_FIELDS was imputed
    unseen_bits: NDArray[np.int64]  # (n,): bit i is set when the encoder has never seen category i


class Preprocessor:
    """Fill gaps, encode categories and derive features with the values and classes of one set of artifacts."""

    def __init__(
        self, imputation: Imputation, classes: Mapping[str, Sequence[str]], feature_names: Sequence[str]
    ) -> None:
        self._imputation = imputation
        self._lookups = [
            _lookup(classes[name], gap, _FLAGS.get(name, {}))
            for name, gap in zip(CATEGORIES, imputation.categories, strict=True)
        ]
        self._fill = np.array(imputation.numbers, dtype=np.float64)
        indices = {name: i for i, name in enumerate(FEATURES)}
        self._order = np.array([indices.get(name, len(FEATURES)) for name in feature_names])
        self._kernels = compiled()

    def prepare(self, columns: Columns) -> Prepared:
        """Return the features of n events, and their rules, gaps and unseen categories as bits."""
        n = len(columns)
        entries, starts = columns.look_up(self._lookups)
        raw, bits = np.empty((len(self._order), n)), np.empty((3, n), np.int64)
        prepared = Prepared(raw, *bits)
        self._kernels.prepare(
            columns.numbers,
            columns.codes,
            columns.hours,
            entries,
            starts,
            self._fill,
            self._imputation.hour,
            self._order,
            prepared.raw,
            prepared.patterns,
            prepared.gap_bits,
            prepared.unseen_bits,
            np.empty(kernel.OWN_VALUES),
        )
        return prepared

    def category(self, field: str, value: str | None) -> str:
        """Return the string of a category, its gap filled."""
        return self._imputation.categories[CATEGORIES.index(field)] if value is None else value


def _lookup(classes: Sequence[str], imputed: str, flags: Mapping[str, int]) -> Lookup:
    """Return the entries of a category in the table of the kernel (its layout: kernels/features.py)."""
    codes = {string: code << kernel.CLASS_SHIFT for code, string in enumerate(classes)}
    other = codes[UNKNOWN] | kernel.UNSEEN
    known = {string: codes.get(string, other) | flags.get(string, 0) for string in {**codes, **flags}}
    return Lookup(known, other, known[imputed])


def unknown_features(feature_names: Sequence[str]) -> list[str]:
    """Return the names that are no features."""
    return [name for name in feature_names if name not in FEATURES]
