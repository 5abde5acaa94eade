"""`dead-letters list` and `redrive` as their users meet them, on a real broker."""

import json
from collections import Counter
from threading import Event as Flag
from typing import NamedTuple

import pytest

from consumer import dead_letters
from consumer.errors import WorkerError
from consumer.kafka.config import Connection
from consumer.kafka.letterbox import Letterbox
from consumer.kafka.producer import KafkaProducer
from consumer.letters.found import Filter
from consumer.letters.redrive import Plan, redrive
from consumer.records import Batch, Headers
from scoring import InvalidEvent
from tests.command import Call, caller
from tests.consumer.wire import Event, read, write
from tests.topics import Topics

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("logging_as_before")]

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

    def letter(self, offset: int, code: str = "wrong_type", attempts: int = 1, value: bytes | None = None) -> Event:
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
def call(post: Post, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs `session-scorer dead-letters …` in this process."""
    whole = caller(monkeypatch, capsys)
    return lambda command, *options: whole("dead-letters", command, *post.options(), *options)


def written(post: Post) -> Counter[bytes]:
    return Counter(message.value() or b"" for message in read(post.bootstrap, post.sessions))


def test_the_list_shows_what_is_wrong_and_counts_it_and_shows_no_payload(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i, "bad_date" if i % 3 else "wrong_type") for i in range(9)])
    said = call("list")
    assert said.status == 0, said.err
    assert said.out.count(f"{post.sessions}-0-") == 9
    assert said.out.splitlines()[-1] == "9 dead letters (bad_date 6, wrong_type 3)"
    assert "secret" not in said.out + said.err


def test_of_a_topic_without_letters_the_list_says_so_and_speaks_of_no_limit(call: Call) -> None:
    said = call("list")
    assert (said.status, said.out) == (0, "0 dead letters\n"), said.err


def test_the_list_as_json_is_json_lines_and_the_filters_and_the_limit_hold(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i, "bad_date" if i % 3 else "wrong_type") for i in range(9)])
    said = call("list", "--json", "--code", "bad_date", "--field", "click_events", "--since", "1h", "--limit", "4")
    shown = [json.loads(line) for line in said.out.splitlines()]
    assert [each["code"] for each in shown] == ["bad_date"] * 4
    assert "stopped at --limit 4" in said.err
    assert not call("list", "--json", "--until", "1h").out


def test_a_redrive_without_yes_only_says_what_it_would_do(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(5)])
    said = call("redrive")
    assert f"would write 5 dead letters back to {post.sessions} (wrong_type 5)" in said.out
    assert "--yes" in said.out
    assert not written(post)


def test_a_redrive_writes_the_records_as_they_came_and_never_twice(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(5)])
    said = call("redrive", "--yes")
    assert said.status == 0, said.err
    assert said.out == f"wrote 5 dead letters back to {post.sessions}\n"
    messages = read(post.bootstrap, post.sessions)
    assert {message.value() for message in messages} == {b"secret-%d" % i for i in range(5)}
    assert all(message.key() == b"secret-key" for message in messages)
    assert all(message.headers() == [*CAME, *dead_letters.redrive_headers(1)] for message in messages)
    assert "wrote 0" in call("redrive", "--yes").out
    write(post.bootstrap, post.letters, [post.letter(5)])
    assert "wrote 1" in call("redrive", "--yes").out
    assert set(written(post).values()) == {1}


def test_what_one_redrive_left_by_its_filters_or_its_limit_the_next_ones_find(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i, "bad_date" if i % 3 else "wrong_type") for i in range(30)])
    assert "wrote 10 " in call("redrive", "--yes", "--code", "wrong_type", "--rate", "1000").out
    assert "wrote 7 " in call("redrive", "--yes", "--limit", "7", "--rate", "3000").out
    assert "would write 13 " in call("redrive").out
    assert "wrote 13 " in call("redrive", "--yes", "--rate", "5").out
    assert "wrote 0 " in call("redrive", "--yes").out
    assert written(post) == Counter(b"secret-%d" % i for i in range(30))


def test_what_cannot_be_redriven_is_skipped_and_counted(post: Post, call: Call) -> None:
    worn, fresh = post.letter(0, attempts=3), post.letter(1, attempts=2)
    hole = post.letter(2, "unreadable_batch")._replace(value=None, key=None)
    large = post.letter(3, "too_large")._replace(value=None)
    write(post.bootstrap, post.letters, [worn, fresh, hole, large])
    said = call("redrive", "--yes")
    assert "wrote 1 " in said.out
    assert "skipped 1: tried --max-attempts (3) times already" in said.out
    assert "skipped 1: of unreadable batches" in said.out
    assert "skipped 1: without a value" in said.out
    assert written(post) == Counter([b"secret-1"])
    assert "wrote 1 " in call("redrive", "--yes", "--max-attempts", "4").out
    assert written(post) == Counter([b"secret-0", b"secret-1"])


def test_letters_of_another_topic_are_refused_in_one_line(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post._replace(sessions="elsewhere").letter(0)])
    said = call("redrive", "--yes")
    assert said.status == 1
    assert "came from topic elsewhere" in said.err
    assert said.err.count("\n") == 1


def test_a_topic_that_is_missing_is_one_line(post: Post, call: Call) -> None:
    said = call("list", "--dead-letters-topic", f"{post.letters}-not")
    assert (said.status, said.err.count("\n")) == (1, 1)
    assert f"{post.letters}-not" in said.err


def plan(post: Post) -> Plan:
    return Plan(Filter(), post.sessions, post.letters, limit=0, rate=10)


def box(post: Post) -> Letterbox:
    return Letterbox(Connection(post.bootstrap), f"{post.group}-redrive", post.letters)


class Interrupted(KafkaProducer):
    """One that is gone between the offsets and the commit, as a killed process is."""

    left = 2

    def commit(self) -> None:
        """Twice, and no more."""
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        super().commit()


def test_a_redrive_that_is_killed_goes_on_where_it_was(post: Post) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(45)])
    name = f"{post.group}-redrive"
    with pytest.raises(KeyboardInterrupt):
        redrive(box(post), Interrupted(Connection(post.bootstrap), name), plan(post), Flag())
    assert redrive(box(post), KafkaProducer(Connection(post.bootstrap), name), plan(post), Flag()).redriven == 25
    assert written(post) == Counter(b"secret-%d" % i for i in range(45))


def test_a_second_redrive_ends_the_first(post: Post) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(45)])
    name = f"{post.group}-redrive"

    class Overtaken(KafkaProducer):
        """One beside which another begins."""

        def commit(self) -> None:
            """First lets the other do it all."""
            producer = KafkaProducer(Connection(post.bootstrap), name)
            assert redrive(box(post), producer, plan(post), Flag()).redriven == 45
            super().commit()

    with pytest.raises(WorkerError, match="another redrive of this group has begun"):
        redrive(box(post), Overtaken(Connection(post.bootstrap), name), plan(post), Flag())
    assert written(post) == Counter(b"secret-%d" % i for i in range(45))


def test_a_redrive_that_is_told_to_stop_says_so_and_writes_no_more(post: Post) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(5)])
    stop = Flag()
    stop.set()
    tally = redrive(box(post), KafkaProducer(Connection(post.bootstrap), f"{post.group}-redrive"), plan(post), stop)
    assert (tally.redriven, tally.stopped) == (0, True)
    assert not written(post)
