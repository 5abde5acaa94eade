"""A line under a steady stream of events, while something happens to it; and what its worker says of itself."""

import contextlib
import re
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.support.end_to_end import Line, stop
from tests.support.waiting import wait_until
from tests.support.wire import read
from training.synthetic.dataset import keyed_events
from training.synthetic.invalid_events import InvalidSample, invalid_samples

SECONDS = 120.0  # for anything that should take a few
RECOVERY_SECONDS = 60.0  # promised: from the end of a fault until everything that waited is committed
MEMORY = 512 * 1024 * 1024
TICK = 0.1
HUNG_SECONDS = 20.0  # until a producer that delivers nothing is given up


class _Source(msgspec.Struct):
    partition: int


class _Result(msgspec.Struct):
    source: _Source


@contextlib.contextmanager
def stream(line: Line, rate: int, seed: int = 7) -> Iterator[dict[bytes, InvalidSample]]:
    """Writes `rate` events a second from a thread of its own; one in a hundred is broken, and is in what is yielded.

    Afterwards every event is on the topic, at least once, however long the brokers were away.
    """
    planted: dict[bytes, InvalidSample] = {}
    enough = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(_write, line, rate, seed, planted, enough)
        try:
            yield planted
        finally:
            enough.set()
            written.result()


def _write(line: Line, rate: int, seed: int, planted: dict[bytes, InvalidSample], enough: threading.Event) -> None:
    unsaid: dict[int, tuple[bytes, bytes]] = {}  # number -> key and value, until the broker has said that it has it
    producer = _producer(line)
    good, bad = keyed_events(seed), invalid_samples(seed)
    began, count = time.monotonic(), 0

    def send(number: int) -> None:
        def report(error: KafkaError | None, _: Message) -> None:
            if error is None:
                unsaid.pop(number, None)

        key, value = unsaid[number]
        producer.produce(line.sessions, value, key, on_delivery=report)

    while not enough.wait(TICK):
        for number in range(count, int((time.monotonic() - began) * rate)):
            key, value = next(good)
            if number % 100 == 50:
                one = next(bad)
                value = one.value
                planted[value] = one
            unsaid[number] = key, value
            send(number)
            count = number + 1
        producer.poll(0)
    producer.flush(HUNG_SECONDS)
    if unsaid:  # the test's own client may have forgotten its brokers, too (librdkafka 5301): another one asks
        producer = _producer(line)
        for number in list(unsaid):
            send(number)
        producer.flush(SECONDS)
    assert not unsaid, "the test's own events are not taken"


def _producer(line: Line) -> Producer:
    return Producer(
        {
            "bootstrap.servers": line.bootstrap,
            "enable.idempotence": True,
            "metadata.recovery.strategy": "none",
            "reconnect.backoff.max.ms": 500,
            "log_level": 0,
        }
    )


@dataclass
class Watch:
    """What a worker says of itself, asked several times a second."""

    pid: int
    url: str
    live: set[int] = field(default_factory=set)  # every status of /livez
    ready: int = 0  # the last status of /readyz
    memory: int = 0  # the most that was resident, bytes

    def look(self) -> None:
        """Asks once."""
        self.live.add(_status(f"{self.url}/livez"))
        self.ready = _status(f"{self.url}/readyz")
        resident = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        self.memory = int(resident[1]) * 1024 if resident else self.memory

    def wait_for(self, ready: int, seconds: float = SECONDS) -> None:
        """Until /readyz answers with this status."""
        wait_until(lambda: self.ready == ready, f"/readyz is not {ready}", seconds)


@contextlib.contextmanager
def watching(process: "subprocess.Popen[bytes]", log: Path) -> Iterator[Watch]:
    """Waits until the worker is ready, then watches it."""
    watch = Watch(process.pid, _url(process, log))
    wait_until(lambda: _status(f"{watch.url}/readyz") == 200, "the worker is not ready")
    enough = threading.Event()

    def look() -> None:
        while not enough.wait(TICK):
            watch.look()

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            yield watch
        finally:
            enough.set()
            looking.result()


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where the worker serves its metrics, as its log says."""

    def said() -> "re.Match[str] | None":
        assert process.poll() is None, log.read_text()
        of_it = [text for text in log.read_text().splitlines() if f'"pid":{process.pid}' in text.replace(": ", ":")]
        return re.search(r"(http://[^/\"]+)/metrics", "".join(of_it))

    wait_until(lambda: said() is not None, "the worker does not start")
    found = said()
    return found[1] if found else ""


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.HTTPError:
        return 0


def survive(line: Line, log: Path, fault: Callable[[Watch], None], *options: str, worker: Line | None = None) -> float:
    """Runs a worker on a steady stream while `fault` happens, which returns when it is over.

    Checks that the worker goes on living, within its memory, and that not a record is lost or repeated. Returns the
    seconds from the end of the fault until all that was written is committed. `worker` is the line as the worker sees
    it, if that is another one.
    """
    with (worker or line).running(log, *options) as process:
        with watching(process, log) as watch:
            with stream(line, rate=200) as planted:
                line.wait_for(lambda count: count > 200, process)
                fault(watch)
                over = time.monotonic()
            wait_until(lambda: caught_up(line), "not all is committed")
            took = time.monotonic() - over
            watch.wait_for(200)
        status = stop(process)
    assert status == 0, log.read_text()
    assert watch.live == {200}
    assert watch.memory < MEMORY
    assert line.check(planted).faults() == {}
    return took


def caught_up(line: Line) -> bool:
    """Whether everything written so far is committed; False too when the brokers do not say."""
    asker = Consumer({"bootstrap.servers": line.bootstrap, "group.id": line.group, "log_level": 0})
    wanted = [TopicPartition(line.sessions, partition) for partition in range(line.partitions)]
    try:
        ends = [asker.get_watermark_offsets(each, timeout=5.0)[1] for each in wanted]
        found = asker.committed(wanted, 5.0)
    except KafkaException:
        return False
    finally:
        asker.close()
    return [each.offset for each in found] == ends


def longest_stall(line: Line, since: float = 0.0) -> float:
    """The most seconds between two results of one input partition, by the broker's clock, `since` so many seconds."""
    appended: dict[int, list[int]] = defaultdict(list)
    for message in read(line.bootstrap, line.results):
        partition = msgspec.json.decode(message.value() or b"", type=_Result).source.partition
        if message.timestamp()[1] >= since * 1000:
            appended[partition].append(message.timestamp()[1])
    assert len(appended) == line.partitions
    return max(after - before for times in appended.values() for before, after in pairwise(sorted(times))) / 1000
