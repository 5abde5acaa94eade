"""The circuit breaker: a topic of the wrong kind must not become a topic of dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Breaker:
    """What the last events were. Immutable: `after` a batch gives the next state, kept only once the batch commits.

    Trips past `ratio` of dead letters among the last `window` events, or at `run` dead letters in a row. A window or
    run of 0 turns that half off.
    """

    ratio: float = 0.5
    window: int = 1000
    run: int = 500
    recent: tuple[bool, ...] = ()  # the last `window` events: was it a dead letter?
    in_row: int = 0  # dead letters at the end of what was seen
    tripped: str | None = None  # why, in one line

    def after(self, dead_letters: Sequence[bool]) -> "Breaker":
        """The state once these events have been seen, in order."""
        if not any(dead_letters):  # good events never trip it: the usual case costs one look
            recent = (self.recent + tuple(dead_letters))[-self.window :] if self.window else ()
            return replace(self, recent=recent, in_row=0 if dead_letters else self.in_row)
        longest, in_row = self._runs(dead_letters)
        recent = self.recent + tuple(dead_letters)
        return replace(
            self,
            recent=recent[-self.window :] if self.window else (),
            in_row=in_row,
            tripped=self._reason(longest, self._worst(recent)),
        )

    def _runs(self, dead_letters: Sequence[bool]) -> tuple[int, int]:
        longest = in_row = self.in_row
        for dead in dead_letters:
            in_row = in_row + 1 if dead else 0
            longest = max(longest, in_row)
        return longest, in_row

    def _worst(self, recent: tuple[bool, ...]) -> int:
        """The most dead letters in any full window that ends within the new events."""
        if not self.window or len(recent) < self.window:
            return 0
        count = worst = sum(recent[: self.window])
        for left, came in zip(recent, recent[self.window :], strict=False):
            count += came - left
            worst = max(worst, count)
        return worst

    def _reason(self, longest: int, worst: int) -> str | None:
        if self.run and longest >= self.run:
            return f"{longest} events in a row are invalid (breaker_run is {self.run})"
        if worst > self.ratio * self.window:
            return f"{worst} of {self.window} events in a row are invalid (breaker_ratio is {self.ratio:g})"
        return None
