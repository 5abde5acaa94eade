"""The derived features: the one implementation, for training and for serving."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, COUNTS, NUMERIC

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]

MOBILE: Final = "Mobile"
SMALL_SCREENS: Final = frozenset({"360x640", "414x896"})
LARGE_SCREENS: Final = frozenset({"1920x1080", "1440x900"})


@dataclass(frozen=True)
class Imputed:
    """n events without gaps: the raw values that rules and derived features look at."""

    numbers: Numbers  # (9, n), in the order of the contract's table
    odd_hour: Flags  # (n,): hour 1, 2 or 3
    mobile: Flags
    small_screen: Flags
    large_screen: Flags

    def __getitem__(self, field: str) -> Numbers:
        return self._by_name[field]

    @cached_property
    def _by_name(self) -> dict[str, Numbers]:
        return dict(zip(NUMERIC, self.numbers, strict=True))

    @cached_property
    def large(self) -> Flags:
        """Whether the amount is large."""
        return self["transaction_amount"] > 10_000


def as_bits(flags: Flags) -> NDArray[np.int64]:
    """(k, n) flags -> (n,): bit i is set where flag i is."""
    bits: NDArray[np.int64] = (1 << np.arange(len(flags))) @ flags
    return bits


def derive(events: Imputed, obvious: Flags) -> dict[str, Numbers | Flags]:
    """The eighteen derived features, each (n,). `obvious` is `obvious_anomaly_flag`, which the rules decide."""
    clicks, scrolls, touches, keys, mouse = (events[field] for field in COUNTS)
    motion, time, amount = events["device_motion"], events["time_on_page"], events["transaction_amount"]
    seconds = np.where(time == 0, 1.0, time)
    main, six = events.numbers[:5], events.numbers[:6]
    return {
        "obvious_anomaly_flag": obvious,
        "clicks_per_sec": clicks / seconds,
        "scrolls_per_sec": scrolls / seconds,
        "touches_per_sec": touches / seconds,
        "keyboard_per_sec": keys / seconds,
        "interaction_score": 0.3 * clicks + 0.2 * scrolls + 0.2 * touches + 0.2 * keys + 0.1 * mouse + 0.1 * motion,
        "is_odd_hour": events.odd_hour,
        "is_large_transaction": events.large,
        "is_short_session": time < 30,
        "interaction_diversity": (six > 0).sum(axis=0, dtype=np.float64),
        "behavioural_consistency": main.min(axis=0) / (main.max(axis=0) + 1e-6),
        "input_to_navigation_ratio": (keys + touches) / (clicks + scrolls + 1),
        "active_to_passive_ratio": (clicks + keys + touches) / (time + 1),
        "session_complexity": (six > 5).sum(axis=0, dtype=np.float64),
        "transaction_per_min": amount / (time / 60 + 1),
        "is_high_value_short_session": events.large & (time < 60),
        "is_small_screen": events.small_screen,
        "is_large_screen": events.large_screen,
    }


DERIVED: Final = (
    "obvious_anomaly_flag",
    "clicks_per_sec",
    "scrolls_per_sec",
    "touches_per_sec",
    "keyboard_per_sec",
    "interaction_score",
    "is_odd_hour",
    "is_large_transaction",
    "is_short_session",
    "interaction_diversity",
    "behavioural_consistency",
    "input_to_navigation_ratio",
    "active_to_passive_ratio",
    "session_complexity",
    "transaction_per_min",
    "is_high_value_short_session",
    "is_small_screen",
    "is_large_screen",
)
FEATURES: Final = (*NUMERIC, *CATEGORIES, *DERIVED)
"""Every feature there is; our own training uses them in this order."""
