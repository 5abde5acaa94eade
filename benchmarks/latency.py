"""From the event's timestamp to its result in a read-committed reader's hands, exactly-once, at a steady rate."""

import contextlib
import functools
import threading
import time
from collections.abc import Iterator

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from numpy.typing import NDArray

from benchmarks.events import stream
from benchmarks.host import probing
from benchmarks.passthrough import COMMAND, PARTITIONER
from benchmarks.race import Contestant
from benchmarks.report import Findings, Table
from benchmarks.rounds import Measured, in_turn
from benchmarks.run import Run
from benchmarks.watching import RaceError
from consumer.demo.feeder import Event, Feeder
from tests.support.end_to_end import SECONDS, Line, stop
from tests.support.kafka.topics import Topics

RATES = (1000, 5000)  # events/s
FED_SECONDS = 20.0
STEP = 0.005  # seconds between two steps of the feeder: each is a request a partition, which the broker pays for
WARM_SECONDS = 3.0  # before the clock counts: a broker that has just started is slow itself
PERCENTILES = (50, 99, 99.9)
CONTESTANTS = (
    Contestant("session-scorer"),
    Contestant("pass-through", ("--wait", "0.005"), COMMAND),  # its own default waits 50 ms for a batch
)


def run(given: Run) -> Findings:
    """Percentiles for each rate."""
    warm, seconds, rates = (0.2, 0.5, RATES[:1]) if given.quick else (WARM_SECONDS, FED_SECONDS, RATES)
    old = [Contestant(given.old.name, command=given.old.command)] if given.old else []
    calls = {}
    for rate in rates:
        counts = int(warm * rate), int(seconds * rate)
        for each in (*CONTESTANTS, *old):
            calls[f"{each.name}, {rate:,} events/s"] = functools.partial(measure, each, given, counts, rate)
    with probing(given) as probe:
        found = in_turn(calls, given.rounds, given.say, probe.measure)
    rows = [
        [name, *(Measured.of(float(np.percentile(each, p)) for each in rounds).text(1) for p in PERCENTILES)]
        for name, rounds in found.items()
    ]
    note = (
        f"Milliseconds, median (lowest to highest round) of each round's percentile; {seconds:g} s a round, "
        "exactly-once, 4 partitions. From the timestamp that the producer gave the event to the moment at which a "
        "read-committed reader had its result; feeder and reader run on the same cores. "
        f"{probe.state()}"
    )
    columns = ("", *(f"p{p:g}" for p in PERCENTILES))
    return Findings([Table("latency", columns, rows, note)])


def measure(contestant: Contestant, given: Run, counts: tuple[int, int], rate: float) -> NDArray[np.float64]:
    """The latency in ms of each event fed, after some that only warm it up: `counts` says how many of both."""
    warm, count = counts
    topics = Topics(given.broker())
    try:
        line = Line.on(given.broker(), topics)
        with (
            line.running(given.room / "log", *contestant.options, command=contestant.command) as process,
            reading(line) as reader,
        ):
            feeding = Feeding(line)
            feeding.feed(warm, rate)
            reader.wait_for(warm)
            feeding.feed(count, rate)
            reader.wait_for(warm + count)
            stop(process)
    finally:
        topics.delete()
    return np.array(reader.latencies[warm:])


class Feeding:
    """Writes events at a steady rate, each stamped with the time of its writing."""

    def __init__(self, line: Line) -> None:
        # idempotent: at most five requests on their way, so that a slow moment ends in larger ones and not in a queue
        settings = {"partitioner": PARTITIONER, "linger.ms": 0, "enable.idempotence": True, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": line.bootstrap, **settings})
        self._topic = line.sessions
        self._events = stream()

    def feed(self, count: int, rate: float) -> None:
        """So many events, at so many a second."""
        feeder = Feeder((event for event, _ in zip(self._events, range(count))), rate, self._send, time.perf_counter)  # noqa: B905 - one of them never ends
        while feeder.fed < count:
            feeder.step(feeder.fed)
            self._producer.poll(0)
            time.sleep(STEP)
        self._producer.flush(SECONDS)

    def _send(self, events: list[Event]) -> None:
        for key, value in events:
            self._producer.produce(self._topic, value, key, timestamp=time.time_ns() // 1_000_000)


class Reader:
    """Notes when each result could be read: a subscriber in a thread of its own."""

    def __init__(self, line: Line) -> None:
        self.latencies: list[float] = []
        settings = {"isolation.level": "read_committed", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
        self._consumer = Consumer({"bootstrap.servers": line.bootstrap, "group.id": "nobody", **settings})
        self._consumer.assign([TopicPartition(line.results, partition, 0) for partition in range(line.partitions)])

    def read(self, ended: threading.Event) -> None:
        """Until told that it is over. A result carries its event's timestamp."""
        with contextlib.closing(self._consumer):
            while not ended.is_set():
                if (message := self._consumer.poll(0.1)) is not None and message.error() is None:
                    self.latencies.append(time.time() * 1e3 - message.timestamp()[1])

    def wait_for(self, count: int) -> None:
        """Until so many results are read. Raises RaceError when they do not come."""
        deadline = time.monotonic() + SECONDS
        while len(self.latencies) < count:
            if time.monotonic() > deadline:
                raise RaceError(f"{len(self.latencies):,} results of {count:,} events in {SECONDS:g} s")
            time.sleep(0.002)


@contextlib.contextmanager
def reading(line: Line) -> Iterator[Reader]:
    """A reader of the results, while inside."""
    reader, ended = Reader(line), threading.Event()
    thread = threading.Thread(target=reader.read, args=(ended,), name="reader")
    thread.start()
    try:
        yield reader
    finally:
        ended.set()
        thread.join()
