"""What is loaded once for many files of tests."""

import pytest

from scoring import Scorer


@pytest.fixture(scope="session")
def scorer() -> Scorer:
    """The set that ships."""
    return Scorer.load()
