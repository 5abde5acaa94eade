"""The demo's line from end to end: a feeder, the consumer as production runs it, and subscribers of its outputs."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Self

from consumer import app
from consumer.config.settings import Settings
from consumer.console.alerts import Newest, newest_fault
from consumer.console.progress import Sight
from consumer.console.scrape import ScrapeError, scrape
from consumer.console.snapshot import Reading
from consumer.demo.feeder import TICK, Event, Feed, Feeder
from consumer.kafka.assignment import Subscription
from consumer.kafka.config import Connection
from consumer.kafka.consumer import Source
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.producer import KafkaProducer
from consumer.observability.http_server import Server
from consumer.process import BackgroundTask
from consumer.records import Batch, OutRecord

_POLL_SECONDS: Final = 0.2
_END_SECONDS: Final = {"consumer": 5.0, "alerts": 2.0, "dead letters": 2.0, "feeder": 1.0}
"""How long the end of each is waited for: the consumer's commit of what it has in hand, which must be less than its own
bound on a stop (that ends the process with no more words); the feeder may be reading a pipe that nobody writes to."""


class Rehearsal:
    """The whole line from feeder to subscriber, each on a thread of its own, from `__enter__` to `__exit__`."""

    def __init__(self, chosen: Settings, feed: Feed) -> None:
        self._chosen = chosen
        self._connection = Connection(chosen.bootstrap_servers, chosen.kafka)
        self._feeder = Feeder(feed.events, feed.rate, self._send, time.monotonic)
        self._producer: KafkaProducer | None = None
        self._over = threading.Event()  # nothing more is to be done
        self._enough = threading.Event()  # nothing more is to be fed
        self._tasks: dict[str, BackgroundTask] = {}
        self._serving = threading.Event()
        self._compiling = False
        self.server: Server | None = None
        self.reading = Reading(time.monotonic())
        self._newest = Newest()
        self._fault = ""  # of the newest dead letter

    def __enter__(self) -> Self:
        work: dict[str, Callable[[], None]] = {
            "consumer": self._consume,
            "alerts": partial(self._subscribe, self._chosen.alerts_topic, self._take_alerts),
            "dead letters": partial(self._subscribe, self._chosen.dead_letters_topic, self._take_dead_letters),
            "feeder": self._feed,
        }
        self._tasks = {name: BackgroundTask(name, do) for name, do in work.items()}
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for name, task in self._tasks.items():
            if name != "consumer" or self.server is not None:  # before it serves, nothing would be lost with it
                task.join(_END_SECONDS[name])

    def look(self) -> Sight:
        """What is to be seen now. Raises what any of the threads ran into."""
        for task in self._tasks.values():
            task.check()
        if self.server is not None:
            with suppress(ScrapeError):  # it is closing: the consumer has ended, and why is known soon
                self.reading = scrape(f"{self.server.url}/metrics")
        all_fed = self._all_fed()  # asked before how many
        alerted, alerts = self._newest.count, self._newest.alerts
        return Sight(self.reading, self._feeder.fed, all_fed, alerted, alerts, self._fault, self._compiling)

    def enough(self) -> None:
        """Feeds no more."""
        self._enough.set()

    @property
    def state(self) -> str:
        """What is going on, in a few words."""
        if self._all_fed():
            return "finishing"
        if self.server:
            return "running" if self._feeder.fed else "joining the group"
        return "compiling" if self._compiling else "starting"

    def facts(self) -> list[str]:
        """What scores, and where /metrics answers; nothing until it does."""
        return [f"model {self.reading.model}, metrics {self.server.url}/metrics"] if self.server else []

    def _all_fed(self) -> bool:
        return self._feeder.done or self._enough.is_set()

    def _served(self) -> bool:
        """Waits until the consumer is up and the topics are there; False when it is over before."""
        while not self._serving.wait(TICK):
            if self._over.is_set():
                return False
        return True

    def _consume(self) -> None:
        def announce(server: Server) -> None:
            self.server, self._compiling = server, False
            self._serving.set()

        def wait_for_kernels() -> None:
            self._compiling = True

        app.start(self._chosen, self._over, announce, wait_for_kernels)

    def _feed(self) -> None:
        if not self._served():
            return
        producer = self._producer = KafkaProducer(self._connection)  # early: what is sent now finds it connected
        # partitions have a lag once they are being read: an earlier event would wait, and its latency be the group's
        while not self.reading.lags and not self._over.wait(TICK):
            pass
        while not self._all_fed() and not self._over.wait(TICK):
            self._feeder.step(self.reading.accounted)
        producer.flush()
        producer.drop()

    def _send(self, events: list[Event]) -> None:
        now = time.time_ns() // 1_000_000
        if self._producer is not None:
            self._producer.produce([OutRecord(self._chosen.input_topic, *event, [], now) for event in events])

    def _subscribe(self, topic: str, take: Callable[[Batch], None]) -> None:
        """Read a topic as any subscriber does, from when the topics are there for certain."""
        if not self._served():
            return
        source = Source(self._connection, Subscription(f"{topic}-screen", topic), FetchLimits())
        source.subscribe()
        while not self._over.is_set():
            batch = source.poll(_POLL_SECONDS)
            if batch:
                take(batch)
        source.close()

    def _take_alerts(self, batch: Batch) -> None:
        for value in filter(None, batch.values):
            self._newest.add(value)

    def _take_dead_letters(self, batch: Batch) -> None:
        if batch.headers:
            self._fault = newest_fault(batch)
