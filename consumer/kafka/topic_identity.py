"""Is it still the same topic? One deleted and created again has the same name, and its offsets begin again.

The client does not tell: it reads on at the offset that was next, so records of the new topic before it are lost in
silence (librdkafka 2.16: 1,000 of 1,500 in a trial). Brokers give every topic an id of its own (Kafka 2.8 and later).
"""

import math
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin._topic import TopicDescription

from consumer.kafka.client import ErrorLog, open_client
from consumer.kafka.config import Connection
from consumer.records import Gap
from consumer.runtime import SYSTEM, Clock

_DELETED_SECONDS = 3.0  # for so long a broker must deny the topic: one that is not let in again yet knows none at all


class ReadPosition(NamedTuple):
    """How far a partition was read, and how often reading it had started at an offset that was looked up."""

    seeks: int
    offset: int


class Denial:
    """Measures for how long brokers have denied the topic, one answer after the other; silence is no answer."""

    def __init__(self) -> None:
        self._first = self._last = math.inf

    def add(self, now: float) -> None:
        """Count one more answer that there is no such topic."""
        self._first, self._last = min(self._first, now), now

    def clear(self) -> None:
        """Count any other answer, or none."""
        self._first = self._last = math.inf

    def lasts(self) -> bool:
        """Return whether the answers of several seconds agree."""
        return self._last - self._first >= _DELETED_SECONDS


class TopicIdentity:
    """The id of one topic, asked for without waiting, and how far it was read when the id was last known to hold."""

    def __init__(self, connection: Connection, topic: str, clock: Clock = SYSTEM.clock) -> None:
        self._connection = connection
        self._topic = topic
        self._clock = clock
        self._question: Future[TopicDescription] | None = None
        self._topic_id: str | None = None
        self._denial = Denial()
        self._asked_at: dict[int, ReadPosition] = {}
        self._held_at: dict[int, ReadPosition] = {}
        self.reopen()

    def reopen(self) -> None:
        """Open another client, where the old one may have forgotten its brokers; keep the id."""
        config = {**self._connection.admin(), "error_cb": ErrorLog(self._clock)}
        self._client = open_client(self._connection.clients.admin, config)
        self._question = None

    @property
    def deleted(self) -> bool:
        """True when brokers have denied for a while that there is such a topic, though there was one."""
        return self._topic_id is not None and self._denial.lasts()

    def check(self, positions: dict[int, ReadPosition]) -> dict[int, ReadPosition] | None:
        """Return None while the topic is the same; once it is another, how far the old one was read, or a little less.

        `positions` are how far reading is now. A call reads the answer to the question of an earlier one, and asks
        again.
        """
        self._client.poll(0)  # errors are reported, and a token that has expired is renewed
        if self._question is not None and not self._question.done():
            return None
        topic_id = self._answer()
        self._question = self._client.describe_topics(TopicCollection([self._topic]))[self._topic]
        held_at, asked_at, self._asked_at = self._held_at, self._asked_at, dict(positions)
        if topic_id is None:
            return None
        before, self._topic_id = self._topic_id, topic_id
        self._held_at = asked_at  # when it was asked reading had come so far; it was answered later
        return None if before in {None, topic_id} else asked_at | held_at

    def _answer(self) -> str | None:
        if self._question is None:
            return None
        try:
            topic_id = str(self._question.result(0).topic_id)
        except KafkaException as exception:  # no broker, no such topic at the moment, or no right to ask
            if exception.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                self._denial.add(self._clock())
            else:
                self._denial.clear()
            return None
        self._denial.clear()
        return topic_id


def describe_recreated(topic: str, gaps: Sequence[Gap]) -> str:
    """Say in one line that the topic was deleted and created again, and what of it is known to be unread."""
    count = sum(gap.never_seen for gap in gaps)
    where = ", ".join(f"partition {gap.partition} before offset {gap.low}" for gap in gaps)
    message = (
        f"reading went on in the new one past at least {count} offsets that were never read ({where}); resetting the "
        "group's offsets would score these, and once more what was read of the new one behind them"
    )
    if not gaps:
        message = "nothing of the new one is known to be passed over"
    return (
        f"{topic} was deleted and recreated while this worker read it: {message}; start again to go on from the "
        "group's offsets; --on-gap continue goes on by itself"
    )
