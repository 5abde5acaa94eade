"""What the consumer's tests share."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Whatever a test makes of the process's logging is undone at its end."""
    loggers = [logging.getLogger(name) for name in (None, "consumer", "scoring", "training")]
    before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
    yield
    logging.captureWarnings(capture=False)
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
