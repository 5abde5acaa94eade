"""Define the errors of the consumer, named by what the caller must do."""

import traceback
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple


class WorkerError(Exception):
    """The worker must end: a cause outside of it that waiting does not mend. The message is one line for the user."""


class DeliveryError(Exception):
    """A call to a broker failed. Its class says what the caller must do; its message is the broker's reason."""


class RetriableError(DeliveryError):
    """Repeat the call: it may succeed."""


class MustAbortError(DeliveryError):
    """Give the batch up, abort its transaction if it has one, and read it again (Kafka's abortable error)."""


class UnansweredError(DeliveryError):
    """Make a new producer of the same transactional id: the call timed out and may have taken effect or not."""


class FatalError(DeliveryError):
    """Make a new producer: this one cannot be used any more."""


class FencedError(FatalError):
    """Another producer uses the transactional id, or the broker has timed this one's transaction out."""


class ExpiredError(FatalError):
    """The producer's id expired: it was idle for longer than the brokers keep one."""


class LostReasonError(FatalError):
    """The client failed for good inside a callback, which lost the reason: call again to learn it."""


class RefusedError(DeliveryError):
    """Give up: the broker refuses this every time (permissions, size, a missing topic)."""


class Rejection(Enum):
    """A cause for which a broker or the client refuses a record that may pass in another form."""

    SIZE = auto()
    DATE = auto()
    NO_KEY = auto()


class RejectedRecord(NamedTuple):
    """The topic of a refused record, and the cause."""

    topic: str
    cause: Rejection


class RecordsRefusedError(RefusedError):
    """Write these records in another form: smaller, with another date, or with a key."""

    def __init__(self, message: str, records: Sequence[RejectedRecord]) -> None:
        super().__init__(message)
        self.records = records


class UndeliveredError(Exception):
    """Read the batch again from the committed offsets.

    Exactly once: none of its output counts, unless the commit got no answer and took effect. At least once: its output
    may be repeated.

    `adapted`: its output will be different, because limits were lowered. That can happen only so many times.
    """

    def __init__(self, message: str, *, adapted: bool = False) -> None:
        super().__init__(message)
        self.adapted = adapted


def error_location(error: BaseException) -> str:
    """Return the error's class, file and line; not its message, which may hold an event's content."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown line"
    return f"{type(error).__name__} at {where}"


class UnavailableError(Exception):
    """Read the batch again in a moment: what is needed to read its records does not answer. The message says what."""
