"""Makes the small sets in this directory: each with another scikit-learn, by its own hand, scores of its own beside it.

In an environment that has the version wanted, outside the project's:

    python -m venv old && old/bin/pip install scikit-learn==1.2.2 'numpy<2' pandas
    old/bin/python tests/scoring/sets_of_old/make.py protocol-2 protocol-3 protocol-4 protocol-5

Writes `scikit-learn-<version>/<kind>/`, the five files each, and `scikit-learn-<version>/scores.json`: the matrix that
was scored (raw, unscaled) and what `predict_proba` said of it. A kind is a protocol of pickle or a compression of
joblib. scikit-learn-0.24 (Python 3.9, joblib 1.0.1, pandas 1.2.5) and -1.3 (Python 3.10, joblib 1.3.2, pandas 2.0.3)
hold `protocol-4 joblib joblib-zlib joblib-gzip joblib-xz`.
"""

import json
import pickle
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import LabelEncoder, StandardScaler

COUNTS = ("click_events", "scroll_events", "touch_events", "keyboard_events", "mouse_movement")
NUMBERS = (*COUNTS, "device_motion", "time_on_page", "timezone_offset", "transaction_amount")
CLASSES = {  # in the order that LabelEncoder gives them
    "device_type": ["Mobile", "PC", "unknown"],
    "screen_size": ["1920x1080", "360x640", "unknown"],
    "browser_info": ["Chrome", "unknown"],
    "language": ["english", "unknown", "हिन्दी"],
    "device_orientation": ["none", "portrait", "unknown"],
    "geolocation_city": ["Mumbai", "unknown"],
}
COLUMNS = (*NUMBERS, *CLASSES)
PROTOCOLS = {f"protocol-{number}": number for number in range(6)}
COMPRESSIONS = {"joblib": 0, "joblib-zlib": 3, "joblib-gzip": ("gzip", 3), "joblib-xz": ("xz", 3)}
KINDS = (*PROTOCOLS, *COMPRESSIONS)


def sessions(random: np.random.RandomState, number: int) -> pd.DataFrame:
    """Raw columns, categories as their codes; columns of other kinds, as sessions have them."""
    frame = pd.DataFrame({name: random.randint(0, 40, number) for name in COUNTS})
    frame["device_motion"] = random.uniform(0, 5, number).round(2)
    frame["time_on_page"] = random.randint(0, 700, number)
    frame["timezone_offset"] = random.choice([-330, 0, 60, 330], number)
    frame["transaction_amount"] = random.uniform(0, 20000, number).round(2)
    for name, classes in CLASSES.items():
        frame[name] = random.randint(0, len(classes), number)
    return frame[list(COLUMNS)]


def five_files(frame: pd.DataFrame) -> dict[str, Any]:
    """A set of four trees, imputed values of the types that pandas gives."""
    label = (frame["click_events"] / 30 + frame["transaction_amount"] / 10000 > 1.2).astype(int)
    scaler = StandardScaler().fit(frame)
    forest = RandomForestClassifier(4, max_depth=4, class_weight="balanced", random_state=0, n_jobs=1)
    encoders = {name: LabelEncoder().fit(np.array(classes)) for name, classes in CLASSES.items()}
    encoders["language"] = LabelEncoder().fit(pd.Series(CLASSES["language"]))  # classes of objects
    filled = dict(frame.mean()) | dict.fromkeys(COUNTS, 0) | {name: classes[0] for name, classes in CLASSES.items()}
    moment = pd.Series(pd.to_datetime(["2025-04-18 03:00:00"] * 2)).mode()[0]
    return {
        "rf_model": forest.fit(scaler.transform(frame), label),
        "scaler": scaler,
        "label_encoders": encoders,
        "feature_cols": list(frame.columns),
        "imputation_values": {**filled, "label": label.mean(), "transaction_date": moment},
    }


def as_with_joblib(parts: dict[str, Any], frame: pd.DataFrame) -> dict[str, Any]:
    """Column names as pandas holds them, and a date with a zone."""
    moment = pd.Timestamp("2025-04-18 03:00:00", tz="Asia/Kolkata")
    imputed = {**parts["imputation_values"], "transaction_date": moment}
    return {**parts, "feature_cols": frame.columns, "imputation_values": imputed}


def write(place: Path, kinds: Collection[str]) -> None:
    """Write sets and scores of the scikit-learn that is installed here into the directory `place`."""
    frame = sessions(np.random.RandomState(0), 300)
    parts, asked = five_files(frame), sessions(np.random.RandomState(1), 60)
    for kind in kinds:
        (place / kind).mkdir(parents=True, exist_ok=True)
        dumped = parts if kind in PROTOCOLS else as_with_joblib(parts, frame)
        for name, value in dumped.items():
            if kind in PROTOCOLS:
                (place / kind / f"{name}.pkl").write_bytes(pickle.dumps(value, PROTOCOLS[kind]))
            else:
                joblib.dump(value, place / kind / f"{name}.pkl", compress=COMPRESSIONS[kind])
    said = parts["rf_model"].predict_proba(parts["scaler"].transform(asked))[:, 1]
    answers = {"columns": list(COLUMNS), "rows": asked.to_numpy().tolist(), "scores": said.tolist()}
    (place / "scores.json").write_text(json.dumps(answers) + "\n")


if __name__ == "__main__":
    write(Path(__file__).parent / f"scikit-learn-{'.'.join(sklearn.__version__.split('.')[:2])}", sys.argv[1:])
