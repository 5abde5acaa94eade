"""The demo from end to end: a feeder, the consumer as production runs it, and subscribers of its outputs."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from consumer import app
from consumer.config.connection import connect
from consumer.config.settings import Settings
from consumer.console.alerts import NewestAlerts
from consumer.console.progress import Observation
from consumer.console.snapshot import Reading, read_metrics
from consumer.dead_letters.record import DeadLetter
from consumer.demo.feeder import TICK, Event, Feed, Feeder
from consumer.kafka.consumer import KafkaSource
from consumer.kafka.fetching import FetchLimits
from consumer.kafka.membership import InputTopics, Subscription
from consumer.kafka.producer import KafkaProducer
from consumer.observability.http_server import Server
from consumer.printable import printable
from consumer.process import BackgroundTask
from consumer.records import Batch, OutRecord
from consumer.runtime import now_ms

_POLL_SECONDS: Final = 0.2
_MOST_CHARACTERS: Final = 200  # of a dead letter's description
_END_SECONDS: Final = {"consumer": 5.0, "alerts": 2.0, "dead letters": 2.0, "feeder": 1.0}
"""The longest wait for the end of each. The consumer commits its batch, in less than its own limit for a stop, which
would end the process silently; the feeder may be reading a pipe that nobody writes to."""


class DemoSession:
    """Feeder, consumer and subscribers, each on its own thread from `__enter__` to `__exit__`."""

    def __init__(self, settings: Settings, feed: Feed) -> None:
        self._settings = settings
        self._connection = connect(settings)
        self._feeder = Feeder(feed.events, feed.rate, self._send, time.monotonic)
        self._producer: KafkaProducer | None = None
        self._stop = threading.Event()  # ends all threads
        self._feeding_stopped = threading.Event()  # ends the feeder
        self._tasks: dict[str, BackgroundTask] = {}
        self._serving = threading.Event()
        self._compiling = False
        self.server: Server | None = None
        self.reading = Reading(time.monotonic())
        self._newest = NewestAlerts()
        self._dead_letter = ""

    def __enter__(self) -> Self:
        work: dict[str, Callable[[], None]] = {
            "consumer": self._consume,
            "alerts": partial(self._subscribe, self._settings.alerts_topic, self._add_alerts),
            "dead letters": partial(self._subscribe, self._settings.dead_letters_topic, self._add_dead_letters),
            "feeder": self._feed,
        }
        self._tasks = {name: BackgroundTask(name, target) for name, target in work.items()}
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for name, task in self._tasks.items():
            if name != "consumer" or self.server is not None:  # before it serves, nothing would be lost with it
                task.join(_END_SECONDS[name])

    def observe(self) -> Observation:
        """Return the current state. Raises the error of any thread."""
        for task in self._tasks.values():
            task.check()
        if self.server is not None:
            self.reading = read_metrics(self.server.registry.collect(), time.monotonic())
        all_fed = self._all_fed()  # read before the number of fed events
        alert_count, alerts = self._newest.count, self._newest.alerts
        return Observation(
            self.reading, self._feeder.fed, all_fed, alert_count, alerts, self._dead_letter, self._compiling
        )

    def stop_feeding(self) -> None:
        """Stop the feeder."""
        self._feeding_stopped.set()

    @property
    def state(self) -> str:
        """Describe what is going on, in a few words."""
        if self._all_fed():
            return "finishing"
        if self.server:
            return "running" if self._feeder.fed else "joining the group"
        return "compiling" if self._compiling else "starting"

    def facts(self) -> list[str]:
        """Return the model and the URL of /metrics, once it answers."""
        return [f"model {self.reading.model}, metrics {self.server.url}/metrics"] if self.server else []

    def _all_fed(self) -> bool:
        return self._feeder.done or self._feeding_stopped.is_set()

    def _served(self) -> bool:
        """Wait until the consumer is up and the topics exist; False when the session ends before."""
        while not self._serving.wait(TICK):
            if self._stop.is_set():
                return False
        return True

    def _consume(self) -> None:
        def on_serving(server: Server) -> None:
            self.server, self._compiling = server, False
            self._serving.set()

        def on_compiling() -> None:
            self._compiling = True

        app.start(self._settings, self._stop, on_serving, on_compiling, self._connection)

    def _feed(self) -> None:
        if not self._served():
            return
        producer = self._producer = KafkaProducer(self._connection)  # early, so that the first events find it connected
        # partitions have a lag once they are assigned: earlier events would wait, and their latency be the rebalance's
        while not self.reading.lags and not self._stop.wait(TICK):
            pass
        while not self._all_fed() and not self._stop.wait(TICK):
            self._feeder.step(self.reading.accounted)
        producer.flush()
        producer.drop()

    def _send(self, events: list[Event]) -> None:
        now = now_ms()
        if self._producer is not None:
            self._producer.produce([OutRecord(self._settings.input_topic, *event, [], now) for event in events])

    def _subscribe(self, topic: str, add: Callable[[Batch], None]) -> None:
        """Read a topic as any subscriber does, once the topics exist."""
        if not self._served():
            return
        source = KafkaSource(self._connection, Subscription(f"{topic}-screen", InputTopics((topic,))), FetchLimits())
        source.subscribe()
        while not self._stop.is_set():
            for batch in source.poll(_POLL_SECONDS):
                add(batch)
        source.close()

    def _add_alerts(self, batch: Batch) -> None:
        for value in filter(None, batch.values):
            self._newest.add(value)

    def _add_dead_letters(self, batch: Batch) -> None:
        if batch.headers:
            self._dead_letter = _describe_dead_letter(batch)


def _describe_dead_letter(batch: Batch) -> str:
    """Describe the last dead letter of a batch, from its headers: code, field and message."""
    letter = DeadLetter(batch.partitions[-1], batch.offsets[-1], batch.timestamps[-1], None, None, batch.headers[-1])
    message = letter.message
    if letter.field and letter.field not in message:
        message = f"{letter.field}: {message}"
    return printable(f"{letter.code}, {message}"[:_MOST_CHARACTERS])
