"""A topic of a test's own."""

import pytest

from tests.support.kafka.topics import Topics


@pytest.fixture
def topic(topics: Topics) -> str:
    """A fresh topic of one partition."""
    return topics("sessions", partitions=1)
