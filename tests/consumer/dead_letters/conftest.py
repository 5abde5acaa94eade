"""Dead letters on a real broker, and the command that works on them."""

from collections import Counter
from typing import NamedTuple

import pytest

from consumer.records import Batch, Headers
from consumer.stream import dead_letters
from scoring import ErrorCode, InvalidEvent
from tests.support.command_line import Call
from tests.support.kafka.topics import Topics
from tests.support.wire import Event, read

CAME: Headers = [("trace", b"a")]


class Post(NamedTuple):
    """The names that one test uses."""

    bootstrap: str
    sessions: str
    letters: str
    group: str

    def options(self) -> list[str]:
        names = ("--bootstrap-servers", "--input-topic", "--dead-letters-topic", "--group-id")
        return [text for pair in zip(names, self, strict=True) for text in pair]

    def letter(
        self, offset: int, code: ErrorCode = "wrong_type", attempts: int = 1, value: bytes | None = None
    ) -> Event:
        """A dead letter as the worker writes it."""
        came = CAME if attempts == 1 else [*CAME, *dead_letters.redrive_headers(attempts - 1)]
        batch = Batch(self.sessions, [0], [offset], [-1], [None], [None], [came])
        fault = InvalidEvent(code, "click_events", "expected a number")
        headers = dead_letters.headers(batch, 0, fault, self.group)
        return Event(value or b"secret-%d" % offset, b"secret-key", headers=headers)


@pytest.fixture
def post(kafka: str, topics: Topics) -> Post:
    sessions = topics("sessions", partitions=2)
    return Post(kafka, sessions, topics("dead-letters", partitions=2), f"scorer-of-{sessions}")


@pytest.fixture
def call(call: Call, post: Post) -> Call:
    """Runs `session-scorer dead-letters …` in this process."""
    return lambda command, *options: call("dead-letters", command, *post.options(), *options)


def written(post: Post) -> Counter[bytes]:
    return Counter(message.value() or b"" for message in read(post.bootstrap, post.sessions))
