"""Seeds that found mistakes, each under the name of what it found."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.kafka.client import Clients
from consumer.kafka.config import Connection
from consumer.kafka.producer import KafkaProducer
from tests.simulation.schedule import run


@pytest.mark.parametrize(
    ("seed", "found"),
    [
        (
            38,
            "a fatal error that was lost under the callback of a report ended the worker",
        ),
        (
            181,
            "a fatal error that a producer meets while it is served, within the callback of a report, ended the worker",
        ),
        (
            179770,
            "a mistake of the model: an abort that had no new producer id yet did not go on when asked again",
        ),
        (
            202399,
            "at-least-once: events of a partition that was lost, left out of a commit, counted twice in the breaker",
        ),
        (
            317235,
            "a mistake of the checks: a watchdog whose clock had jumped ended a worker while its loop went round",
        ),
        (
            282406,
            "a mistake of the model: a search for an unreadable batch went on behind what retention took meanwhile",
        ),
        (
            1267,
            "at-least-once: a worker that had lost a partition and joined again moved the new owner's offset back",
        ),
    ],
)
def test_seed_that_found_a_mistake(seed: int, found: str) -> None:
    assert run(seed).violation is None, found


class FencedClient:
    """A producer that fails over the callback of a report, as confluent-kafka 2.16 does."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def poll(self, _: float) -> int:
        fatal = KafkaException(KafkaError(KafkaError._FENCED, fatal=True))
        raise SystemError("returned a result with an exception set") from fatal


def test_serving_a_producer_leaves_a_fatal_error_to_the_next_call() -> None:
    clients = Clients(producer=FencedClient)  # type: ignore[arg-type]  # stands for the client

    KafkaProducer(Connection("nowhere:9092", clients=clients)).serve()
