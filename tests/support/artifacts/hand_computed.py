"""A scorer whose every score can be worked out by hand, so that messages can be compared byte for byte."""

from typing import Any

import numpy as np

from consumer.records import Batch, Headers
from scoring import Scorer
from scoring.artifacts import Artifacts, Thresholds
from scoring.contract import CATEGORIES
from scoring.model import Imputation, Model, Tree

VERSION = "2026.11.23-5f0c2a9b"
FEATURES = ("transaction_amount", "click_events", "device_type")
LEAF = -1


def stump(feature: str, threshold: float, base: float, left: float, right: float) -> Tree:
    """A tree that asks one question: up to `threshold` the answer is `left`, above it `right`."""
    return Tree(
        left=np.array([1, LEAF, LEAF]),
        right=np.array([2, LEAF, LEAF]),
        feature=np.array([FEATURES.index(feature), 0, 0]),
        threshold=np.array([threshold, 0.0, 0.0]),
        probability=np.array([base, left, right]),
    )


def scorer() -> Scorer:
    """Two trees: scores 0.125 (small amount, few clicks), 0.5 (one of them large) and 0.875 (both)."""
    model = Model(
        trees=(stump("transaction_amount", 9000, 0.5, 0.25, 1.0), stump("click_events", 20, 0.25, 0.0, 0.75)),
        mean=np.zeros(len(FEATURES)),
        scale=np.ones(len(FEATURES)),
        classes=dict.fromkeys(CATEGORIES, ("Mobile", "PC", "unknown")),
        feature_names=FEATURES,
        imputation=Imputation(np.array([5.0, 5, 5, 5, 100, 0, 60, 0, 50]), ("PC",) * len(CATEGORIES), 12),
    )
    return Scorer(Artifacts(VERSION, "5f0c2a9b" * 8, Thresholds(), model, None))


def batch(*values: bytes | None, headers: Headers | None = None, **columns: Any) -> Batch:
    """Records of partition 3 from offset 1842 on, a second apart; `columns` replace whole columns."""
    n = len(values)
    given = {
        "topic": "sessions",
        "partitions": [3] * n,
        "offsets": list(range(1842, 1842 + n)),
        "timestamps": [1_795_428_904_118 + 1000 * i for i in range(n)],  # 2026-11-23T10:15:04.118Z
        "keys": [b"user_198"] * n,
        "values": list(values),
        "headers": [headers or []] * n,
    }
    return Batch(**(given | columns))
