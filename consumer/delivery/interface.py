"""Define what a worker asks of a delivery, and what a delivery asks of a producer.

A batch is published part by part. It commits in the background while the worker reads and scores the next batch, which
is published only after that commit. So output and commits stay in order, and one commit at most is under way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from consumer.errors import RecordsRefusedError, WorkerError
from consumer.records import OutRecord, Partition
from consumer.runtime import Clock

SEND_OFFSETS: Final = "send offsets to the transaction"
COMMIT: Final = "commit the transaction"
GRACE_SECONDS: Final = 3.0  # past a call's timeout, in which it may still return by itself, with a better reason

Adapt = Callable[[RecordsRefusedError], bool]
"""Lowers limits so that the refused records are written in another form next time. Returns whether producers must be
made again. Raises WorkerError when the records have no other form."""


def cannot_adapt(error: RecordsRefusedError) -> bool:
    """Raise WorkerError: the records have no other form."""
    raise WorkerError(str(error)) from error


@dataclass(frozen=True, slots=True)
class CommitResult:
    """The times of a committed batch."""

    seconds: dict[str, float]  # of `publish` and `commit`
    at: float  # of the end of the commit, by the runtime's clock


class BatchTimes:
    """Measures how long the publishing and the commit of one batch after the other take."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._publish_seconds = 0.0
        self._commit_began = 0.0

    def add_publish(self, began: float) -> None:
        """Add the time since `began` to that of publishing."""
        self._publish_seconds += self._clock() - began

    def begin_commit(self) -> None:
        """Note the beginning of the commit."""
        self._commit_began = self._clock()

    def finish(self, committed_at: float) -> CommitResult:
        """Return the times of the batch and start those of the next one."""
        seconds = {"publish": self._publish_seconds, "commit": committed_at - self._commit_began}
        self.reset()
        return CommitResult(seconds, committed_at)

    def reset(self) -> None:
        """Forget the batch."""
        self._publish_seconds = 0.0


class Delivery(Protocol):
    """Makes the output of batches visible and commits their offsets.

    `publish` and `finish_commit` raise UndeliveredError when the whole batch must be read again, and WorkerError when
    a new attempt is no use.
    """

    def start(self) -> None:
        """Make the producers. Raises WorkerError when the brokers refuse them."""

    def publish(self, records: Sequence[OutRecord]) -> None:
        """Write the records of a part. The commit of the batch before must be finished."""

    def begin_commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Start to commit the published batch."""

    def committing(self) -> bool:
        """Return whether a commit is under way. False once its call has outlasted the timeout."""

    def wait(self) -> None:
        """Bring the commit under way to its end; `finish_commit` returns its result or raises its error."""

    def finish_commit(self) -> CommitResult | None:
        """Wait for the commit under way and return its result; None when none was begun since the last call."""

    def close(self) -> None:
        """Wait for the commit under way, abort an open transaction, and close the producers."""


class Producer(Protocol):
    """A Kafka producer. Each call raises the DeliveryError that says what the caller must do."""

    def init(self) -> None: ...
    def begin(self) -> None: ...
    def produce(self, records: Sequence[OutRecord]) -> None: ...
    def flush(self) -> None: ...
    def send_offsets(
        self,
        next_offsets: Mapping[Partition, int],
        group: bytes,
        metadata: Mapping[Partition, str] | None = None,
    ) -> None:
        """Add offsets to the transaction; `metadata` is text that Kafka keeps with them, by partition."""

    def commit(self) -> None: ...
    def abort(self) -> None: ...
    def serve(self) -> None: ...
    def drop(self) -> None: ...
