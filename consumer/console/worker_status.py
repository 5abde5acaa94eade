"""Running workers as somebody sees them who asks each for its /metrics again and again. Pure."""

from dataclasses import replace

from consumer.console.snapshot import Pulse, Reading, Window, begun_anew, total


class Worker:
    """One address, across restarts of the process behind it: what it counted before is not forgotten."""

    def __init__(self, name: str, window_seconds: float) -> None:
        self.name = name
        self.pulse = Pulse()
        self._window_seconds = window_seconds
        self._window = Window(window_seconds)
        self._ended = Reading(0.0)  # what its earlier processes had counted
        self._last: Reading | None = None
        self._why = ""
        self._silent_since: float | None = None

    def answered(self, reading: Reading) -> None:
        """It says this of itself now."""
        if self._last is not None and begun_anew(self._last, reading):
            self._ended = total([self._ended, replace(self._last, lags=())], reading.at)
            self._window = Window(self._window_seconds)
        self.pulse = self._window.add(reading)
        self._last, self._silent_since = reading, None

    def failed(self, why: str, at: float) -> None:
        """It did not answer, at this time."""
        self._silent_since = at if self._silent_since is None else self._silent_since
        self._why = why
        self.pulse, self._window = Pulse(), Window(self._window_seconds)

    @property
    def up(self) -> bool:
        """Whether it answers."""
        return self._last is not None and self._silent_since is None

    def counted(self) -> Reading:
        """All that it has counted, as far as was seen; its lag while it answers, for its partitions may be others'."""
        if self._last is None:
            return self._ended
        return total([self._ended, self._last if self.up else replace(self._last, lags=())], self._last.at)

    def fact(self) -> str:
        """Whether it is up, in words that stay the same while nothing changes."""
        if self._last is None or self._silent_since is not None:
            return f"{self.name} down: {self._why}"
        return f"{self.name} up, model {self._last.model}"

    def aside(self, at: float) -> str:
        """What changes all the time."""
        if self._last is None or self._silent_since is not None:
            return f"{at - (self._silent_since or at):.0f} s"
        lag = f"lag {sum(self._last.lags):,}" if self._last.lags else "no partitions"
        return lag if self.pulse.rate is None else f"{lag}, {self.pulse.rate:,.0f}/s"
