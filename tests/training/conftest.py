"""A small trained set, shared by the tests of training."""

import pickle
from pathlib import Path

import pytest

from scoring.artifacts import FILES
from tests.support.artifacts.sets import FiveFiles
from tests.support.oracle import scoring
from training.selection import Grid
from training.synthetic.dataset import generate
from training.train import TrainingOptions, train

SMALL = TrainingOptions(Grid(trees=(12,), depth=(6,), balance=(0.75,)))


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled table of 3,000 sessions."""
    path = tmp_path_factory.mktemp("data") / "labelled.csv"
    path.write_text(generate(3_000, 9).csv())
    return path


@pytest.fixture(scope="session")
def trained(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set trained from the table."""
    out = tmp_path_factory.mktemp("trained")
    train(table, out, options=SMALL)
    return out


@pytest.fixture(scope="session")
def five(trained: Path) -> FiveFiles:
    """Its five objects, unpickled by scikit-learn itself."""
    return FiveFiles(*(pickle.loads((trained / name).read_bytes()) for name in FILES))


@pytest.fixture(scope="session")
def model(five: FiveFiles) -> scoring.Model:
    """The same, for the oracle."""
    return five.for_oracle()
