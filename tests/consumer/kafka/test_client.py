"""Clients of Kafka open with one clear error, and close in time, whatever librdkafka does."""

import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from consumer.errors import WorkerError
from consumer.kafka.client import close, open_client


class NeverClosed(Consumer):
    """A consumer whose `close` does not return until it is let go."""

    def __init__(self) -> None:
        super().__init__({"group.id": "closing"})
        self.let_go = threading.Event()
        self.closed = threading.Event()

    def close(self) -> None:
        """Block, as librdkafka does when an offset is reset while the client ends."""
        self.let_go.wait()
        super().close()
        self.closed.set()


def test_hanging_close_is_abandoned_after_the_timeout() -> None:
    consumer, began = NeverClosed(), time.monotonic()
    close(consumer, 0.2)
    assert 0.2 <= time.monotonic() - began < 10.0
    assert not consumer.closed.is_set()
    consumer.let_go.set()
    assert consumer.closed.wait(60.0), "it goes on alone"


def test_consumer_is_closed_on_return() -> None:
    consumer = NeverClosed()
    consumer.let_go.set()
    close(consumer, 60.0)
    assert consumer.closed.is_set()


def test_client_without_a_valid_token_names_the_login() -> None:
    def refuse(*_: object, **__: object) -> Producer:
        raise KafkaException(
            KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED, "OAuth token not set within 10 seconds timeout")
        )

    with pytest.raises(WorkerError, match="timeout; the token has expired, and --login got no other"):
        open_client(refuse, {})
