"""`session-scorer watch`: the state of running workers, from their /metrics."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from functools import partial
from threading import Event
from typing import Final, Protocol, TextIO

from consumer.console.alerts import NewestAlerts
from consumer.console.display import LogNotes, display
from consumer.console.progress import WINDOW_SECONDS
from consumer.console.scrape import ScrapeError, scrape
from consumer.console.snapshot import Reading, Snapshot, combine_pulses, sum_readings
from consumer.console.worker_status import WorkerStatus
from consumer.errors import WorkerError

TITLE: Final = "session-scorer watch"
ANSWER_SECONDS: Final = 2.0
_MOST_AT_ONCE: Final = 64


class AlertReader(Protocol):
    """Reads the topic of alerts."""

    def take(self) -> list[bytes]:
        """Return the values of the alerts since the last call; of the newest existing ones at the first."""

    def close(self) -> None: ...


class Watch:
    """The state of the workers at these addresses. `scrape` reads one; `clock` is monotonic, in seconds."""

    def __init__(
        self,
        addresses: Sequence[str],
        scrape: Callable[[str], Reading],
        alerts: AlertReader | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = {address: WorkerStatus(_short(address), WINDOW_SECONDS) for address in addresses}
        self._scrape = scrape
        self._alerts = alerts
        self._newest = NewestAlerts()
        self._invalid_alerts = 0  # records on the topic of alerts that are none
        self._clock = clock
        self._began = clock()

    def look(self) -> None:
        """Scrape all workers at the same time, and read the new alerts."""
        with ThreadPoolExecutor(min(len(self._workers), _MOST_AT_ONCE)) as pool:
            results = pool.map(self._read, self._workers)
        for worker, result in zip(self._workers.values(), results, strict=True):
            if isinstance(result, Reading):
                worker.add(result)
            else:
                worker.add_failure(result, self._clock())
        for value in self._alerts.take() if self._alerts else ():
            try:
                self._newest.add(value)
            except ValueError:
                self._invalid_alerts += 1

    def snapshot(self, notes: Sequence[str] = ()) -> Snapshot:
        """Return the current state; workers that are down come first."""
        now = self._clock()
        workers = sorted(self._workers.values(), key=lambda worker: worker.up)
        up = sum(worker.up for worker in workers)
        reading = sum_readings([worker.total() for worker in workers], now)
        return Snapshot(
            title=TITLE,
            state=f"{up} of {len(workers)} workers up",
            facts=[worker.description() for worker in workers],
            details=[worker.detail(now) for worker in workers],
            seconds=now - self._began,
            reading=reading,
            pulse=combine_pulses([worker.pulse for worker in workers]),
            alert_count=reading.levels.get("High", 0),
            alerts=self._newest.alerts if self._alerts else None,
            notes=(*notes, *self._notes()),
        )

    @property
    def all_down(self) -> bool:
        """Return whether no worker answers."""
        return not any(worker.up for worker in self._workers.values())

    def _notes(self) -> Iterator[str]:
        if self._invalid_alerts:
            yield f"{self._invalid_alerts:,} records on the topic of alerts are none: is --alerts-topic right?"
        if self.all_down:
            yield f"no consumer answers; asked: {', '.join(self._workers)} (run's --metrics-host, --metrics-port)"

    def _read(self, address: str) -> Reading | str:
        try:
            return self._scrape(address)
        except ScrapeError as error:
            return str(error)


def main(
    addresses: Sequence[str], alerts: AlertReader | None, interval: float | None, stop: Event, out: TextIO
) -> None:
    """Scrape every `interval` seconds until `stop` is set; once with None.

    Raises WorkerError when that one time no worker answers, or when alerts cannot be read.
    """
    watch = Watch(addresses, partial(scrape, seconds=ANSWER_SECONDS), alerts)
    with closing(alerts) if alerts else nullcontext(), LogNotes().listening() as notes, display(out, 0.0) as view:
        while not stop.is_set():
            watch.look()
            if interval is None and watch.all_down:
                raise WorkerError("; ".join(watch.snapshot().facts))
            view.show(watch.snapshot(notes.lines))
            if interval is None:
                return
            stop.wait(interval)


def _short(address: str) -> str:
    return address.removeprefix("http://").removesuffix("/metrics")
