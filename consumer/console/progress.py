"""The progress of a run: observations in, snapshots out. Pure; the clock is passed in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from consumer.console.alerts import Alert
from consumer.console.snapshot import Pulse, Reading, Snapshot, Window, pulse_between

WINDOW_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of a run at one moment."""

    reading: Reading
    fed: int = 0
    all_fed: bool = False  # feeding has ended
    alert_count: int = 0  # read from the topic
    alerts: Sequence[Alert] = ()  # the newest, newest first
    dead_letter: str | None = None  # the newest; "": none has arrived; None: not read
    compiling: bool = False  # kernels, for an unknown time

    @property
    def complete(self) -> bool:
        """Return whether all events fed are accounted for, and all alerts and a dead letter, if any, have arrived."""
        reading = self.reading
        awaited = self.dead_letter == "" and reading.outcomes.get("dead_lettered", 0) > 0
        return reading.accounted >= self.fed and self.alert_count >= reading.levels.get("High", 0) and not awaited

    @property
    def finished(self) -> bool:
        """Return whether nothing more will arrive."""
        return self.all_fed and self.complete


class RunProgress:
    """A run from its beginning. `expected` is the number of events, if known; `clock` is monotonic, in seconds."""

    def __init__(self, title: str, expected: int | None, clock: Callable[[], float]) -> None:
        self._title = title
        self._expected = expected
        self._clock = clock
        self._began = self._moved = clock()
        self._window = Window(WINDOW_SECONDS)
        self._pulse = Pulse()
        self._observation = Observation(Reading(self._began))
        # before the first event was fed, and when the last one was done
        self._first = self._last = self._observation.reading

    def add(self, observation: Observation) -> None:
        """Add the newest observation."""
        before, self._observation = self._observation, observation
        if not observation.fed:
            self._first = observation.reading
            self._window = Window(WINDOW_SECONDS)
        if observation.reading.accounted != before.reading.accounted:
            self._last = observation.reading
        if _moving(observation) != _moving(before):
            self._moved = self._clock()
        self._pulse = self._window.add(observation.reading)

    def stalled(self) -> float:
        """Return for how many seconds nothing has moved although events are pending."""
        idle = bool(self._observation.reading.lags) and self._observation.complete
        return 0.0 if idle or self._observation.compiling else self._clock() - self._moved

    def snapshot(self, state: str, facts: Sequence[str] = (), notes: Sequence[str] = ()) -> Snapshot:
        """Return the current state; speed and latency cover the last seconds."""
        observation = self._observation
        return Snapshot(
            title=self._title,
            state=state,
            facts=facts,
            seconds=self._clock() - self._began,
            fed=observation.fed,
            expected=self._expected,
            reading=observation.reading,
            pulse=self._pulse if observation.fed else Pulse(),
            alert_count=observation.alert_count,
            alerts=observation.alerts,
            dead_letter=observation.dead_letter,
            notes=tuple(notes),
        )

    def overall(self) -> Pulse:
        """Return speed and latency from the first event to the last."""
        return pulse_between(self._first, self._last) if self._last.at > self._first.at else Pulse()


def _moving(observation: Observation) -> tuple[object, ...]:
    reading, counts = observation.reading, (observation.fed, observation.alert_count, observation.compiling)
    return reading.model, bool(reading.lags), reading.accounted, *counts
