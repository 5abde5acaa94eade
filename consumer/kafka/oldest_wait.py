"""Since when does the oldest event of a partition wait? Pure: offsets and times come in as numbers."""

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

_MOST: Final = 512  # ends remembered of one partition: for eight minutes exact, beyond that to a part in 256


class Progress(NamedTuple):
    """How far a partition is read, and where it ends."""

    read_to: int
    end: int


class Waiting:
    """Remembers when the ends of partitions were first seen, until what lies before them is read."""

    def __init__(self) -> None:
        self._ends: dict[int, deque[tuple[int, float]]] = {}  # partition -> ends past what is read, and since when

    def update(self, partitions: Mapping[int, Progress], now: float) -> dict[int, float]:
        """Return for each partition how many seconds ago its end was first seen past what is read; 0 where it is not.

        A partition that is not named is forgotten: another worker has it.
        """
        self._ends = {each: self._ends.get(each, deque()) for each in partitions}
        return {each: self._age(self._ends[each], progress, now) for each, progress in partitions.items()}

    def _age(self, ends: deque[tuple[int, float]], progress: Progress, now: float) -> float:
        if ends and progress.end < ends[-1][0]:
            ends.clear()  # the topic was made anew
        if progress.end > (ends[-1][0] if ends else progress.read_to):
            ends.append((progress.end, now))
        while ends and ends[0][0] <= progress.read_to:
            ends.popleft()
        if len(ends) > _MOST:
            first, *others = ends
            ends.clear()
            ends.extend([first, *others[1::2]])
        return now - ends[0][1] if ends else 0.0
