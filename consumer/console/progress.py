"""How a run goes: what is seen of it, moment by moment, made into what is shown of it. Pure, its clock comes in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from consumer.console.alerts import Alert
from consumer.console.snapshot import Pulse, Reading, Window, pulse
from consumer.console.view import Snapshot

WINDOW_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a run at one moment."""

    reading: Reading
    fed: int = 0
    all_fed: bool = False  # no more will be
    alerted: int = 0  # alerts that have arrived
    alerts: Sequence[Alert] = ()  # the newest of them, newest first
    fault: str | None = None  # of the newest dead letter; "": none has arrived; None: nobody here reads them
    compiling: bool = False  # kernels, which takes as long as it takes

    @property
    def complete(self) -> bool:
        """Whether every event fed is accounted for, every alert has arrived, and a dead letter where there is any."""
        awaited = self.fault == "" and self.reading.outcomes.get("dead_lettered", 0) > 0
        return self.reading.accounted >= self.fed and self.alerted >= self.reading.levels.get("High", 0) and not awaited

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self.all_fed and self.complete


class Course:
    """A run from its beginning. `wanted` events will be fed, if anybody knows; `clock` is monotonic, in seconds."""

    def __init__(self, title: str, wanted: int | None, clock: Callable[[], float]) -> None:
        self._title = title
        self._wanted = wanted
        self._clock = clock
        self._began = self._moved = clock()
        self._window = Window(WINDOW_SECONDS)
        self._pulse = Pulse()
        self._sight = Sight(Reading(self._began))
        self._first = self._last = self._sight.reading  # before the first event was fed, when the last one was done

    def add(self, sight: Sight) -> None:
        """Takes in what is seen now."""
        before, self._sight = self._sight, sight
        if not sight.fed:
            self._first = sight.reading
            self._window = Window(WINDOW_SECONDS)
        if sight.reading.accounted != before.reading.accounted:
            self._last = sight.reading
        if _moving(sight) != _moving(before):
            self._moved = self._clock()
        self._pulse = self._window.add(sight.reading)

    def stalled(self) -> float:
        """For how many seconds nothing has moved, although it should have."""
        idle = bool(self._sight.reading.lags) and self._sight.complete
        return 0.0 if idle or self._sight.compiling else self._clock() - self._moved

    def snapshot(self, state: str, facts: Sequence[str] = (), notes: Sequence[str] = ()) -> Snapshot:
        """How it stands; speed and latency are of the last seconds."""
        sight = self._sight
        return Snapshot(
            title=self._title,
            state=state,
            facts=facts,
            seconds=self._clock() - self._began,
            fed=sight.fed,
            wanted=self._wanted,
            reading=sight.reading,
            pulse=self._pulse if sight.fed else Pulse(),
            alerted=sight.alerted,
            alerts=sight.alerts,
            fault=sight.fault,
            notes=tuple(notes),
        )

    def whole(self) -> Pulse:
        """Speed and latency from the first event to the last."""
        return pulse(self._first, self._last) if self._last.at > self._first.at else Pulse()


def _moving(sight: Sight) -> tuple[object, ...]:
    reading = sight.reading
    return reading.model, bool(reading.lags), reading.accounted, sight.fed, sight.alerted, sight.compiling
