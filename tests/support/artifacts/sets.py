"""Small five-file sets for tests: trained with scikit-learn, written as existing users have them."""

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import LabelEncoder, StandardScaler

from tests.support.oracle import reading, scoring

SCREENS = ("1366x768", "1440x900", "1920x1080", "360x640", "414x896")
CLASSES: dict[str, tuple[str, ...]] = {
    "device_type": ("Mobile", "PC", "unknown"),
    "screen_size": (*SCREENS, "unknown"),
    "browser_info": ("Chrome", "Edge", "unknown"),
    "language": ("english", "hindi", "unknown", "हिन्दी"),
    "device_orientation": ("none", "portrait", "unknown"),
    "geolocation_city": ("Mumbai", "Unknown", "unknown"),
}
DERIVED = (
    "obvious_anomaly_flag", "clicks_per_sec", "scrolls_per_sec", "touches_per_sec", "keyboard_per_sec",
    "interaction_score", "is_odd_hour", "is_large_transaction", "is_short_session", "interaction_diversity",
    "behavioural_consistency", "input_to_navigation_ratio", "active_to_passive_ratio", "session_complexity",
    "transaction_per_min", "is_high_value_short_session", "is_small_screen", "is_large_screen",
)  # fmt: skip
FEATURE_COLS = (*reading.CATEGORIES, *reading.NUMBERS, *DERIVED)


class FiveFiles(NamedTuple):
    """What a set's five files hold, before they are pickled; the names are the files' names."""

    rf_model: Any
    scaler: Any
    label_encoders: Any
    feature_cols: Any
    imputation_values: Any

    def write(self, directory: Path, protocol: int = 4) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        for name, value in self._asdict().items():
            (directory / f"{name}.pkl").write_bytes(pickle.dumps(value, protocol))
        return directory

    @classmethod
    def read(cls, directory: Path) -> "FiveFiles":
        """Unpickle a set of one's own: anybody else's could run code."""
        return cls(*(pickle.loads((directory / f"{name}.pkl").read_bytes()) for name in cls._fields))

    def for_oracle(self, **thresholds: float) -> scoring.Model:
        """The same set as plain lists, by scikit-learn's public attributes."""
        return scoring.Model(
            feature_cols=list(self.feature_cols),
            classes={name: [str(c) for c in encoder.classes_] for name, encoder in self.label_encoders.items()},
            means=[float(mean) for mean in self.scaler.mean_],
            scales=[float(scale) for scale in self.scaler.scale_],
            imputation=dict(self.imputation_values),
            trees=[_nodes(tree.tree_) for tree in self.rf_model.estimators_],
            **thresholds,
        )


def _nodes(tree: Any) -> list[scoring.Node]:
    return [
        scoring.Node(int(feature), float(threshold), int(left), int(right), float(value[0][1]))
        for feature, threshold, left, right, value in zip(
            tree.feature, tree.threshold, tree.children_left, tree.children_right, tree.value, strict=True
        )
    ]


def imputation_values(random: np.random.Generator) -> dict[str, Any]:
    """As training writes them: numpy numbers, strings, a pandas timestamp, and entries that serving ignores."""
    return {
        **dict.fromkeys(reading.COUNTS, 0),
        "device_motion": np.float64(random.uniform(0, 4)),
        "time_on_page": np.float64(random.uniform(5, 300)),
        "timezone_offset": np.float64(111.438),
        "transaction_amount": np.float64(random.choice([4376.98, 5000.01, 10000.5])),
        "label": np.float64(0.4),
        "clicks_per_sec": np.float64(0.37),
        **{field: str(random.choice(CLASSES[field])) for field in reading.CATEGORIES},
        "transaction_date": pd.Timestamp("2025-06-15") + pd.Timedelta(hours=int(random.integers(0, 24))),
    }


def small_set(seed: int = 0, *, trees: int = 9, depth: int = 6, **changes: Any) -> FiveFiles:
    """A trained set: a few shallow trees on rows drawn around the contract's thresholds; `changes` replace parts."""
    random = np.random.default_rng(seed)
    feature_cols = [str(name) for name in random.permutation(FEATURE_COLS)]
    parts: dict[str, Any] = {
        "label_encoders": {field: encoder(classes) for field, classes in CLASSES.items()},
        "feature_cols": feature_cols,
        "imputation_values": imputation_values(random),
    } | changes
    features = training_features(random, 400, parts)
    scaler = parts.setdefault("scaler", StandardScaler().fit(features))
    if "rf_model" not in parts:
        forest = RandomForestClassifier(trees, max_depth=depth, random_state=seed, class_weight="balanced", n_jobs=1)
        parts["rf_model"] = forest.fit(scaler.transform(features), training_labels(random, features, parts))
    return FiveFiles(**parts)


def encoder(classes: tuple[str, ...]) -> LabelEncoder:
    return LabelEncoder().fit(np.array(classes))


def training_features(random: np.random.Generator, rows: int, parts: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Raw columns of the sizes that sessions have; (rows, features), by the oracle's own feature code."""
    model = scoring.Model(
        feature_cols=parts["feature_cols"],
        classes={name: [str(c) for c in each.classes_] for name, each in parts["label_encoders"].items()},
        means=[],
        scales=[],
        imputation=parts["imputation_values"],
        trees=[],
    )
    return np.array([scoring.columns(model, random_event(random)) for _ in range(rows)])


def training_labels(random: np.random.Generator, features: Any, parts: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Mostly the amount's and the clicks' doing, with noise, so that all three levels come up."""
    signal = sum(
        features[:, parts["feature_cols"].index(name)] / scale
        for name, scale in (("click_events", 30.0), ("transaction_amount", 10000.0), ("device_motion", 4.0))
        if name in parts["feature_cols"]
    )
    return np.asarray(signal + random.normal(0, 0.3, len(features)) > 1.2, dtype=np.int64)


def random_event(random: np.random.Generator) -> dict[str, Any]:
    """A valid event without gaps."""
    return {
        "click_events": int(random.integers(0, 60)),
        "scroll_events": int(random.integers(0, 30)),
        "touch_events": int(random.integers(0, 40)),
        "keyboard_events": int(random.integers(0, 12)),
        "mouse_movement": int(random.integers(0, 3000)),
        "device_motion": round(float(random.uniform(0, 5)), 2),
        "time_on_page": int(random.integers(0, 700)),
        "timezone_offset": int(random.choice([-330, 0, 60, 330, 480])),
        "transaction_amount": round(float(random.uniform(0, 20000)), 2),
        **{field: str(random.choice(classes)) for field, classes in CLASSES.items()},
        "transaction_date": f"2025-04-18 {random.integers(0, 24):02}:30:00",
    }
