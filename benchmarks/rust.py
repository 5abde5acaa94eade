"""The Rust peer: session-scorer's checks, forest, envelope and alerts in Rust (`rust_peer/`), as a contestant.

python -m benchmarks.rust        # compare its results with ours: the same bytes for 10,000 events
"""

import argparse
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.events import batches
from benchmarks.old import ROOT
from consumer.records import Batch, OutRecord
from consumer.stream import pipeline
from consumer.stream.output_limits import TopicLimits
from scoring import Scorer
from scoring.artifacts import shipped
from scoring.contract import CATEGORIES, NUMERIC
from tests.support.checker import Report
from tests.support.end_to_end import Line, stop
from tests.support.kafka.brokers import KafkaBroker
from tests.support.kafka.jars import BrokerError
from tests.support.kafka.topics import Topics
from training.synthetic.invalid_events import invalid_samples

SOURCE = Path(__file__).with_name("rust_peer")
TARGET = ROOT / "build/rust"
NAME = "Rust with this envelope, exactly-once"
EVENTS = 10_000
NOW_MS = 1_795_428_999_999  # later than every event, so that both write the same `scored_at`
LEAF = -1


class RustError(Exception):
    """The peer cannot be built, or it differs from ours."""


def command(room: Path) -> tuple[str, ...]:
    """Build the peer and write its model into `room`; return the command that takes the arguments of `run`.

    Raises RustError.
    """
    model = room / "model.bin"
    export(shipped(), model)
    return (str(build()), str(model))


def build() -> Path:
    """Compile the peer with cargo, which takes minutes the first time. Raises RustError."""
    if (cargo := shutil.which("cargo")) is None:
        raise RustError("the Rust peer needs cargo, which is not installed")
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET)}
    arguments = [cargo, "build", "--release", "--locked", "--quiet"]
    done = subprocess.run(arguments, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RustError(f"the Rust peer does not build: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
    return TARGET / "release/session-scorer-peer"


def export(artifacts: Path, target: Path) -> None:
    """Write a set of artifacts as the peer reads it: a header in JSON, the nodes of all trees, their probabilities.

         63 ............ 32 31 ..... 24 23 ............ 0
        [ threshold, int32 | feature   | left child      ]

    Children stand side by side; a leaf is its own left child. Thresholds are ordered as in `scoring/forest.py`.
    """
    forest, scaler, encoders, columns, values = (
        pickle.loads((artifacts / f"{name}.pkl").read_bytes())
        for name in ("rf_model", "scaler", "label_encoders", "feature_cols", "imputation_values")
    )
    trees = [tree.tree_ for tree in forest.estimators_]
    sizes = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    packed = [_packed(tree, root) for tree, root in zip(trees, roots.tolist(), strict=True)]
    probability = np.concatenate([each for _, each in packed])
    scorer = Scorer.load(artifacts)
    thresholds = scorer.artifacts.thresholds
    header = {
        "version": scorer.artifacts.version,
        "thresholds": [thresholds.label, thresholds.medium, thresholds.high],
        "names": list(columns),
        "mean": scaler.mean_.tolist(),
        "scale": scaler.scale_.tolist(),
        "numbers": [float(values[name]) for name in NUMERIC],
        "categories": [str(values[name]) for name in CATEGORIES],
        "hour": int(str(values["transaction_date"])[11:13] or 0),
        "classes": [encoders[name].classes_.tolist() for name in CATEGORIES],
        "base_rate": float(probability[roots].sum() / len(trees)),
        "depth": max(tree.max_depth for tree in trees),
        "roots": roots.tolist(),
        "nodes": sum(sizes),
    }
    text = json.dumps(header).encode()
    nodes = np.concatenate([each for each, _ in packed])
    target.write_bytes(struct.pack("<I", len(text)) + text + nodes.tobytes() + probability.tobytes())


def _packed(tree: Any, root: int) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """The nodes of one tree, breadth first, and the probability of class 1 at each."""
    order, place = [0], {0: root}
    for node in order:
        if tree.children_left[node] != LEAF:
            for child in (int(tree.children_left[node]), int(tree.children_right[node])):
                place[child] = root + len(order)
                order.append(child)
    leaf = tree.children_left[order] == LEAF
    left = np.array([place[n if is_leaf else tree.children_left[n]] for n, is_leaf in zip(order, leaf, strict=True)])
    threshold = np.where(leaf, np.iinfo(np.int32).max, _ordered(tree.threshold[order])).astype(np.int64)
    feature = np.where(leaf, 0, tree.feature[order])
    counts = tree.value[order, 0, :]
    return (threshold << 32 | feature << 24 | left).view(np.uint64), counts[:, 1] / counts.sum(axis=1)


def _ordered(threshold: NDArray[np.float64]) -> NDArray[np.int32]:
    """The largest float32 not above each threshold, as an int32 of the same order."""
    near = threshold.astype(np.float32)
    below = np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near) + np.float32(0)
    bits = below.astype(np.float32).view(np.int32)
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


def compare(peer: Sequence[str], room: Path, batch: Batch) -> tuple[int, int]:
    """Return how many results and alerts are the same bytes as ours; RustError at the first that is not."""
    events = room / "events.jsonl"
    events.write_bytes(b"".join((value or b"") + b"\n" for value in batch.values))
    arguments = [*peer, "check", str(events), str(batch.timestamps[0]), str(NOW_MS)]
    done = subprocess.run(arguments, capture_output=True, check=False)
    if done.returncode:
        raise RustError(f"the Rust peer: {done.stderr.decode(errors='replace').splitlines()[-1:]}")
    theirs = done.stdout.split(b"\n")[:-1]
    ours = outcomes(batch)
    counts = []
    for kind in (b"R", b"A", b"D"):
        mine = ours[kind]
        found = [line[1:] for line in theirs if line.startswith(kind)]
        if len(mine) != len(found):
            raise RustError(f"{len(found):,} lines {kind.decode()} in Rust, {len(mine):,} here")
        for a, b in zip(mine, found, strict=True):
            if a != b:
                raise RustError(f"in Rust {b.decode(errors='replace')}\nhere    {a.decode(errors='replace')}")
        counts.append(len(mine))
    return counts[0], counts[1]


def outcomes(batch: Batch) -> dict[bytes, list[bytes]]:
    """Our results, alerts, and codes and fields of faults."""
    topics = pipeline.Topics("R", "A", "D")
    line = pipeline.Pipeline(Scorer.load(), topics, "group", lambda _: TopicLimits(1_000_000), now=lambda: NOW_MS)
    made: dict[bytes, list[bytes]] = {b"R": [], b"A": [], b"D": []}
    for record in line.process(batch).records:
        made[record.topic.encode()].append(_fault(record) if record.topic == "D" else record.value or b"")
    return made


def _fault(record: OutRecord) -> bytes:
    headers = dict(record.headers)
    return (headers["dead_letter.code"] or b"") + b" " + (headers.get("dead_letter.field") or b"-")


def with_faults(batch: Batch, one_in: int = 100) -> Batch:
    """Put an invalid event, each kind in turn, in the place of one in so many."""
    bad: Iterator[bytes] = (each.value for each in invalid_samples(seed=7) if b"\n" not in each.value)
    values = list(batch.values)
    values[one_in // 2 :: one_in] = islice(bad, len(values[one_in // 2 :: one_in]))
    return Batch(batch.topic, batch.partitions, batch.offsets, batch.timestamps, batch.keys, values, batch.headers)


def on_broker(peer: tuple[str, ...], room: Path, events: int) -> Report:
    """Let the peer work off a topic, one event in 100 invalid, and judge all topics as the fault suite does."""
    with KafkaBroker() as broker:
        line = Line.on(broker.address, Topics(broker.address))
        planted = line.feed(events)
        with line.running(room / "log", command=peer) as process:
            line.wait_for(lambda committed: committed >= events, process)
            stop(process)
        return line.check(planted)


def main() -> int:
    """Build the peer and compare it with ours."""
    parser = argparse.ArgumentParser("python -m benchmarks.rust", description=main.__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--broker", action="store_true", help="start a broker and judge its topics, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        try:
            room = Path(name)
            (batch,) = batches(given.events, given.events)
            peer = command(room)
            results, alerts = compare(peer, room, with_faults(batch))
            report = on_broker(peer, room, given.events) if given.broker else None
        except (BrokerError, RustError) as error:
            print(f"benchmarks.rust: {error}", file=sys.stderr)
            return 1
    print(f"{results:,} results and {alerts:,} alerts are the same bytes, and the faults have the same code and field")
    if report is not None:
        print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
