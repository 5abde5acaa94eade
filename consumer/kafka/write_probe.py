"""Tests whether this user may write, by transactions that are all aborted, of a transactional id of its own.

A read-committed consumer does not see it, and no worker is fenced. It also tells the broker's time: of all that
an ordinary client can ask for, only the end of a transaction bears it.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Final

from consumer.errors import DeliveryError
from consumer.kafka.admin import Admin
from consumer.kafka.config import Connection
from consumer.kafka.descriptions import ClockReading, Topic
from consumer.kafka.producer import KafkaProducer
from consumer.records import Headers, OutRecord

_HEADERS: Headers = [("session_scorer.check", b"never committed")]
_DAY_MS: Final = 86_400_000
_MARKER_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.005


class WriteProbe:
    """A producer that only tries. `now` is in ms since the epoch. Every method raises DeliveryError, in one line."""

    def __init__(
        self, connection: Connection, transactional_id: str, now: Callable[[], int], *, seconds: float = 10.0
    ) -> None:
        self._now = now
        self._producer = KafkaProducer(connection, transactional_id, seconds=seconds)
        self._producer.init()  # which ends what an earlier one may have left open

    def write(self, topic: Topic) -> None:
        """Write one record without key and value, and abort it."""
        try:
            self._producer.begin()
            self._producer.produce([OutRecord(topic.name, None, None, _HEADERS, self._timestamp(topic))])
            self._producer.flush()
        except DeliveryError:
            with contextlib.suppress(DeliveryError):  # the reason is known already
                self._producer.abort()
            raise
        self._producer.abort()

    def _timestamp(self, topic: Topic) -> int:
        """Return a time well before now.

        No broker takes it for one to come, however wrong our clock is, and the end of the transaction is dated later.
        """
        oldest = topic.number("message.timestamp.before.max.ms")
        return self._now() - (_DAY_MS if oldest is None else min(_DAY_MS, oldest // 2))

    def clock(self, admin: Admin, topic: Topic) -> ClockReading:
        """Return the broker's time, by writing to this topic. Raises WorkerError as well."""
        name, partitions = topic.name, topic.partitions
        ends = admin.ends(name, partitions)
        before = self._now()
        self.write(topic)
        if not self._ended(admin, topic):
            return ClockReading(before, self._now(), None)
        newest = admin.newest(name, partitions)
        after = self._now()
        partition = max(newest, key=lambda number: newest[number][1])
        offset, timestamp = newest[partition]
        if timestamp > after and offset < ends[partition]:  # an older record, dated later than all that is now
            return ClockReading(before, after, None, hidden_by=timestamp)
        return ClockReading(before, after, timestamp)

    def _ended(self, admin: Admin, topic: Topic) -> bool:
        """Wait until the end of the transaction is written, which is a moment after it is decided."""
        ends = admin.ends(topic.name, topic.partitions)
        deadline = time.monotonic() + _MARKER_SECONDS
        while time.monotonic() < deadline:
            readable = admin.ends(topic.name, topic.partitions, committed=True)
            if all(readable[number] >= end for number, end in ends.items()):
                return True
            time.sleep(_PAUSE_SECONDS)
        return False

    def close(self) -> None:
        """Drop the producer."""
        self._producer.drop()
