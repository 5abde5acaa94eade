"""What can go wrong between here and the broker, named by what has to be done about it."""

import traceback
from pathlib import Path


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


class RefusedError(DeliveryError):
    """The broker will refuse this however often it is asked (rights, size, a topic that is not there)."""


class UndeliveredError(Exception):
    """Nothing of this batch counts, and its offsets stand as before: read it again from the committed offsets."""


def place(error: BaseException) -> str:
    """Its kind, and the file and line where it was raised; not its message, which may hold what an event held."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} at {where}"
