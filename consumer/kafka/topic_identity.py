"""Is a topic still the same? One deleted and created again has the same name, and its offsets begin again.

The client does not tell: it reads on at the offset that was next, so records of the new topic before it are lost in
silence (librdkafka 2.16: 1,000 of 1,500 in a trial). Brokers give every topic an id of its own (Kafka 2.8 and later).
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin._topic import TopicDescription

from consumer.kafka.client import ErrorLog, open_client
from consumer.kafka.config import Connection
from consumer.records import Gap, Partition
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


ReadPositions = Mapping[Partition, ReadPosition]


class _Identity:
    """What is known of one topic. `held_at` is how far it was read when its id was last known to hold."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.denial = Denial()
        self.held_at: ReadPositions = {}


class TopicIdentities:
    """The ids of the topics that are read, asked for without waiting."""

    def __init__(self, connection: Connection, names: Sequence[str], clock: Clock = SYSTEM.clock) -> None:
        """`names` are those of topics that must be there: they are asked for even if no partition is assigned."""
        self._connection = connection
        self._names = names
        self._clock = clock
        self._topics: dict[str, _Identity] = {}
        self._questions: dict[str, Future[TopicDescription]] = {}
        self._asked_at: ReadPositions = {}
        self.reopen()

    def reopen(self) -> None:
        """Open another client, where the old one may have forgotten its brokers; keep the ids."""
        config = {**self._connection.admin(), "error_cb": ErrorLog(self._clock)}
        self._client = open_client(self._connection.clients.admin, config)
        self._questions = {}

    def deleted(self) -> frozenset[str]:
        """Return the named topics that were there, and that brokers have denied for a while."""
        known = ((name, self._topics[name]) for name in self._names if name in self._topics)
        return frozenset(name for name, topic in known if topic.id is not None and topic.denial.lasts())

    def check(self, positions: ReadPositions) -> dict[str, ReadPositions]:
        """Return by topic that is another one now how far the old one was read, or a little less.

        `positions` are how far reading is now. A call reads the answers to the questions of an earlier one, and asks
        again.
        """
        self._client.poll(0)  # errors are reported, and a token that has expired is renewed
        if not all(answer.done() for answer in self._questions.values()):
            return {}
        answered = {name: self._compare(name, answer) for name, answer in self._questions.items()}
        names = sorted({*self._names, *(partition.topic for partition in positions)})
        self._topics = {name: self._topics.get(name, _Identity()) for name in names}
        self._questions = self._client.describe_topics(TopicCollection(names)) if names else {}
        self._asked_at = dict(positions)
        return {name: old for name, old in answered.items() if old is not None}

    def _compare(self, name: str, answer: "Future[TopicDescription]") -> ReadPositions | None:
        """Return how far the topic was read if it is another one now."""
        topic = self._topics[name]
        topic_id = self._id(topic, answer)
        if topic_id is None:
            return None
        before, topic.id = topic.id, topic_id
        held_at = topic.held_at
        # when it was asked reading had come so far; it was answered later
        topic.held_at = {each: position for each, position in self._asked_at.items() if each.topic == name}
        return None if before in {None, topic_id} else {**topic.held_at, **held_at}

    def _id(self, topic: _Identity, answer: "Future[TopicDescription]") -> str | None:
        try:
            topic_id = str(answer.result(0).topic_id)
        except KafkaException as exception:  # no broker, no such topic at the moment, or no right to ask
            if exception.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                topic.denial.add(self._clock())
            else:
                topic.denial.clear()
            return None
        topic.denial.clear()
        return topic_id


def describe_recreated(topic: str, gaps: Sequence[Gap]) -> str:
    """Say in one line that the topic was deleted and created again, and what of it is known to be unread."""
    count = sum(gap.never_seen for gap in gaps)
    where = ", ".join(f"partition {gap.partition.number} before offset {gap.low}" for gap in gaps)
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
