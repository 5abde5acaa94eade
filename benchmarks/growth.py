"""How the cost grows in memory: with trees, with their depth, with the size of an event. (With the batch: stages.)"""

import copy
import functools
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from benchmarks.events import batches
from benchmarks.forest import features
from benchmarks.in_memory import cost
from benchmarks.plots import Figure, Line, Panel
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn, median_seconds
from benchmarks.run import Run
from benchmarks.stages import decoding, pipeline
from consumer.records import Batch
from scoring import Scorer
from scoring.artifacts import load, shipped
from scoring.forest import Forest
from scoring.model import Tree
from training.synthetic.dataset import generate

OURS, BASELINE, ALONE = "ours", "scikit-learn", "msgspec alone"
TREES, DEPTHS = (10, 30, 100, 200, 400), (4, 6, 8, 10, 12, 16)
PLAIN_TREES, PLAIN_DEPTH = 100, 10  # of the shipped forest, while the other one grows
LENGTHS = (0, 512, 1024, 2048, 4096, 8192, 16_384)  # bytes of an event, at the least
ROWS, BATCH = 1000, 500
TRAINED_ON = 20_000
SECONDS = 0.2  # of calls, for each contestant in a round

Numbers = NDArray[np.float64]
Costs = dict[int, dict[str, Measured]]


def run(given: Run) -> Findings:
    """Tables and one figure."""
    rows, label = _training(300 if given.quick else TRAINED_ON)
    given.say("growing forests")
    trees, depths = ((10, 20), (4, 6)) if given.quick else (TREES, DEPTHS)
    largest = grown(rows, label, max(trees), PLAIN_DEPTH)
    by_trees = {count: _first(largest, count) for count in trees}
    by_depth = {depth: grown(rows, label, min(PLAIN_TREES, max(trees)), depth) for depth in depths}
    of_trees, of_depth = (_costs(given, forests, rows) for forests in (by_trees, by_depth))
    of_length = _lengths(given)
    panels = [
        _panel("trees", "µs a row", of_trees),
        _panel("depth", "µs a row", of_depth),
        _panel("bytes of an event", "µs an event", of_length),
    ]
    tables = [_table("growth-trees", "trees", of_trees), _table("growth-depth", "depth", of_depth), _sizes(of_length)]
    return Findings(tables, [Figure("growth", panels)])


def _training(count: int) -> tuple[Numbers, NDArray[np.int8]]:
    """Labelled sessions as the forest gets them, (features, n)."""
    sessions = generate(count)
    return features(load(shipped()), list(sessions.events())), sessions.label


def grown(rows: Numbers, label: NDArray[np.int8], trees: int, depth: int) -> Any:
    """A forest of scikit-learn's, from rows (features, n)."""
    forest = RandomForestClassifier(trees, max_depth=depth, random_state=1, n_jobs=-1).fit(rows.T, label)
    forest.n_jobs = 1
    return forest


def _first(forest: Any, trees: int) -> Any:
    some = copy.copy(forest)
    some.estimators_ = forest.estimators_[:trees]
    return some


def ours_of(forest: Any) -> Forest:
    """The same forest, packed."""
    features = forest.n_features_in_
    return Forest([_tree(each.tree_) for each in forest.estimators_], np.zeros(features), np.ones(features))


def _tree(tree: Any) -> Tree:
    share = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
    return Tree(tree.children_left, tree.children_right, tree.feature, tree.threshold, share[:, 1])


def _costs(given: Run, forests: dict[int, Any], rows: Numbers) -> Costs:
    """µs a row of each forest, packed and as it is."""
    some, seconds = np.ascontiguousarray(rows[:, :ROWS]), 0.0 if given.quick else SECONDS
    theirs = np.ascontiguousarray(some.T, dtype=np.float32)
    calls = {}
    for size, forest in forests.items():
        packed = ours_of(forest)
        calls[size, OURS] = functools.partial(median_seconds, functools.partial(packed.score, some), seconds)
        calls[size, BASELINE] = functools.partial(
            median_seconds, functools.partial(forest.predict_proba, theirs), seconds
        )
    found = in_turn({f"{size} {name}": call for (size, name), call in calls.items()}, given.rounds, given.say)
    per_row = 1e6 / some.shape[1]
    return {
        size: {name: Measured.of(found[f"{size} {name}"]).times(per_row) for name in (OURS, BASELINE)}
        for size in forests
    }


def _lengths(given: Run) -> Costs:
    """µs an event from bytes to bytes, and of msgspec's decoding alone, by the mean length."""
    line, count = pipeline(Scorer.load()), 200 if given.quick else 5000
    some = {_mean_length(each): each for each in (batches(count, BATCH, length) for length in LENGTHS)}
    calls = {f"{length} {OURS}": functools.partial(cost, line, each) for length, each in some.items()}
    calls |= {f"{length} {ALONE}": functools.partial(decoding, each) for length, each in some.items()}
    found = in_turn(calls, given.rounds, given.say)
    return {
        length: {name: Measured.of(each["all"] for each in found[f"{length} {name}"]) for name in (OURS, ALONE)}
        for length in some
    }


def _mean_length(some: Sequence[Batch]) -> int:
    values = [value or b"" for batch in some for value in batch.values]
    return round(sum(map(len, values)) / len(values))


def _panel(x_label: str, y_label: str, costs: Costs) -> Panel:
    names: Sequence[str] = list(islice(next(iter(costs.values())), 2))
    return Panel(x_label, y_label, [Line(name, list(costs), [of[name] for of in costs.values()]) for name in names])


def _table(name: str, what: str, costs: Costs) -> Table:
    rows = [
        [f"{size:,}", of[OURS].text(), of[BASELINE].text(), of[BASELINE].over(of[OURS]).text(1)]
        for size, of in costs.items()
    ]
    still = f"depth {PLAIN_DEPTH}" if what == "trees" else f"{PLAIN_TREES} trees"
    note = f"µs a row at {ROWS:,} rows, one core, {still}; grown on generated sessions, leaves not bounded."
    return Table(name, (what, OURS, BASELINE, "faster"), rows, note)


def _sizes(costs: Costs) -> Table:
    rows = [[f"{length:,}", *(each.text() for each in of.values())] for length, of in costs.items()]
    note = f"µs an event in batches of {BATCH}; first as they come, then with one long field that is skipped."
    return Table("growth-size", ("bytes of an event", OURS, ALONE), rows, note)
