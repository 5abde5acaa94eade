"""Prints each result or alert once, as it is committed, until Ctrl-C.

    python examples/subscriber.py --bootstrap-servers localhost:9092 --topic session-results
    python examples/subscriber.py --topic session-alerts --json

With --idle it ends when nothing has come for so many seconds, and counts what it read.

Where results must be acted on once, two things are the reader's own: it commits its offsets after it has acted, so
that a crash loses nothing, and it drops repeats by `result_id`, which names the input record and never changes. Here
the ids live in memory; a reader that must not repeat itself after a crash either keeps them where its actions are kept.
"""

import argparse
import math
import signal
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator

import msgspec
from confluent_kafka import Consumer, KafkaException


class Result(msgspec.Struct):
    """What is read of a result or alert; the rest, such as the event in it, is passed over whatever it holds."""

    result_id: str
    risk_level: str
    anomaly_score: float
    risk_reason: str


def read(value: bytes) -> Result:
    """Read a result or an alert."""
    return msgspec.json.decode(value, type=Result)


class Seen:
    """The ids of the last `limit` results: memory stays bounded, and repeats come soon after the first if they come."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, result_id: str) -> bool:
        """Remember an id; True when it is new."""
        if result_id in self._ids:
            return False
        self._ids[result_id] = None
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)
        return True


def results(consumer: Consumer, stop: threading.Event, idle: float = math.inf) -> Iterator[bytes]:
    """Results in the order they were read; an offset counts as done when the next result is asked for.

    Ends after `idle` seconds without any.
    """
    latest = time.monotonic()
    while not stop.is_set() and time.monotonic() - latest < idle:
        message = consumer.poll(0.5)
        if message is None:
            continue
        error, value = message.error(), message.value()
        if error is not None:
            raise KafkaException(error)
        latest = time.monotonic()
        if value is not None:
            yield value
        consumer.store_offsets(message)


def main() -> int:
    """Read the options, subscribe, print."""
    parser = argparse.ArgumentParser(description="Prints each result once.")
    parser.add_argument("--bootstrap-servers", default="localhost:9092", metavar="HOST:PORT")
    parser.add_argument("--topic", default="session-results")
    parser.add_argument("--group-id", default="session-subscriber")
    parser.add_argument("--json", action="store_true", help="the whole result as it came, not its main fields")
    parser.add_argument("--idle", type=float, default=math.inf, metavar="SECONDS", help="end after so long without any")
    given = parser.parse_args()
    stop, seen = threading.Event(), Seen()
    printed = repeated = 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    consumer = Consumer(
        {
            "bootstrap.servers": given.bootstrap_servers,
            "group.id": given.group_id,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",  # results of aborted transactions are never seen
            "enable.auto.offset.store": False,  # what is committed is what has been printed
            "log_level": 0,  # a broker that goes away is waited for; the client would log every attempt to connect
        }
    )
    try:
        consumer.list_topics(given.topic, timeout=5)  # so that a wrong address is said, not waited for
        consumer.subscribe([given.topic])
        for value in results(consumer, stop, given.idle):
            result = read(value)
            if not seen.add(result.result_id):
                repeated += 1
                continue
            line = f"{result.risk_level:<6} {result.anomaly_score:.4f} {result.result_id} {result.risk_reason}"
            print(value.decode() if given.json else line.rstrip(), flush=True)
            printed += 1
    except KafkaException as error:
        print(f"subscriber: topic {given.topic} at {given.bootstrap_servers}: {error.args[0].str()}", file=sys.stderr)
        return 1
    finally:
        consumer.close()
    if given.idle < math.inf:
        print(f"{printed} results, {repeated} more were repeats", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
