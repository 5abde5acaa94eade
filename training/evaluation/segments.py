"""Whether a set treats all devices and cities alike: the same measures, segment by segment."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES
from training.evaluation.bootstrap import Key, Measured, Part
from training.evaluation.measures import Flags, Judged, at_threshold
from training.evaluation.parts import taken
from training.evaluation.ranking import Floats
from training.reading import Labelled

FIELDS: Final = ("device_type", "geolocation_city")
MOST: Final = 20  # segments of a field that are shown one by one
LEAST_SESSIONS: Final = 200  # of a segment of its own
LEAST_ATTACKS: Final = 10  # with fewer, average precision and recall are chance
GAP: Final = "(gap)"
REST: Final = "(all others)"


def segments(judged: Judged, data: Labelled) -> Iterator[Part]:
    """Each device type and city with 200 sessions or more, the largest first; the smaller ones as one."""
    for field in FIELDS:
        column = data.columns.category_column(CATEGORIES.index(field))
        values = np.array([GAP if value is None else value for value in column], dtype=object)
        count = Counter(values.tolist())
        large = sorted((value for value in count if count[value] >= LEAST_SESSIONS), key=lambda v: (-count[v], v))
        for value in large[:MOST]:
            yield _segment(judged, values == value, f"{field}={value}")
        rest = ~np.isin(values.astype(str), np.array(large[:MOST], dtype=str))
        if rest.any():
            yield _segment(judged, rest, f"{field}={REST}")


def _segment(judged: Judged, rows: Flags, name: str) -> Part:
    some = taken(judged, rows)
    places = np.flatnonzero(rows)
    return Part("segment", len(some.label), _measured(some, places, name))


def _measured(some: Judged, places: NDArray[np.int64], name: str) -> Measured:
    enough = int(some.label.sum()) >= LEAST_ATTACKS

    def measured(weights: Floats) -> dict[Key, float]:
        weight = weights[places]
        total = float(weight.sum())
        if not total:
            return {(name, each): np.nan for each in _NAMES}
        found = at_threshold("", some.called, some.label, weight)
        return {
            (name, "prevalence"): float((weight * some.label).sum() / total),
            (name, "average_precision"): some.ranking.curve(weight).average_precision() if enough else np.nan,
            (name, "recall"): found["recall"] if enough else np.nan,
            (name, "false_positive_rate"): found["false_positive_rate"],
        }

    return measured


_NAMES: Final = ("prevalence", "average_precision", "recall", "false_positive_rate")
