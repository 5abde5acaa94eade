"""One event: how long `session-scorer predict` takes in all, and a score inside a loaded process.

Beside each stands a baseline of the same run: a Python that only imports scikit-learn and pandas (what the folder of
pickles paid before it began), and scikit-learn's own predict_proba of one row (the forest alone, nothing else).
"""

import functools
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn, median_seconds
from benchmarks.run import Run
from scoring import Scorer
from scoring.artifacts import shipped

EVENT = b"""{"session_id": "s-1", "user_id": "u-1", "device_type": "Mobile", "click_events": 36, "scroll_events": 4,
"touch_events": 12, "keyboard_events": 0, "mouse_movement": 0, "device_motion": 1.5, "time_on_page": 42,
"transaction_amount": 12000.5, "transaction_date": "2026-11-23T02:15:00"}"""
SECONDS = 0.5  # of calls in a round
PREDICT, IMPORTS = "predict, the whole command", "importing scikit-learn and pandas alone"
SCORE, ROW = "score, inside a loaded process", "predict_proba of scikit-learn, one row"
BASELINES = {PREDICT: IMPORTS, SCORE: ROW}


def run(given: Run) -> Findings:
    """Both, with their baselines."""
    scorer, budget = Scorer.load(), 0.0 if given.quick else SECONDS
    calls: dict[str, Callable[[], object]] = {
        PREDICT: predict,
        IMPORTS: imports_of_old,
        SCORE: lambda: scorer.score(EVENT),
        ROW: sklearn_row(),
    }
    timed = {name: functools.partial(median_seconds, call, budget) for name, call in calls.items()}
    found = {name: Measured.of(each) for name, each in in_turn(timed, given.rounds, given.say).items()}
    rows = []
    for ours, baseline in BASELINES.items():
        rows.append([ours, _shown(found[ours]), found[ours].over(found[baseline]).text()])
        rows.append([f"baseline: {baseline}", _shown(found[baseline]), "1"])
    note = "Median (lowest to highest round) of each round's median call."
    return Findings([Table("one-event", ("", "takes", "× baseline"), rows, note)])


def _shown(found: Measured) -> str:
    return f"{found.text()} s" if found.median > 0.1 else f"{found.times(1e6).text(1)} µs"


def predict() -> None:
    """The whole command, in a process of its own."""
    command: list[str | Path] = [Path(sys.executable).with_name("session-scorer"), "predict", "-"]
    subprocess.run(command, input=EVENT, check=True, capture_output=True)


def imports_of_old() -> None:
    """What the baseline process imports."""
    subprocess.run([sys.executable, "-c", "import pandas, sklearn.ensemble"], check=True, capture_output=True)


def sklearn_row() -> Callable[[], object]:
    """predict_proba of one row by scikit-learn, as the shipped pickle holds the forest."""
    forest = pickle.loads((shipped() / "rf_model.pkl").read_bytes())
    forest.n_jobs = 1  # its issue 16143
    row = np.zeros((1, forest.n_features_in_))
    return lambda: forest.predict_proba(row)
