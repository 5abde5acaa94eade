"""What a message of the Kafka client holds, as our own types."""

import logging
from collections.abc import Callable, Iterator
from typing import cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from consumer.records import Headers
from consumer.runtime import SYSTEM, Clock, RateLimit

_log = logging.getLogger("consumer.kafka.messages")


class LeftOut:
    """Says that a message's headers were left out; once a minute, for every event of a producer may be such a one."""

    def __init__(self, clock: Clock = SYSTEM.clock) -> None:
        self._rate_limit = RateLimit(clock=clock)

    def __call__(self, message: Message) -> None:
        if count := self._rate_limit.admit():
            place = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
            _log.warning("headers left out: a name is not UTF-8", extra=place | {"records": count})


def headers_of(messages: list[Message], left_out: Callable[[Message], None]) -> list[Headers]:
    """Each message's headers. Those with a name that is not UTF-8 are left out, all of that message's: the client can
    neither give nor write them, and an event without headers is worth more than a worker that stops at it for ever.
    `left_out` is told of each such message.
    """
    # A name that is not UTF-8 leaves an exception behind and half a tuple in the answer. Only a call through `map` is
    # checked for that at once (a call in a loop may be specialised, and is not); the same message is not asked twice.
    found: list[Headers | None] = []
    answers = cast("Iterator[Headers | None]", map(Message.headers, messages))
    while len(found) < len(messages):
        try:
            found.extend(answers)
        except (SystemError, UnicodeDecodeError):
            left_out(messages[len(found)])
            found.append(None)
    return [headers or [] for headers in found]


def timestamps_of(messages: list[Message]) -> list[int]:
    """Each record's timestamp in ms since the epoch; -1 when it has none."""
    return [
        -1 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp for kind, timestamp in map(Message.timestamp, messages)
    ]


def milliseconds(message: Message) -> int:
    """One record's."""
    return timestamps_of([message])[0]
