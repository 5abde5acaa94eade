"""How many messages to ask the client for, and what they hold, as plain values."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from consumer.records import Headers, Partition
from consumer.runtime import SYSTEM, Clock, RateLimit

_log = logging.getLogger("consumer.kafka.messages")

# The most records asked for at once. Bytes are only known once records are here, so a batch may pass its limit of
# bytes by what one such request brings; small requests keep that little, at no measurable cost.
_REQUEST = 256


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """The bounds of one poll: bytes of the values, and seconds that the oldest event may wait for others."""

    size: int = 8 * 1024 * 1024
    age: float = 0.005


class Gathering:
    """The events of one poll as they come: `add` counts them, `room` and `time_left` say how long to go on."""

    def __init__(self, limits: FetchLimits, clock: Clock, most: int) -> None:
        """`most` is the largest number of events."""
        self._limits = limits
        self._most = most
        self._clock = clock
        self._events = 0
        self._size = 0
        self._oldest = 0.0

    def add(self, events: int, size: int) -> None:
        """Count `events` records whose values hold `size` bytes in all."""
        if events and not self._events:
            self._oldest = self._clock()
        self._events += events
        self._size += size

    def room(self) -> int:
        """Return the number of records to ask for next; 0 when there are enough, few at a time when they are large."""
        left = min(self._most - self._events, _REQUEST)
        bytes_left = self._limits.size - self._size
        if left <= 0 or bytes_left <= 0:
            return 0
        if not self._events:
            return 1  # the first one ends the long wait; others are asked for with `time_left`
        return max(1, min(left, bytes_left * self._events // max(self._size, 1)))

    def time_left(self) -> float:
        """Return the seconds that the oldest event may still wait. At 0 what is already here may join."""
        if not self._events:
            return self._limits.age
        return max(0.0, self._oldest + self._limits.age - self._clock())


class DroppedHeaders:
    """Logs that a message's headers were dropped; once a minute, since it may be so for every event of a producer."""

    def __init__(self, clock: Clock = SYSTEM.clock) -> None:
        self._rate_limit = RateLimit(clock=clock)

    def __call__(self, message: Message) -> None:
        if count := self._rate_limit.admit():
            record = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
            _log.warning("headers left out: a name is not UTF-8", extra=record | {"records": count})


def headers_of(messages: list[Message], log_dropped: Callable[[Message], None]) -> list[Headers]:
    """Return the headers by message; none of a message that has a header whose name is not UTF-8.

    The client can neither return nor write such a name, and an event without headers is worth more than a worker that
    stops at it for ever. `log_dropped` is called with every such message.
    """
    # A name that is not UTF-8 leaves an exception behind and half a tuple in the answer. Only a call through `map` is
    # checked for that at once (a call in a loop may be specialised, and is not); the same message is not asked twice.
    columns: list[Headers | None] = []
    answers = cast("Iterator[Headers | None]", map(Message.headers, messages))
    while len(columns) < len(messages):
        try:
            columns.extend(answers)
        except (SystemError, UnicodeDecodeError):
            log_dropped(messages[len(columns)])
            columns.append(None)
    return [headers or [] for headers in columns]


def partition_of(message: Message) -> Partition:
    """Return the partition that a message, which may be an error, is from."""
    return Partition(cast("str", message.topic()), cast("int", message.partition()))


def timestamps_of(messages: list[Message]) -> list[int]:
    """Return the records' timestamps in ms since the epoch; -1 where there is none."""
    return [
        -1 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp for kind, timestamp in map(Message.timestamp, messages)
    ]


def timestamp_of(message: Message) -> int:
    """Return a record's timestamp in ms since the epoch; -1 when it has none."""
    return timestamps_of([message])[0]
