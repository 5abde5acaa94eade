"""The ceiling of Python on librdkafka: reads events, writes the same bytes, and nothing between.

Takes the arguments of `session-scorer run`, so that it can stand in its place. Exactly-once with two transactional
producers in turn, or at-least-once. Batches of 2,000, as in the race that this project was measured against first.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, Message, Producer, TopicPartition

BATCH = 2000
PARTITIONER = "murmur2_random"  # Java's: by it write Kafka Streams and session-scorer, and so do all that take part
COMMAND = (sys.executable, "-m", "benchmarks.passthrough")
Copy = Callable[[list[Message]], None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Until it is ended."""
    given = _parser().parse_args(arguments)
    reader = Consumer(
        {
            "bootstrap.servers": given.bootstrap_servers,
            "group.id": given.group_id,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.queue.backoff.ms": 5,
        }
    )
    copy = _exactly_once(given, reader) if given.delivery == "exactly-once" else _at_least_once(given, reader)
    reader.subscribe([given.input_topic])
    while True:
        if messages := [each for each in reader.consume(BATCH, given.wait) if each.error() is None]:
            copy(messages)


def _exactly_once(given: argparse.Namespace, reader: Consumer) -> Copy:
    producers = [_producer(given, {"transactional.id": f"{given.group_id}-{turn}"}) for turn in range(2)]
    for producer in producers:
        producer.init_transactions(30)
    turns = itertools.cycle(producers)

    def copy(messages: list[Message]) -> None:
        producer, group = next(turns), reader.consumer_group_metadata()
        producer.begin_transaction()
        _write(producer, given.results_topic, messages)
        producer.send_offsets_to_transaction(_after(given.input_topic, messages), group)
        producer.commit_transaction()

    return copy


def _at_least_once(given: argparse.Namespace, reader: Consumer) -> Copy:
    producer = _producer(given, {"enable.idempotence": True})

    def copy(messages: list[Message]) -> None:
        _write(producer, given.results_topic, messages)
        producer.flush()
        reader.commit(offsets=_after(given.input_topic, messages), asynchronous=False)

    return copy


def _producer(given: argparse.Namespace, more: dict[str, str | bool]) -> Producer:
    settings = {"bootstrap.servers": given.bootstrap_servers, "queue.buffering.max.messages": 1_000_000}
    return Producer({**settings, "partitioner": PARTITIONER, "linger.ms": 5, **more})


def _write(producer: Producer, topic: str, messages: list[Message]) -> None:
    for message in messages:
        # with the event's own timestamp, so that its latency can be told
        producer.produce(topic, message.value(), message.key(), timestamp=message.timestamp()[1])


def _after(topic: str, messages: list[Message]) -> list[TopicPartition]:
    last = {message.partition() or 0: message.offset() or 0 for message in messages}
    return [TopicPartition(topic, partition, offset + 1) for partition, offset in last.items()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.passthrough", description=__doc__)
    parser.add_argument("command", choices=("run",))
    for name in ("bootstrap-servers", "group-id", "input-topic", "results-topic"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("alerts-topic", "dead-letters-topic", "metrics-port"):
        parser.add_argument(f"--{name}", help="not used")
    parser.add_argument("--delivery", default="exactly-once", choices=("exactly-once", "at-least-once"))
    parser.add_argument("--wait", type=float, default=0.05, help="longest that a batch waits to fill, in seconds")
    return parser


if __name__ == "__main__":
    main()
