"""Makes the small sets in this directory: each with another scikit-learn, by its own hand, scores of its own beside it.

In an environment that has the version wanted, outside the project's:

    python -m venv old && old/bin/pip install scikit-learn==1.2.2 'numpy<2' pandas
    old/bin/python tests/scoring/sets_of_old/make.py

Writes `scikit-learn-<version>/protocol-<2 to 5>/`, the five files each, and `scikit-learn-<version>/scores.json`:
the matrix that was scored (raw, unscaled) and what `predict_proba` said of it.
"""

import json
import pickle
from pathlib import Path
from typing import Any

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


def write(place: Path) -> None:
    """Write sets and scores of the scikit-learn that is installed here into the directory `place`."""
    frame = sessions(np.random.RandomState(0), 300)
    parts, asked = five_files(frame), sessions(np.random.RandomState(1), 60)
    for protocol in range(2, 6):
        directory = place / f"protocol-{protocol}"
        directory.mkdir(parents=True, exist_ok=True)
        for name, value in parts.items():
            (directory / f"{name}.pkl").write_bytes(pickle.dumps(value, protocol))
    said = parts["rf_model"].predict_proba(parts["scaler"].transform(asked))[:, 1]
    answers = {"columns": list(COLUMNS), "rows": asked.to_numpy().tolist(), "scores": said.tolist()}
    (place / "scores.json").write_text(json.dumps(answers) + "\n")


if __name__ == "__main__":
    write(Path(__file__).parent / f"scikit-learn-{'.'.join(sklearn.__version__.split('.')[:2])}")
