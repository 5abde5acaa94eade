"""Feeds generated sessions to a topic at a steady rate, until stopped or for --count events.

    python examples/feeder.py --bootstrap-servers localhost:9092 --topic sessions --rate 200
    python examples/feeder.py --input events.jsonl

Keys are user ids. With --input it feeds the lines of a file as they are. Else a share of the events (--invalid, one in
a hundred) is broken on purpose: it becomes dead letters.
"""

import argparse
import random
import signal
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from threading import Event

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.demo.feeder import lines
from consumer.errors import WorkerError
from training.synthetic.dataset import keyed_events
from training.synthetic.invalid_events import invalid_samples

QUEUE = 10_000  # undelivered events held at most; librdkafka refuses more than 100,000


def records(seed: int, invalid: float) -> Iterator[tuple[bytes | None, bytes]]:
    """Key and value without end; a value is a broken one with the chance `invalid`."""
    chance = random.Random(seed)  # noqa: S311 - a stream to look at, no secret
    bad = invalid_samples(seed)
    for key, value in keyed_events(seed):
        yield key, next(bad).value if chance.random() < invalid else value


def require_topic(producer: Producer, topic: str) -> None:
    """Ask the broker for the topic, so that a wrong address or name is said at once."""
    known = producer.list_topics(topic, timeout=5).topics[topic]
    if known.error is not None:
        raise KafkaException(known.error)


def feed(producer: Producer, topic: str, source: Iterator[tuple[bytes | None, bytes]], rate: float, stop: Event) -> int:
    """Produce at `rate` events a second until the source ends or `stop` is set; how many were sent."""
    failures: list[KafkaError] = []
    sent, began = 0, time.monotonic()

    def reported(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    while not stop.wait(0.02) and not failures:
        due = int((time.monotonic() - began) * rate) - sent
        wanted = max(0, min(due, QUEUE - len(producer)))
        batch = list(islice(source, wanted))
        for key, value in batch:
            producer.produce(topic, value, key, on_delivery=reported)
        producer.poll(0)
        sent += len(batch)
        if len(batch) < wanted:
            break  # the source has ended
    producer.flush()  # ends: what cannot be delivered is reported as a failure after delivery.timeout.ms
    if failures:
        raise KafkaException(failures[0])
    return sent


def main() -> int:
    """Read the options, feed, say how many."""
    parser = argparse.ArgumentParser(description="Feeds generated sessions to a topic.")
    parser.add_argument("--bootstrap-servers", default="localhost:9092", metavar="HOST:PORT")
    parser.add_argument("--topic", default="sessions")
    parser.add_argument("--rate", type=float, default=200.0, help="events a second")
    parser.add_argument("--count", type=int, help="stop after so many (default: never)")
    parser.add_argument("--invalid", type=float, default=0.01, help="share of broken events")
    parser.add_argument("--seed", type=int, help="the same seed, the same events (default: another one each time)")
    parser.add_argument("--input", type=Path, metavar="FILE", help="feed its lines, one JSON object each")
    given = parser.parse_args()
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    seed = int(time.time()) if given.seed is None else given.seed
    # java's partitioner, so that a key meets the partition a JVM producer would choose
    producer = Producer(
        {
            "bootstrap.servers": given.bootstrap_servers,
            "partitioner": "murmur2_random",
            "delivery.timeout.ms": 30_000,
            "linger.ms": 5,
            "log_level": 0,  # the client would log every attempt to connect, twenty a second
        }
    )
    try:
        source = records(seed, given.invalid) if given.input is None else lines(given.input)
        require_topic(producer, given.topic)
        sent = feed(producer, given.topic, islice(source, given.count), given.rate, stop)
    except KafkaException as error:
        print(f"feeder: topic {given.topic} at {given.bootstrap_servers}: {error.args[0].str()}", file=sys.stderr)
        return 1
    except WorkerError as error:  # of the file
        print(f"feeder: {error}", file=sys.stderr)
        return 1
    print(f"{sent} events fed to {given.topic}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
