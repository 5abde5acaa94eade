"""The scores of events and their reasons: a Verdict for one event, columns for a batch."""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, MODEL_FIELDS
from scoring.kernels import compiled_lines
from scoring.rules import LEVELS, RULES, ReasonCode, RiskLevel, explain

Label = Literal[0, 1]
Rows = NDArray[np.bool_] | slice
Share = Annotated[float, Meta(ge=0, le=1)]

ALL: Final = slice(None)
MOST_CONTRIBUTIONS: Final = 5
"""An alert names this many features."""
_LARGEST: Final = sys.float_info.max

WIRE_FIELDS: Final[Mapping[str, type]] = {
    "predicted_label": int,
    "anomaly_score": float,
    "risk_level": str,
    "risk_reason": str,
    "reason_codes": list,
    "imputed_fields": list,
}
"""The output fields and the kinds of their values, in order: the first fields of `Verdict`. Each result, alert, scored
file and frame has them all."""


@dataclass(slots=True)  # not frozen: 0.2 µs instead of 1, and an alert has five
class Contribution:
    """How far one feature moved a score."""

    feature: Annotated[str, Meta(description="A column of the artifact set")]
    value: Annotated[float | str, Meta(description="The value before scaling; the string of a category")]
    contribution: Annotated[float, Meta(description="How much the feature raises (+) or lowers (-) the score")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The score of one event, and why."""

    predicted_label: Annotated[Label, Meta(description="1 if the score reaches the label's threshold, 0.5 by default")]
    anomaly_score: Annotated[Share, Meta(description="The forest's score, with all digits of a double")]
    risk_level: Annotated[RiskLevel, Meta(description="The risk level, by the thresholds of the artifact set")]
    risk_reason: Annotated[str, Meta(description="The reason codes in words, joined by '; '; empty for Low")]
    reason_codes: Annotated[
        list[ReasonCode], Meta(description="The reasons by precedence: none for Low, 1 for Medium, up to 3 for High")
    ]
    imputed_fields: Annotated[list[str], Meta(description="The missing fields that were imputed")]
    contributions: Annotated[
        list[Contribution],
        Meta(description="The five features that moved the score most; empty unless High; `explain` gives all"),
    ]
    base_rate: Annotated[
        Share, Meta(description="The score without any features; adding all contributions gives the score")
    ]

    def as_dict(self) -> dict[str, Any]:
        """Return the output fields, `WIRE_FIELDS`."""
        return {name: getattr(self, name) for name in WIRE_FIELDS}


@dataclass(frozen=True, slots=True)
class Packing:
    """A verdict without its score as one number: label 1 bit, level 2, then a bit for each rule and each field."""

    rules: int  # their number

    def __post_init__(self) -> None:
        if self._gaps + len(MODEL_FIELDS) > 63:
            raise ValueError("a verdict does not fit 64 bits: too many rules")

    @property
    def _gaps(self) -> int:
        return 3 + self.rules

    def pack(
        self,
        gap_bits: NDArray[np.int64],
        rules: NDArray[np.int64],
        levels: NDArray[np.int64],
        labels: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return one number for each row; all arrays are (n,)."""
        return gap_bits << self._gaps | rules << 3 | levels << 1 | labels

    def unpack(self, number: int) -> tuple[int, int, int, int]:
        """Return gaps, rules, level and label of one number."""
        return number >> self._gaps, number >> 3 & (1 << self.rules) - 1, number >> 1 & 3, number & 1


_PACKING: Final = Packing(len(RULES))


class SharedFields(NamedTuple):
    """The output fields that one packed number stands for, in order; without the score, which is each event's own.

    Treat the lists as read-only: verdicts share them.
    """

    predicted_label: int
    risk_level: RiskLevel
    risk_reason: str
    reason_codes: list[ReasonCode]
    imputed_fields: list[str]


@functools.lru_cache(maxsize=4096)  # some dozens are usual
def unpack_verdict(packed: int) -> SharedFields:
    """Return the output fields that one of `Scored.meanings` stands for."""
    gaps, rules, level, label = _PACKING.unpack(packed)
    codes, phrase = explain(rules, level)
    return SharedFields(label, LEVELS[level], phrase, codes, imputed_fields(gaps))


@functools.cache  # at most 65,536, one for each pattern of gaps
def imputed_fields(gap_bits: int) -> list[str]:
    """Return the imputed fields in the contract's order. Treat the list as read-only: callers share it."""
    return [field for i, field in enumerate(MODEL_FIELDS) if gap_bits >> i & 1]


@dataclass(frozen=True, slots=True)
class Scored:
    """The verdicts on n valid events, as columns. `explain` and `imputed_fields` translate the bit patterns."""

    scores: NDArray[np.float64]  # (n,)
    labels: NDArray[np.int64]  # (n,), 0 or 1
    levels: NDArray[np.int64]  # (n,), index in rules.LEVELS
    rules: NDArray[np.int64]  # (n,): bit i is set when rule i of rules.RULES holds
    gap_bits: NDArray[np.int64]  # (n,): bit i is set when field i of MODEL_FIELDS was imputed
    unseen_bits: NDArray[np.int64]  # (n,): bit i is set when the encoder has never seen category i
    contributions: dict[int, list[Contribution]]  # row -> the five largest, for High rows only
    base_rate: float

    def meanings(self) -> NDArray[np.int64]:
        """Return each verdict without its score as one number, (n,). Few differ, so callers cache what they encode."""
        return _PACKING.pack(self.gap_bits, self.rules, self.levels, self.labels)

    def distinct_meanings(self) -> tuple[list[int], NDArray[np.int64]]:
        """Return the distinct meanings, and the index of each row's among them, (n,)."""
        meanings = self.meanings()
        codes, distinct = np.empty((2, len(meanings)), np.int64)
        slots = np.zeros(1 << (2 * len(meanings)).bit_length(), np.int32)
        count = compiled_lines().number_distinct(meanings, codes, distinct, slots)
        return distinct[:count].tolist(), codes

    def gap_counts(self, rows: Rows = ALL) -> NDArray[np.int64]:
        """Return how often each field of MODEL_FIELDS was imputed in these rows, (16,)."""
        return _count_bits(self.gap_bits[rows], len(MODEL_FIELDS))

    def unseen_counts(self, rows: Rows = ALL) -> NDArray[np.int64]:
        """Return how often each category had a value that the encoder has never seen in these rows, (6,)."""
        return _count_bits(self.unseen_bits[rows], len(CATEGORIES))

    def verdict(self, row: int) -> Verdict:
        """Return one row as an object with lists of its own."""
        level = int(self.levels[row])
        codes, phrase = explain(int(self.rules[row]), level)
        return Verdict(
            predicted_label=1 if self.labels[row] else 0,
            anomaly_score=float(self.scores[row]),
            risk_level=LEVELS[level],
            risk_reason=phrase,
            reason_codes=list(codes),
            imputed_fields=list(imputed_fields(int(self.gap_bits[row]))),
            contributions=self.contributions.get(row, []),
            base_rate=self.base_rate,
        )


def output_columns(scored: Scored) -> dict[str, Sequence[Any] | NDArray[Any]]:
    """Return `WIRE_FIELDS` by name, with n values: arrays of numbers, lists of all else."""
    unpacked = [unpack_verdict(packed) for packed in scored.meanings().tolist()]
    number_columns = {"predicted_label": scored.labels, "anomaly_score": scored.scores}
    return {
        name: number_columns[name] if name in number_columns else [getattr(fields, name) for fields in unpacked]
        for name in WIRE_FIELDS
    }


def _count_bits(bits: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Return how often each bit is set, (width,). Skips rows of zero, which most are."""
    some = bits[bits != 0]
    counts: NDArray[np.int64] = (some[:, None] >> np.arange(width) & 1).sum(axis=0)
    return counts


def largest_contributions(  # noqa: PLR0913, PLR0917 - what was computed of the rows, and how it reads
    names: Sequence[str],
    raw: NDArray[np.float64],
    rows: NDArray[np.int64],
    moved: NDArray[np.float64],
    largest: NDArray[np.int64],
    text: Callable[[str, int], str],
) -> dict[int, list[Contribution]]:
    """Return by row the features that moved its score most.

    `raw` has all events, (features, n); `moved` the k at `rows`, (k, features), and `largest` the indices of their
    features, (k, most). `text` returns the string of a category in one row.
    """
    most, features = largest.shape[1], largest.ravel()  # row by row, as all below
    # a rate over next to no time is infinite, which JSON has not
    values: list[float | str] = np.minimum(raw[largest, rows[:, None]], _LARGEST).ravel().tolist()
    is_category = np.array([name in CATEGORIES for name in names])
    for i in np.flatnonzero(is_category[features]).tolist():
        values[i] = text(names[features[i]], int(rows[i // most]))
    sizes = np.take_along_axis(moved, largest, axis=1).ravel().tolist()
    flat = list(map(Contribution, map(names.__getitem__, features.tolist()), values, sizes))
    return {row: flat[i * most : (i + 1) * most] for i, row in enumerate(rows.tolist())}
