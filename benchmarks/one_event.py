"""One event: how long `session-scorer predict` takes in all, and a score inside a loaded process.

Beside each stands a baseline of the same run: a Python that only imports scikit-learn and pandas (what the folder of
pickles paid before it began), and scikit-learn's own predict_proba of one row (the forest alone, nothing else).
Prints; asserts nothing. Needs the shipped artifacts. `python -m benchmarks.one_event`
"""

import os
import pickle
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scoring import Scorer
from scoring.artifacts import shipped

EVENT = b"""{"session_id": "s-1", "user_id": "u-1", "device_type": "Mobile", "click_events": 36, "scroll_events": 4,
"touch_events": 12, "keyboard_events": 0, "mouse_movement": 0, "device_motion": 1.5, "time_on_page": 42,
"transaction_amount": 12000.5, "transaction_date": "2026-11-23T02:15:00"}"""
PROCESSES = 7
CALLS = 2000


class Times(NamedTuple):
    """Seconds, one a try."""

    each: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.each)

    def __str__(self) -> str:
        unit, scale = ("s", 1.0) if self.median > 0.1 else ("µs", 1e6)
        low, *_, high = statistics.quantiles(self.each, n=20)
        return f"{self.median * scale:8.2f} {unit}   (5 % to 95 %: {low * scale:.2f} to {high * scale:.2f})"


def timed(call: Callable[[], object], tries: int) -> Times:
    """`call`, once to warm up and then `tries` times."""
    call()
    each = []
    for _ in range(tries):
        started = time.perf_counter()
        call()
        each.append(time.perf_counter() - started)
    return Times(each)


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


def main() -> None:
    """Print the table."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    print(", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "msgspec", "scikit-learn")))
    scorer = Scorer.load()
    pairs = [
        ("predict, the whole command", timed(predict, PROCESSES)),
        ("  importing scikit-learn and pandas alone", timed(imports_of_old, PROCESSES)),
        ("score, inside a loaded process", timed(lambda: scorer.score(EVENT), CALLS)),
        ("  predict_proba of scikit-learn, one row", timed(sklearn_row(), CALLS // 10)),
    ]
    for name, times in pairs:
        print(f"{name:44s} {times}")
    for ours, baseline in ((0, 1), (2, 3)):
        print(f"ratio of {pairs[ours][0]!r} to its baseline: {pairs[ours][1].median / pairs[baseline][1].median:.2f}")


if __name__ == "__main__":
    main()
