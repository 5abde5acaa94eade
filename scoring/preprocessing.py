"""From decoded columns to the model's matrix: impute, derive, encode, order, scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from scoring import reasons
from scoring.contract import CATEGORIES, NUMERIC, UNKNOWN
from scoring.decoding import NO_HOUR, Columns
from scoring.features import DERIVED, LARGE_SCREENS, SMALL_SCREENS, Imputed, derive
from scoring.pickles import Imputation


@dataclass(frozen=True, slots=True)
class Prepared:
    """n events without gaps."""

    gaps: NDArray[np.bool_]  # (16, n): which fields were imputed
    unseen: NDArray[np.bool_]  # (6, n): which categories the encoder has never seen
    raw: Imputed
    codes: NDArray[np.float64]  # (6, n): categories, encoded
    patterns: NDArray[np.int64]  # (n,): which rules hold


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A category's strings, each with its place in a table; the last place is for whatever is not among them."""

    places: dict[str | None, int]
    codes: NDArray[np.float64]  # place -> encoder's code
    unseen: NDArray[np.bool_]  # place -> the encoder has never seen it
    strings: NDArray[np.object_]  # place -> the string itself, None for the last

    def look_up(self, values: Sequence[str | None]) -> NDArray[np.int64]:
        """(n,): the place of each value."""
        last = len(self.codes) - 1
        return np.fromiter(map(self.places.get, values, repeat(last)), dtype=np.int64, count=len(values))

    def is_in(self, strings: frozenset[str]) -> NDArray[np.bool_]:
        """place -> whether its string is one of `strings`."""
        return np.array([string in strings for string in self.strings])


def vocabulary(classes: Sequence[str], imputed: str, special: frozenset[str]) -> Vocabulary:
    """`special` are the strings that rules ask for: they need a place even when the encoder has never seen them."""
    strings = [*classes, *sorted(special - set(classes)), None]
    places: dict[str | None, int] = {string: place for place, string in enumerate(strings) if string is not None}
    places[None] = places[imputed]
    unseen = np.array([place >= len(classes) for place in range(len(strings))])
    codes = np.where(unseen, list(classes).index(UNKNOWN), np.arange(len(strings))).astype(np.float64)
    return Vocabulary(places, codes, unseen, np.array(strings, dtype=object))


class Preprocessor:
    """Fills gaps and encodes, with the values and classes of one set of artifacts."""

    def __init__(self, imputation: Imputation, classes: Mapping[str, Sequence[str]]) -> None:
        special = {"device_type": frozenset({"Mobile"}), "screen_size": SMALL_SCREENS | LARGE_SCREENS}
        self._imputation = imputation
        self._vocabularies = [
            vocabulary(classes[field], imputed, special.get(field, frozenset()))
            for field, imputed in zip(CATEGORIES, imputation.categories, strict=True)
        ]
        devices, screens = self._vocabularies[0], self._vocabularies[1]
        self._mobile = devices.is_in(special["device_type"])
        self._small, self._large = screens.is_in(SMALL_SCREENS), screens.is_in(LARGE_SCREENS)

    def prepare(self, columns: Columns) -> Prepared:
        """Fill the gaps, look up the categories, ask the rules."""
        fill = self._imputation
        gaps = self._gaps(columns)
        numbers = np.where(gaps[: len(NUMERIC)], fill.numbers[:, None], columns.numbers)
        hours = np.where(columns.hours == NO_HOUR, fill.hour, columns.hours)
        places = [v.look_up(c) for v, c in zip(self._vocabularies, columns.categories, strict=True)]
        device, screen = places[0], places[1]
        odd_hour = (hours >= 1) & (hours <= 3)
        raw = Imputed(numbers, odd_hour, self._mobile[device], self._small[screen], self._large[screen])
        codes = np.array([v.codes[p] for v, p in zip(self._vocabularies, places, strict=True)])
        unseen = np.array([v.unseen[p] for v, p in zip(self._vocabularies, places, strict=True)])
        return Prepared(gaps, unseen, raw, codes, reasons.patterns(raw))

    def category(self, field: str, value: str | None) -> str:
        """The string of a category, its gap filled."""
        return self._imputation.categories[CATEGORIES.index(field)] if value is None else value

    @staticmethod
    def _gaps(columns: Columns) -> NDArray[np.bool_]:
        absent = [[value is None for value in column] for column in columns.categories]
        return np.vstack([np.isnan(columns.numbers), np.array(absent, dtype=np.bool_), columns.hours == NO_HOUR])


def matrix(prepared: Prepared, feature_names: Sequence[str]) -> NDArray[np.float64]:
    """(features, n), unscaled, in the order of `feature_names`; a name that is no feature counts 0."""
    raw = prepared.raw
    columns = derive(raw, prepared.patterns & reasons.OBVIOUS != 0)
    columns.update(zip(NUMERIC, raw.numbers, strict=True))
    columns.update(zip(CATEGORIES, prepared.codes, strict=True))
    features = np.zeros((len(feature_names), len(prepared.patterns)))
    for row, name in enumerate(feature_names):
        if name in columns:
            features[row] = columns[name]
    return features


def unknown_features(feature_names: Sequence[str]) -> list[str]:
    """The names that are neither raw nor derived."""
    known = {*NUMERIC, *CATEGORIES, *DERIVED}
    return [name for name in feature_names if name not in known]
