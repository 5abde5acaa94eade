"""One scorer shared: between threads, and by processes forked after it was loaded."""

import json
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from scoring import InvalidEvent, Scorer
from tests.support.artifacts.sets import random_event, small_set

THREADS = 8
FORK = """
import json, multiprocessing, sys, warnings
from pathlib import Path
from scoring import Scorer

scorer = Scorer.load(sys.argv[1], allow_unverified=True)
events = json.loads(Path(sys.argv[2]).read_text())
score = lambda: [(said.anomaly_score, said.reason_codes, said.contributions) for said in scorer.score_many(events)]
here = score()  # before the fork, so that the children inherit a scorer that has been used

def child(results):
    results.send(score())

fork = multiprocessing.get_context("fork")
for _ in range(3):
    mine, theirs = fork.Pipe(duplex=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of a fork beside threads: numpy's own may be there
        process = fork.Process(target=child, args=(theirs,))
        process.start()
    assert mine.poll(60), "the child is stuck"
    assert mine.recv() == here
    process.join(60)
    assert process.exitcode == 0
assert score() == here
print(len(here), "equal")
"""


def test_eight_threads_that_share_a_scorer_get_equal_scores(pairs_scorer: Scorer) -> None:
    batches = [[random_event(np.random.default_rng([batch, row])) for row in range(40)] for batch in range(THREADS)]
    expected = [pairs_scorer.score_many(batch) for batch in batches]
    together = threading.Barrier(THREADS)

    def score(first: int) -> bool:
        together.wait(30)
        turns = [(first + turn) % THREADS for turn in range(5 * THREADS)]
        return all(pairs_scorer.score_many(batches[turn]) == expected[turn] for turn in turns)

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(score, range(THREADS)))


def test_a_set_loads_in_eight_threads_at_once(tmp_path: Path) -> None:
    small_set(4, trees=3).write(tmp_path)
    together = threading.Barrier(THREADS)

    def load(_: int) -> float:
        together.wait(30)
        return Scorer.load(tmp_path, allow_unverified=True).score({}).anomaly_score

    with ThreadPoolExecutor(THREADS) as pool:
        assert len(set(pool.map(load, range(THREADS)))) == 1


def test_forked_processes_score_alike(tmp_path: Path) -> None:
    """In an interpreter of its own: whatever threads the other tests left behind must not be forked."""
    small_set(4).write(tmp_path)
    events = tmp_path / "events.json"
    events.write_text(json.dumps([random_event(np.random.default_rng(seed)) for seed in range(50)]))
    command = [sys.executable, "-W", "error", "-c", FORK, str(tmp_path), str(events)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    assert (done.returncode, done.stdout) == (0, "50 equal\n"), done.stderr


def test_what_is_wrong_with_an_event_can_be_told_from_one_process_to_another() -> None:
    fault = pickle.loads(pickle.dumps(InvalidEvent("wrong_type", "click_events", "expected a number")))
    assert (fault.code, fault.field, fault.message) == ("wrong_type", "click_events", "expected a number")
    assert str(fault) == "expected a number"
