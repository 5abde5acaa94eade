"""Where in a partition to begin, and whether something was lost before it. Pure: the offsets come in as numbers."""

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
        """Records that retention took unread; 0 when the position lies past the end, where nothing can be counted."""
        return max(0, self.low - self.position)

    def __str__(self) -> str:
        where = f"{self.topic}, partition {self.partition}: offset {self.position} is next"
        if self.never_seen:
            what = f"the oldest left is {self.low}, so {self.never_seen} records were never seen (retention took them)"
        else:
            what = f"the end is {self.high}, so the topic was made anew or lost its end; it now holds {self.low} on"
        return f"{where}, but {what}; --on-gap continue goes on from offset {self.low}"


def gap(topic: str, partition: int, position: int, low: int, high: int) -> Gap | None:
    """The gap between where reading should go on and what is there; None when there is none."""
    return None if low <= position <= high else Gap(topic, partition, position, low, high)
