"""`session-scorer watch`: running consumers, seen from outside, by what each says on /metrics."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from threading import Event
from typing import Final, Protocol, TextIO

from consumer.console.alerts import Newest
from consumer.console.display import Notes, display
from consumer.console.progress import WINDOW_SECONDS
from consumer.console.scrape import ScrapeError, scrape
from consumer.console.snapshot import Reading, together, total
from consumer.console.view import Snapshot
from consumer.console.worker_status import Worker
from consumer.errors import WorkerError

TITLE: Final = "session-scorer watch"
ANSWER_SECONDS: Final = 2.0
_MOST_AT_ONCE: Final = 64


class Alerts(Protocol):
    """Where alerts are read."""

    def take(self) -> list[bytes]:
        """The values of those that have come since the last time; the first time, of the newest that there are."""

    def close(self) -> None: ...


class Watch:
    """What is known of the workers at these addresses; `ask` reads one, `clock` is monotonic, in seconds."""

    def __init__(
        self,
        addresses: Sequence[str],
        ask: Callable[[str], Reading],
        alerts: Alerts | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = {each: Worker(_short(each), WINDOW_SECONDS) for each in addresses}
        self._ask = ask
        self._alerts = alerts
        self._newest = Newest()
        self._strangers = 0  # records on the topic of alerts that are none
        self._clock = clock
        self._began = clock()

    def look(self) -> None:
        """Asks every worker once, all at the same time, and takes the alerts that have come."""
        with ThreadPoolExecutor(min(len(self._workers), _MOST_AT_ONCE)) as pool:
            answers = pool.map(self._answer, self._workers)
        for worker, answer in zip(self._workers.values(), answers, strict=True):
            if isinstance(answer, Reading):
                worker.answered(answer)
            else:
                worker.failed(answer, self._clock())
        for value in self._alerts.take() if self._alerts else ():
            try:
                self._newest.add(value)
            except ValueError:
                self._strangers += 1

    def snapshot(self, notes: Sequence[str] = ()) -> Snapshot:
        """How it stands; those who do not answer come first."""
        now = self._clock()
        workers = sorted(self._workers.values(), key=lambda worker: worker.up)
        up = sum(worker.up for worker in workers)
        reading = total([worker.counted() for worker in workers], now)
        return Snapshot(
            title=TITLE,
            state=f"{up} of {len(workers)} workers up",
            facts=[worker.fact() for worker in workers],
            asides=[worker.aside(now) for worker in workers],
            seconds=now - self._began,
            reading=reading,
            pulse=together([worker.pulse for worker in workers]),
            alerted=reading.levels.get("High", 0),
            alerts=self._newest.alerts if self._alerts else None,
            notes=(*notes, *self._notes()),
        )

    @property
    def blind(self) -> bool:
        """Whether no worker answers."""
        return not any(worker.up for worker in self._workers.values())

    def _notes(self) -> Iterator[str]:
        if self._strangers:
            yield f"{self._strangers:,} records on the topic of alerts are none: is --alerts-topic right?"
        if self.blind:
            yield f"no consumer answers; asked: {', '.join(self._workers)} (run's --metrics-host, --metrics-port)"

    def _answer(self, address: str) -> Reading | str:
        try:
            return self._ask(address)
        except ScrapeError as error:
            return str(error)


def main(addresses: Sequence[str], alerts: Alerts | None, interval: float | None, stop: Event, out: TextIO) -> None:
    """Watches until `stop` is set, looking every `interval` seconds; None: looks once.

    Raises WorkerError when it is to look once and nobody answers, or when alerts cannot be read.
    """
    watch = Watch(addresses, lambda address: scrape(address, ANSWER_SECONDS), alerts)
    with closing(alerts) if alerts else nullcontext(), Notes().listening() as notes, display(out, 0.0) as shown:
        while not stop.is_set():
            watch.look()
            if interval is None and watch.blind:
                raise WorkerError("; ".join(watch.snapshot().facts))
            shown.show(watch.snapshot(notes.lines))
            if interval is None:
                return
            stop.wait(interval)


def _short(address: str) -> str:
    """Without what goes without saying."""
    return address.removeprefix("http://").removesuffix("/metrics")
