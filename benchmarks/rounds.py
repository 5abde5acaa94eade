"""Contestants in turn, A B C, B C A, C A B: whatever else the machine does in a minute meets all of them."""

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """One figure, once a round."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """What was measured; a round that could not tell (nan) does not count."""
        return cls(tuple(value for value in values if not math.isnan(value)))

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.values) if self.values else math.nan

    @property
    def low(self) -> float:
        """Of the lowest round."""
        return min(self.values, default=math.nan)

    @property
    def high(self) -> float:
        """Of the highest round."""
        return max(self.values, default=math.nan)

    def over(self, baseline: "Measured") -> "Measured":
        """The ratio to a baseline, round by round."""
        return Measured.of(ours / (theirs or math.nan) for ours, theirs in zip(self.values, baseline.values))  # noqa: B905 - a round that could not tell is missing

    def times(self, factor: float) -> "Measured":
        """In another unit."""
        return Measured(tuple(value * factor for value in self.values))

    def text(self, digits: int = 2) -> str:
        """Median, and from where to where the rounds lie."""
        if not self.values:
            return "–"
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


def in_turn(
    contestants: Mapping[str, Callable[[], T]],
    rounds: int,
    say: Callable[[str], None] = lambda _: None,
    begin_round: Callable[[], object] = lambda: None,
) -> dict[str, list[T]]:
    """What each contestant returns, round after round; each round begins with the next one, for the first may be worse
    or better off than the rest. `begin_round` is called before the contestants of each round."""
    outcomes: dict[str, list[T]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(1, rounds + 1):
        begin_round()
        for name in names:
            say(f"round {number} of {rounds}: {name}")
            outcomes[name].append(contestants[name]())
        names = names[1:] + names[:1]
    return outcomes


def median_seconds(call: Callable[[], object], budget: float) -> float:
    """The median time of a call, called again and again for `budget` seconds, and once at least."""
    each: list[float] = []
    ended = time.perf_counter() + budget
    while not each or time.perf_counter() < ended:
        began = time.perf_counter()
        call()
        each.append(time.perf_counter() - began)
    return statistics.median(each)
