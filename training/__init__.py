"""Train artifact sets from labelled sessions and measure them. Imports scoring, never the consumer."""

from collections.abc import Iterator
from contextlib import contextmanager

from scoring import MissingExtra


class TrainingError(ValueError):
    """Data or a directory that cannot be used. The message is one line: the file, the row, the remedy."""


@contextmanager
def train_extra() -> Iterator[None]:
    """Import packages of the extra `train` inside the block. Raises MissingExtra."""
    try:
        yield
    except ImportError:
        raise MissingExtra("training", "train") from None
