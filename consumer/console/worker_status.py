"""The status of a worker across scrapes and restarts. Pure."""

from dataclasses import replace

from consumer.console.snapshot import Pulse, Reading, Window, has_restarted, sum_readings


class WorkerStatus:
    """One address, across restarts of the process behind it: earlier counts are kept."""

    def __init__(self, name: str, window_seconds: float) -> None:
        self.name = name
        self.pulse = Pulse()
        self._window_seconds = window_seconds
        self._window = Window(window_seconds)
        self._ended = Reading(0.0)  # counts of its earlier processes
        self._last: Reading | None = None
        self._reason = ""
        self._silent_since: float | None = None

    def add(self, reading: Reading) -> None:
        """Add its newest reading."""
        if self._last is not None and has_restarted(self._last, reading):
            self._ended = sum_readings([self._ended, replace(self._last, lags=())], reading.at)
            self._window = Window(self._window_seconds)
        self.pulse = self._window.add(reading)
        self._last, self._silent_since = reading, None

    def add_failure(self, reason: str, at: float) -> None:
        """Record that it did not answer at this time."""
        self._silent_since = at if self._silent_since is None else self._silent_since
        self._reason = reason
        self.pulse, self._window = Pulse(), Window(self._window_seconds)

    @property
    def up(self) -> bool:
        """Return whether it answers."""
        return self._last is not None and self._silent_since is None

    def total(self) -> Reading:
        """Return all observed counts; the lag only while it answers, since others may have its partitions."""
        if self._last is None:
            return self._ended
        return sum_readings([self._ended, self._last if self.up else replace(self._last, lags=())], self._last.at)

    def description(self) -> str:
        """Describe its state in words that stay the same while nothing changes."""
        if self._last is None or self._silent_since is not None:
            return f"{self.name} down: {self._reason}"
        return f"{self.name} up, model {self._last.model}"

    def detail(self, at: float) -> str:
        """Describe its lag and speed, which change all the time."""
        if self._last is None or self._silent_since is not None:
            return f"{at - (self._silent_since or at):.0f} s"
        lag = f"lag {sum(self._last.lags):,}" if self._last.lags else "no partitions"
        return lag if self.pulse.rate is None else f"{lag}, {self.pulse.rate:,.0f}/s"
