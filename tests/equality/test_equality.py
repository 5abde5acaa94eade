"""The compiled way from bytes to bytes says what the contract says: 50,000 events, other ones in each run.

`python -m tests.equality` compares a million.
"""

import re
import subprocess
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import Scorer
from tests.equality.batches import Kind, batch_of
from tests.equality.builds import Build
from tests.equality.comparison import Comparison
from tests.support.strategies import any_bytes, mutated


@pytest.mark.parametrize(("kind", "events"), [("ordinary", 15_000), ("odd", 15_000), ("mixed", 5_000)])
def test_batches_match_the_slow_pipeline(comparison: Comparison, seed: int, kind: Kind, events: int) -> None:
    for _ in comparison.run(kind, seed, events):
        pass

    totals = comparison.totals
    assert totals.events >= events
    assert totals.high > events / 500
    if kind == "ordinary":
        assert totals.valid == totals.events
        assert totals.left_valid < 0.01 * totals.valid, totals
    elif kind == "odd":
        assert totals.codes.keys() >= {"not_json", "wrong_type"}
    else:  # a batch may have one odd event only, of any kind
        assert totals.codes


@pytest.mark.timeout(300)  # checked kernels are compiled each time
@pytest.mark.parametrize(("build", "events"), [("checked", 2_500), ("guarded", 2_500), ("python", 60)])
def test_other_builds_agree_and_stay_in_their_memory(seed: int, build: Build, events: int) -> None:
    """In a process of its own: a kernel that touches what is beyond its arrays ends it by SIGSEGV."""
    command = [sys.executable, "-m", "tests.equality", "odd", "mixed", "cut", "long", "--events", str(events)]

    done = subprocess.run(
        [*command, "--seed", str(seed), "--build", build], capture_output=True, text=True, timeout=290, check=False
    )

    assert done.returncode == 0, (done.returncode, done.stdout[-3000:], done.stderr[-3000:])
    compared = re.search(r": ([0-9,]+) events in", done.stdout)
    assert compared, done.stdout
    assert int(compared[1].replace(",", "")) >= 4 * events


@given(values=st.lists(any_bytes() | mutated(), max_size=6), number=st.integers(0, 1 << 32))
def test_drawn_batches_match_the_slow_pipeline(shipped: Scorer, values: list[bytes], number: int) -> None:
    Comparison(shipped).compare(batch_of(Random(number), values))
