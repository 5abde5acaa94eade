"""One table of rules: the terms of `obvious_anomaly_flag`, the reason codes, their phrases.

Which rules hold for an event is a pattern: an integer whose bit i is set when rule i holds.
"""

import functools
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from scoring.features import Flags, Imputed, as_bits

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
WHEN_NONE_HOLDS: Final[tuple[ReasonCode, ReasonCode]] = ("moderately_unusual", "multiple_signals")  # Medium, High


class Rule(NamedTuple):
    """A reason code, and when it holds."""

    code: ReasonCode
    holds: Callable[[Imputed], Flags]


RULES: Final = (
    Rule("large_amount_odd_hour", lambda e: e.large & e.odd_hour),
    Rule("very_many_clicks", lambda e: e["click_events"] >= 30),
    Rule("extreme_mouse_movement", lambda e: e["mouse_movement"] >= 1500),
    Rule("many_touches_mobile", lambda e: e.mobile & (e["touch_events"] >= 20)),
    Rule("motion_spike_mobile", lambda e: e.mobile & (e["device_motion"] >= 3.0)),
    Rule("unusual_time_on_page", lambda e: (e["time_on_page"] == 10) | (e["time_on_page"] == 600)),
    Rule("no_keys_large_amount", lambda e: (e["keyboard_events"] == 0) & (e["transaction_amount"] > 5000)),
    Rule("very_large_amount", lambda e: e.large),
    Rule("no_clicks", lambda e: e["click_events"] == 0),
    Rule("no_touches_mobile", lambda e: e.mobile & (e["touch_events"] == 0)),
)
REASON_CODES: Final[tuple[ReasonCode, ...]] = (*(rule.code for rule in RULES), *WHEN_NONE_HOLDS)
"""All that a verdict may give as its reasons."""
OBVIOUS: Final = 0b111_1111
"""The first seven rules, as a pattern: the terms of `obvious_anomaly_flag`."""


class Explanation(NamedTuple):
    """`reason_codes` and `risk_reason` of a verdict."""

    codes: list[ReasonCode]
    phrase: str


def patterns(events: Imputed) -> NDArray[np.int64]:
    """(n,): which rules hold for each event."""
    return as_bits(np.array([rule.holds(events) for rule in RULES]))


@functools.cache  # at most 3 x 1,024 of them
def explain(pattern: int, level: int) -> Explanation:
    """The reasons that a verdict of `level` gives when the rules of `pattern` hold: none, the first, or three."""
    if level == LOW:
        return Explanation([], "")
    held = [rule.code for i, rule in enumerate(RULES) if pattern >> i & 1]
    codes = held[: MOST_REASONS[level]] or [WHEN_NONE_HOLDS[level - MEDIUM]]
    return Explanation(codes, "; ".join(code.replace("_", " ") for code in codes))
