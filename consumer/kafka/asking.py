"""A question to the brokers, repeated while it may pass; whoever asks needs no more than the answer or one line."""

from collections.abc import Callable
from typing import TypeVar

from consumer.errors import DeliveryError, WorkerError
from consumer.kafka.errors import calling
from consumer.patience import Patience
from consumer.runtime import SYSTEM, Runtime

T = TypeVar("T")


def answer(doing: str, call: Callable[[], T], seconds: float, runtime: Runtime = SYSTEM) -> T:
    """What `call` gives, within `seconds` or a little more. Raises WorkerError, in one line."""
    try:
        return Patience(seconds, runtime=runtime).insist(lambda: calling(doing, call))
    except DeliveryError as error:
        raise WorkerError(str(error)) from error
