"""What the fault suite shares. Everything in this directory is marked `faults`: `make faults`, `make faults-long`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.line import Line
from tests.topics import Topics

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands here; a fault takes its time."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("faults")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))


@pytest.fixture
def full(pytestconfig: pytest.Config) -> Callable[[int, int], int]:
    """`full(small, long)`: the first in `make faults`, the second in `make faults-long`."""
    return lambda small, long: long if pytestconfig.getoption("--long") else small


@pytest.fixture
def line(kafka: str, topics: Topics) -> Line:
    """A line of its own topics and group on the one broker."""
    return Line.on(kafka, topics)
