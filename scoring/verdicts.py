"""What the core says of events: a Verdict for one, columns for a batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.reasons import LEVELS, Explanation


@dataclass(frozen=True, slots=True)
class Contribution:
    """How far one feature moved a score: `value` on the raw scale (a category's string), `contribution` signed."""

    feature: str
    value: float | str
    contribution: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the core says of one event (the fields are those of the scoring contract)."""

    predicted_label: int
    anomaly_score: float  # the forest's score, in [0, 1]
    risk_level: str
    risk_reason: str
    reason_codes: list[str]
    imputed_fields: list[str]
    contributions: list[Contribution]  # the five largest; only for High, else empty
    base_rate: float  # the score before any feature spoke: with the contributions of all features it is the score

    def as_dict(self) -> dict[str, Any]:
        """The four output fields, the reason codes and the imputed fields, as they go over the wire."""
        return {
            "predicted_label": self.predicted_label,
            "anomaly_score": self.anomaly_score,
            "risk_level": self.risk_level,
            "risk_reason": self.risk_reason,
            "reason_codes": self.reason_codes,
            "imputed_fields": self.imputed_fields,
        }


@dataclass(frozen=True, slots=True)
class Scored:
    """The verdicts on n valid events, as columns. The lists inside are shared: read them, do not change them."""

    scores: NDArray[np.float64]  # (n,)
    labels: NDArray[np.int64]  # (n,), 0 or 1
    levels: NDArray[np.int64]  # (n,), place in reasons.LEVELS
    explanations: list[Explanation]
    imputed: list[list[str]]
    gaps: NDArray[np.bool_]  # (16, n), in the order of the contract's table
    unseen: NDArray[np.bool_]  # (6, n): categories that the encoder has never seen
    contributions: dict[int, list[Contribution]]  # row -> the five largest, for each High one
    base_rate: float

    def verdict(self, row: int) -> Verdict:
        """One row as an object of its own."""
        codes, phrase = self.explanations[row]
        return Verdict(
            predicted_label=int(self.labels[row]),
            anomaly_score=float(self.scores[row]),
            risk_level=LEVELS[self.levels[row]],
            risk_reason=phrase,
            reason_codes=list(codes),
            imputed_fields=list(self.imputed[row]),
            contributions=self.contributions.get(row, []),
            base_rate=self.base_rate,
        )
