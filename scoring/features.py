"""The names of the features. scoring/kernels/features.py computes them, for training and for serving."""

from typing import Final

from scoring.contract import CATEGORIES, NUMERIC

MOBILE: Final = "Mobile"
SMALL_SCREENS: Final = frozenset({"360x640", "414x896"})
LARGE_SCREENS: Final = frozenset({"1920x1080", "1440x900"})


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
"""All features, in the order of training."""
