"""Where in a partition to begin, and whether something was lost before it. Pure: the offsets come in as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """Offset `position` was to be read next, but the partition now holds `low` up to, not including, `high`."""

    topic: str
    partition: int
    position: int
    low: int
    high: int

    @property
    def never_seen(self) -> int:
        """Offsets that retention took unread, so as many records at most: some may have been transaction markers or
        aborted records, and nobody can tell any more. 0 when the position lies past the end, where nothing can be
        counted."""
        return max(0, self.low - self.position)

    def __str__(self) -> str:
        where = f"{self.topic}, partition {self.partition}: offset {self.position} is next"
        if self.never_seen:
            what = (
                f"the oldest left is {self.low}, so up to {self.never_seen} records were never seen (retention took "
                "their offsets, of which some may have been transaction markers or aborted records)"
            )
        else:
            what = f"the end is {self.high}, so the topic was made anew or lost its end; it now holds {self.low} on"
        return f"{where}, but {what}; --on-gap continue goes on from offset {self.low}"


def gap(topic: str, partition: int, position: int, low: int, high: int) -> Gap | None:
    """The gap between where reading should go on and what is there; None when there is none."""
    return None if low <= position <= high else Gap(topic, partition, position, low, high)


def made_anew(topic: str, gaps: Sequence[Gap]) -> str:
    """One line: the topic is another one by the same name, and what of it is known to be passed over unread."""
    count = sum(each.never_seen for each in gaps)
    where = ", ".join(f"partition {each.partition} before offset {each.low}" for each in gaps)
    what = (
        f"reading went on in the new one past at least {count} offsets that were never read ({where}); resetting the "
        "group's offsets would score these, and once more what was read of the new one behind them"
    )
    if not gaps:
        what = "nothing of the new one is known to be passed over"
    return (
        f"{topic} was deleted and made anew while this worker read it: {what}; start again to go on from the group's "
        "offsets; --on-gap continue goes on by itself"
    )
