"""A worker's pipeline where numba cannot be imported: the same records, in plain Python."""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

from consumer.stream.output_limits import TopicLimits
from consumer.stream.pipeline import Pipeline, Topics
from scoring import Scorer
from tests.support.artifacts.hand_computed import batch
from training.synthetic.dataset import keyed_events

ROOT = Path(__file__).parents[2]
BROKEN = [b"{", b'{"click_events": "7"}', b'{"click_events": -1}', None]


def limits(_: str) -> TopicLimits:
    return TopicLimits(1_000_000)


def records() -> str:
    """Return everything that a batch becomes: results, alerts and dead letters."""
    values = [value for _, value in islice(keyed_events(7), 60)]
    topics = Topics("session-results", "session-alerts", "session-dead-letters")
    pipeline = Pipeline(Scorer.load(), topics, "group", limits, lambda: 1_795_428_904_131)
    output = pipeline.process(batch(*values, *BROKEN))
    assert {record.topic for record in output.records} == {topics.results, topics.alerts, topics.dead_letters}
    return "".join(f"{record!r}\n" for record in output.records)


def test_the_records_are_the_same_without_numba_and_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text("raise ImportError('no numba here')")
    script = "from tests.consumer.test_without_numba import records; print(records(), end='')"
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", script],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "numba cannot compile here: kernels run as plain Python\n")
    assert done.stdout == records()
