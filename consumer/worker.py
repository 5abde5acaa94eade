"""The loop: poll, score, deliver, count. One batch at a time, nothing in flight between two polls."""

from typing import Protocol

from consumer.records import Batch, Output, Tally


class Pipeline(Protocol):
    """What a batch becomes. Pure: the same batch gives the same output, but for the time of scoring."""

    def process(self, batch: Batch) -> Output: ...


class Metrics(Protocol):
    """Who is told what happened. Every method is called from the worker's thread, after the fact, once a batch."""

    def committed(self, tally: Tally) -> None:
        """A batch is committed; `stage_seconds` now holds publish and commit too."""

    def aborted(self) -> None:
        """A transaction came to nothing; its batch will be read again."""

    def lag(self, topic: str, partitions: dict[int, int]) -> None:
        """Records between the committed offset and the end, for every partition assigned now: replaces what was said
        before, so a partition that is not named has gone to another worker."""

    def never_seen(self, topic: str, partition: int, records: int) -> None:
        """`--on-gap continue` went on past records that retention took before they were read."""


class Health(Protocol):
    """What /livez and /readyz go by."""

    def tick(self) -> None:
        """The loop has come round. Its longest pause is one delivery, which the watchdog ends at its bound: /livez
        may give up a little later than that, not sooner."""

    def kafka(self, *, joined: bool, silent_seconds: float) -> None:
        """About once a second: whether the group gave this worker its share (maybe none), and how long ago any broker
        last answered (infinity: never)."""
