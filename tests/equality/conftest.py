"""The seed of a run: new each time, and printed at its end; `--seed N` repeats one."""

import os

import pytest

from scoring import Scorer
from tests.conftest import SAID
from tests.equality.comparison import Comparison


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    given = pytestconfig.getoption("--seed")
    seed = int.from_bytes(os.urandom(4)) if given is None else int(given)
    pytestconfig.stash[SAID].append(
        f"tests/equality: seed {seed} (repeat it: make test PYTEST='tests/equality --seed {seed}')"
    )
    return seed


@pytest.fixture(scope="session")
def shipped() -> Scorer:
    return Scorer.load()


@pytest.fixture
def comparison(shipped: Scorer) -> Comparison:
    return Comparison(shipped)
