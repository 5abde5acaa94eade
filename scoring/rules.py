"""The reason codes, their order and their phrases.

The rules that hold for an event make a pattern: an integer whose bit i is set when rule i holds.
"""

import functools
from typing import Final, Literal, NamedTuple, get_args

LOW: Final = 0
MEDIUM: Final = 1
HIGH: Final = 2
RiskLevel = Literal["Low", "Medium", "High"]
LEVELS: Final[tuple[RiskLevel, ...]] = get_args(RiskLevel)
MOST_REASONS: Final = (0, 1, 3)  # by level
ReasonCode = Literal[
    "large_amount_odd_hour",
    "very_many_clicks",
    "extreme_mouse_movement",
    "many_touches_mobile",
    "motion_spike_mobile",
    "unusual_time_on_page",
    "no_keys_large_amount",
    "very_large_amount",
    "no_clicks",
    "no_touches_mobile",
    "moderately_unusual",
    "multiple_signals",
]
"""Why a session is Medium or High. A later version may know more."""
REASON_CODES: Final[tuple[ReasonCode, ...]] = get_args(ReasonCode)
"""All reasons of a verdict: the rules by precedence, then the codes for when none holds."""
RULES: Final = REASON_CODES[:-2]
"""The codes of the rules; matching_rules in scoring/kernels/features.py has their conditions."""
WHEN_NONE_HOLDS: Final = REASON_CODES[-2:]  # Medium, High


class Explanation(NamedTuple):
    """`reason_codes` and `risk_reason` of a verdict."""

    codes: list[ReasonCode]
    phrase: str


@functools.cache  # at most 3 x 1,024 of them
def explain(pattern: int, level: int) -> Explanation:
    """Return the reasons of a verdict of `level` when the rules of `pattern` hold: none, the first, or three."""
    if level == LOW:
        return Explanation([], "")
    held = [code for i, code in enumerate(RULES) if pattern >> i & 1]
    codes = held[: MOST_REASONS[level]] or [WHEN_NONE_HOLDS[level - MEDIUM]]
    return Explanation(codes, "; ".join(code.replace("_", " ") for code in codes))
