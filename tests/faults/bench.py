"""Exactly-once delivery to a mock broker that errs on request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaError

from consumer.delivery.exactly_once import ExactlyOnce
from consumer.kafka.config import Connection
from consumer.kafka.membership import Membership
from consumer.kafka.producer import KafkaProducer
from consumer.records import OutRecord
from consumer.runtime import Retry
from tests.faults.mocked import MockBroker
from tests.support.fakes import P0, deliver

SECONDS: Final = 15.0  # for a call and for all of its repetitions, where they should pass
SHORT: Final = 2.0  # the same, where they should not
RECORDS: Final = [OutRecord("results", b"key", b"value", [], 1234)]


def code(name: str) -> int:
    """Return the number of an error, given the name that the client has for it."""
    return int(getattr(KafkaError, name))


class Bench:
    """Exactly-once delivery to a broker that errs, and how many producers it has used."""

    def __init__(self, broker: MockBroker, seconds: float) -> None:
        self.broker = broker
        self.made = 0
        self._seconds = seconds
        self._reader = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "scorer", "log_level": 0})
        membership = Membership(b"", revocations=0, metadata=self._reader.consumer_group_metadata())
        self.delivery = ExactlyOnce(self._make, ("id-0", "id-1"), lambda: membership, Retry(seconds, seconds))

    def deliver(self, times: int = 1) -> None:
        """Deliver one batch, or several in a row."""
        for _ in range(times):
            deliver(self.delivery, RECORDS, {P0: 1})

    def close(self) -> None:
        """Close the delivery and the member on whose behalf it commits."""
        self.delivery.close()
        self._reader.close()

    def _make(self, name: str) -> KafkaProducer:
        self.made += 1
        return KafkaProducer(Connection(self.broker.bootstrap_servers), name, seconds=self._seconds)


@contextmanager
def exactly_once(seconds: float = SECONDS) -> Iterator[Bench]:
    """Open a bench with a broker of its own; `seconds` bounds each call and all its repetitions."""
    with MockBroker(["sessions", "results"]) as broker:
        bench = Bench(broker, seconds)
        try:
            yield bench
        finally:
            bench.close()


def begun(bench: Bench) -> Bench:
    """Start the delivery, and let both producers write and commit once."""
    bench.delivery.start()
    bench.deliver(times=2)
    return bench
