"""The circuit breaker: a topic of the wrong kind must not become a topic of dead letters."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

_DEAD = b"\1"
_RUNS = re.compile(b"\1+")


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """The latest events: dead letter or not. Immutable: the state `after` a batch is kept once the batch commits.

    Trips past `ratio` of dead letters among the last `window` events, or at `run` dead letters in a row. A window or
    run of 0 turns that half off.
    """

    ratio: float = 0.5
    window: int = 1000
    run: int = 500
    recent: bytes = b""  # the last `window` events, a byte each: 1 is a dead letter
    in_row: int = 0  # dead letters at the end of all events
    tripped: str | None = None  # the reason, in one line

    def after(self, dead_letters: Sequence[bool]) -> "CircuitBreaker":
        """Return the state after these events, in order."""
        new = bytes(dead_letters)
        run = _DEAD * self.in_row + new
        longest = max(map(len, _RUNS.findall(run)), default=0)
        recent = self.recent + new
        return replace(
            self,
            recent=recent[-self.window :] if self.window else b"",
            in_row=len(run) - len(run.rstrip(_DEAD)),
            tripped=self._reason(longest, self._worst(recent)),
        )

    def _worst(self, recent: bytes) -> int:
        """Return the most dead letters in any full window; 0 when they cannot be too many."""
        if not self.window or len(recent) < self.window or recent.count(_DEAD) <= self.ratio * self.window:
            return 0
        count = worst = recent[: self.window].count(_DEAD)
        for leaving, entering in zip(recent, recent[self.window :], strict=False):
            count += entering - leaving
            worst = max(worst, count)
        return worst

    def _reason(self, longest: int, worst: int) -> str | None:
        if self.run and longest >= self.run:
            return f"{longest} events in a row are invalid (breaker_run is {self.run})"
        if worst > self.ratio * self.window:
            return f"{worst} of {self.window} events in a row are invalid (breaker_ratio is {self.ratio:g})"
        return None
