"""Finds the extent of a batch that is on the broker and cannot be read. Pure: how it is looked at comes in."""

from typing import Protocol

from consumer.records import UnreadableBatch


class Found(Protocol):
    """What stands at an offset or is the first after it; `why` when it cannot be read."""

    @property
    def offset(self) -> int: ...
    @property
    def why(self) -> str | None: ...


class Probe(Protocol):
    """Looks at single places of one partition."""

    def span(self) -> tuple[int, int]: ...
    def at(self, offset: int) -> Found: ...


def find(probe: Probe, topic: str, partition: int, position: int) -> UnreadableBatch | None:
    """Return the batch that a reader meets first from `position` on; None when that can be read.

    A negative position is the oldest offset. Nothing that can be read lies between `position` and the batch.
    """
    found = probe.at(position if position >= 0 else probe.span()[0])
    if found.why is None:
        return None
    return UnreadableBatch(topic, partition, found.offset, end_of(probe, found.offset), found.why)


def end_of(probe: Probe, offset: int) -> int:
    """Return the first offset after the unreadable batch that begins at `offset`.

    A reader that begins anywhere inside a batch is given all of it, so the end is found by halving: at most 2 looks for
    each power of two in the batch's length.
    """

    def inside(there: int) -> bool:
        found = probe.at(there)
        return found.why is not None and found.offset <= offset

    last, step, high = offset, 1, probe.span()[1]
    while (beyond := min(last + step, high)) < high and inside(beyond):
        last, step = beyond, step * 2
    while beyond - last > 1:
        middle = (last + beyond) // 2
        last, beyond = (middle, beyond) if inside(middle) else (last, middle)
    return beyond
