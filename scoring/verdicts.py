"""What the core says of events: a Verdict for one, columns for a batch."""

import functools
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, MODEL_FIELDS
from scoring.preprocessing import imputed_fields
from scoring.rules import LEVELS, RULES, ReasonCode, RiskLevel, explain

Label = Literal[0, 1]
Rows = NDArray[np.bool_] | slice
ALL: Final = slice(None)
Share = Annotated[float, Meta(ge=0, le=1)]


@dataclass(slots=True)  # not frozen, which makes it take 1 µs instead of 0.2: an alert has five
class Contribution:
    """How far one feature moved a score."""

    feature: Annotated[str, Meta(description="A column of the artifact set")]
    value: Annotated[float | str, Meta(description="On the raw scale; of a category its string")]
    contribution: Annotated[float, Meta(description="Signed, a difference of scores")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The score of one event, and why."""

    predicted_label: Annotated[Label, Meta(description="1 from the label's threshold on (0.5)")]
    anomaly_score: Annotated[Share, Meta(description="The forest's probability of an attack, the full double")]
    risk_level: Annotated[RiskLevel, Meta(description="By the thresholds of the artifact set")]
    risk_reason: Annotated[str, Meta(description="The reason codes in words, joined by '; '; empty for Low")]
    reason_codes: Annotated[
        list[ReasonCode], Meta(description="Why, by precedence: none for Low, 1 for Medium, up to 3 for High")
    ]
    imputed_fields: Annotated[list[str], Meta(description="The fields that were missing and filled")]
    contributions: Annotated[
        list[Contribution], Meta(description="The five features that moved the score most; empty unless High")
    ]
    base_rate: Annotated[
        Share, Meta(description="The score before any feature counts: with all contributions it is the score")
    ]

    def as_dict(self) -> dict[str, Any]:
        """Return the first six fields, as they go over the wire."""
        return {name: getattr(self, name) for name in WIRE_FIELDS}


WIRE_FIELDS: Final = (
    "predicted_label",
    "anomaly_score",
    "risk_level",
    "risk_reason",
    "reason_codes",
    "imputed_fields",
)
"""The fields of `Verdict.as_dict`."""


@dataclass(frozen=True, slots=True)
class Packing:
    """A verdict without its score as one number: label 1 bit, level 2, a bit for each rule, then for each field."""

    rules: int  # how many there are

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
        """(n,) each -> (n,)."""
        return gap_bits << self._gaps | rules << 3 | levels << 1 | labels

    def unpack(self, number: int) -> tuple[int, int, int, int]:
        """Return gaps, rules, level and label of one number."""
        return number >> self._gaps, number >> 3 & (1 << self.rules) - 1, number >> 1 & 3, number & 1


_PACKING: Final = Packing(len(RULES))


class Meaning(NamedTuple):
    """What a verdict says beside the score. The lists are shared: read them, do not change them."""

    label: int
    level: RiskLevel
    phrase: str
    codes: list[ReasonCode]
    imputed: list[str]


@functools.lru_cache(maxsize=4096)  # some dozens are usual
def meaning(number: int) -> Meaning:
    """What one of `Scored.meanings` stands for."""
    gaps, rules, level, label = _PACKING.unpack(number)
    codes, phrase = explain(rules, level)
    return Meaning(label, LEVELS[level], phrase, codes, imputed_fields(gaps))


@dataclass(frozen=True, slots=True)
class Scored:
    """The verdicts on n valid events, as columns: `explain` and `imputed_fields` put their bit patterns into words."""

    scores: NDArray[np.float64]  # (n,)
    labels: NDArray[np.int64]  # (n,), 0 or 1
    levels: NDArray[np.int64]  # (n,), place in reasons.LEVELS
    rules: NDArray[np.int64]  # (n,): bit i is set when rule i of reasons.RULES holds
    gap_bits: NDArray[np.int64]  # (n,): bit i is set when field i of MODEL_FIELDS was imputed
    unseen_bits: NDArray[np.int64]  # (n,): bit i is set when the encoder has never seen category i
    contributions: dict[int, list[Contribution]]  # row -> the five largest, for each High one
    base_rate: float

    def meanings(self) -> NDArray[np.int64]:
        """(n,): what each verdict says beside the score, as a number. Few differ, so what is made of one is kept."""
        return _PACKING.pack(self.gap_bits, self.rules, self.levels, self.labels)

    def gap_counts(self, rows: Rows = ALL) -> NDArray[np.int64]:
        """Return how often each field of MODEL_FIELDS was imputed, (16,), in these rows."""
        return _count_bits(self.gap_bits[rows], len(MODEL_FIELDS))

    def unseen_counts(self, rows: Rows = ALL) -> NDArray[np.int64]:
        """Return how often each category was one that the encoder has never seen, (6,), in these rows."""
        return _count_bits(self.unseen_bits[rows], len(CATEGORIES))

    def verdict(self, row: int) -> Verdict:
        """One row as an object of its own."""
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


def _count_bits(bits: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Return how often each bit is set, (width,). Most rows have none, so the others alone are taken apart."""
    some = bits[bits != 0]
    counts: NDArray[np.int64] = (some[:, None] >> np.arange(width) & 1).sum(axis=0)
    return counts
