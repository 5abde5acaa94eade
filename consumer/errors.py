"""What can go wrong between here and the broker, named by what has to be done about it."""

import traceback
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple


class WorkerError(Exception):
    """The world is at fault and waiting will not help; the message is the one line that a user reads."""


class DeliveryError(Exception):
    """A call to the broker failed. Its kind says what must follow; the message says what the broker said."""


class RetriableError(DeliveryError):
    """The same call, made again, may pass."""


class MustAbortError(DeliveryError):
    """The transaction cannot be committed: abort it, go back to the committed offsets, begin anew."""


class UnansweredError(DeliveryError):
    """The call timed out, so nobody knows whether it took effect: only a new producer of the same id can find out."""


class FatalError(DeliveryError):
    """The producer is past use: only a new one can go on."""


class FencedError(FatalError):
    """Another producer has taken this one's transactional id, or the broker gave it up for dead."""


class ExpiredError(FatalError):
    """The brokers have forgotten this producer's id, which was idle for longer than they keep one."""


class LostReasonError(FatalError):
    """The client failed for good in the midst of a callback, and what it failed on is lost: it may be asked again."""


class RefusedError(DeliveryError):
    """The broker will refuse this however often it is asked (rights, size, a topic that is not there)."""


class Rejection(Enum):
    """Why a broker, or the client before it, refuses a record that may pass in another form."""

    SIZE = auto()
    DATE = auto()
    NO_KEY = auto()


class RejectedRecord(NamedTuple):
    """A record that was refused."""

    topic: str
    why: Rejection


class RecordsRefusedError(RefusedError):
    """Some records are refused as they are: they may pass in a smaller form, with another date, or with a key."""

    def __init__(self, message: str, records: Sequence[RejectedRecord]) -> None:
        super().__init__(message)
        self.records = records


class UndeliveredError(Exception):
    """Nothing of this batch counts, and its offsets stand as before: read it again from the committed offsets.

    `adapted`: it will not be the same again, since limits were lowered; how often that happens is bounded.
    """

    def __init__(self, message: str, *, adapted: bool = False) -> None:
        super().__init__(message)
        self.adapted = adapted


def place(error: BaseException) -> str:
    """Its kind, and the file and line where it was raised; not its message, which may hold what an event held."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} at {where}"
