"""The forest alone, one core: ours beside scikit-learn's predict_proba and ONNX Runtime, on the shipped model."""

import copy
import functools
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.events import keyed
from benchmarks.plots import Figure, Line, Panel
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn, median_seconds
from benchmarks.run import Run
from scoring.artifacts import Artifacts, load, shipped
from scoring.decoding import decode
from scoring.forest import Forest
from scoring.preprocessing import Preprocessor

OURS, SKLEARN, ONNX = "ours", "scikit-learn", "ONNX Runtime"
SIZES = (1, 256, 1000, 5000)
SECONDS = 0.3  # of calls, for each contestant and size in a round
QUICK_TREES = 5  # converted to ONNX: all hundred take seconds

Score = Callable[[], object]


@dataclass(frozen=True)
class Contest:
    """Who scores, and the rows: (features, n) unscaled as ours takes them, (n, features) scaled as the others do."""

    artifacts: Artifacts
    sklearn: Any
    onnx: Any
    columns: NDArray[np.float64]

    def calls(self, rows: int) -> dict[str, Score]:
        """Each contestant on the first so many rows."""
        model = self.artifacts.model
        forest = Forest(model.trees, model.mean, model.scale)
        ours = np.ascontiguousarray(self.columns[:, :rows])
        theirs = np.ascontiguousarray(((ours - model.mean[:, None]) / model.scale[:, None]).T, dtype=np.float32)
        return {
            OURS: lambda: forest.score(ours),
            SKLEARN: lambda: self.sklearn.predict_proba(theirs),
            ONNX: lambda: self.onnx.run(["probabilities"], {"X": theirs}),
        }

    def apart(self, rows: int) -> float:
        """How far ours is from predict_proba, at the most."""
        calls = self.calls(rows)
        ours, theirs = np.asarray(calls[OURS]()), np.asarray(calls[SKLEARN]())
        return float(np.abs(ours - theirs[:, 1]).max())


def run(given: Run) -> Findings:
    """µs a row, at each size."""
    contest, seconds = _contest(given), 0.0 if given.quick else SECONDS
    times: dict[int, dict[str, Measured]] = {}
    for rows in SIZES:
        calls = {name: functools.partial(median_seconds, call, seconds) for name, call in contest.calls(rows).items()}
        found = in_turn(calls, given.rounds, lambda text, n=rows: given.say(f"{n} rows, {text}"))  # type: ignore[misc]
        times[rows] = {name: Measured.of(values).times(1e6 / rows) for name, values in found.items()}
    lines = [Line(name, SIZES, [times[rows][name] for rows in SIZES]) for name in (OURS, SKLEARN, ONNX)]
    figure = Figure("forest", [Panel("rows at once", "µs a row", lines, log_y=True)])
    return Findings([_table(times, contest.apart(max(SIZES)))], [figure])


def _table(times: dict[int, dict[str, Measured]], apart: float) -> Table:
    rows = []
    for size, of in times.items():
        better = min((SKLEARN, ONNX), key=lambda name: of[name].median)
        ratio = of[better].over(of[OURS])
        rows.append([f"{size:,}", *(each.text() for each in of.values()), f"{ratio.text(1)} × {better}"])
    note = (
        f"µs a row, median (lowest to highest round). Furthest from predict_proba in {max(times):,} rows: {apart:.1e}."
    )
    return Table("forest", ("rows", OURS, SKLEARN, ONNX, "faster than the better one"), rows, note)


def _contest(given: Run) -> Contest:
    given.say("converting the forest to ONNX")
    artifacts = load(shipped())
    forest = pickle.loads((shipped() / "rf_model.pkl").read_bytes())
    forest.n_jobs = 1
    onnx = onnx_session(forest, QUICK_TREES if given.quick else len(forest))
    return Contest(artifacts, forest, onnx, features(artifacts, [value for _, value in keyed(max(SIZES))]))


def features(artifacts: Artifacts, events: Sequence[bytes]) -> NDArray[np.float64]:
    """Events as our forest gets them, (features, n), unscaled."""
    model = artifacts.model
    columns = decode(events).columns
    return Preprocessor(model.imputation, model.classes, model.feature_names).prepare(columns).raw


def onnx_session(forest: Any, trees: int | None = None) -> Any:
    """Convert the first so many trees, or all, into a session of ONNX Runtime with one thread."""
    import onnxruntime  # noqa: PLC0415 - these two take a second
    from skl2onnx import to_onnx  # noqa: PLC0415 - the same

    some = copy.copy(forest)
    some.estimators_ = forest.estimators_[:trees]
    row = np.zeros((1, forest.n_features_in_), dtype=np.float32)
    model = to_onnx(some, row, options={id(some): {"zipmap": False}})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
