"""Is it still the same topic? One deleted and made anew goes by the same name, and its offsets begin again.

The client does not tell: it reads on at the offset that was next, so records of the new topic before it are lost in
silence (librdkafka 2.16: 1,000 of 1,500 in a trial). Brokers give each topic an id of its own (Kafka 2.8 and later).
"""

from concurrent.futures import Future

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._topic import TopicDescription

from consumer.kafka.client import Complaints, open_client
from consumer.kafka.config import Connection


class Identity:
    """The id of one topic, asked for without waiting, and how far reading had come when it was last known to hold."""

    def __init__(self, connection: Connection, topic: str) -> None:
        self._topic = topic
        self._client = open_client(AdminClient, {**connection.admin(), "error_cb": Complaints()})
        self._question: Future[TopicDescription] | None = None
        self._known: str | None = None
        self._asked_at: dict[int, int] = {}
        self._held_at: dict[int, int] = {}

    def lost(self, positions: dict[int, int]) -> dict[int, int] | None:
        """None as long as the topic is the one it was; once it is another, for each partition the offset that was next
        in the old one, or a little before. `positions` are the offsets that are next now.

        Each call takes the answer to the question of an earlier one, and asks again.
        """
        self._client.poll(0)  # complaints come out, and a token that has expired is renewed
        if self._question is not None and not self._question.done():
            return None
        found = self._answer()
        self._question = self._client.describe_topics(TopicCollection([self._topic]))[self._topic]
        held_at, asked_at, self._asked_at = self._held_at, self._asked_at, dict(positions)
        if found is None:
            return None
        known, self._known = self._known, found
        self._held_at = asked_at  # when it was asked reading had come so far; it was answered later
        return None if known in {None, found} else asked_at | held_at

    def _answer(self) -> str | None:
        try:
            return str(self._question.result(0).topic_id) if self._question else None
        except KafkaException:  # no broker, no such topic at the moment, or no right to ask: then nobody knows
            return None
