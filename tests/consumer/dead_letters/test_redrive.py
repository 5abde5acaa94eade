"""`dead-letters list` and `redrive` as their users meet them, on a real broker."""

import json
import random
from collections import Counter
from threading import Event as Flag

import pytest

from consumer.dead_letters.offset_ranges import RedriveProgress, decode
from consumer.dead_letters.record import DeadLetter, Filter, WriterFilter
from consumer.dead_letters.redrive import Plan, redrive
from consumer.errors import WorkerError
from consumer.kafka.config import Connection
from consumer.kafka.membership import InputTopics
from consumer.kafka.producer import KafkaProducer
from consumer.kafka.reader import KafkaDeadLetterReader
from consumer.records import Batch, Headers
from consumer.stream import dead_letters
from scoring import InvalidEvent
from tests.consumer.dead_letters.conftest import CAME, Post, written
from tests.support.command_line import Call
from tests.support.kafka.topics import Topics
from tests.support.wire import Event, read, write

pytestmark = pytest.mark.kafka


def test_list_prints_errors_and_no_payload(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i, "bad_date" if i % 3 else "wrong_type") for i in range(9)])
    result = call("list")
    assert result.status == 0, result.err
    assert result.out.count(f"{post.sessions}-0-") == 9
    assert result.out.splitlines()[-1] == "9 dead letters (bad_date 6, wrong_type 3)"
    assert "secret" not in result.out + result.err


def test_list_of_an_empty_topic_prints_zero(call: Call) -> None:
    result = call("list")
    assert (result.status, result.out) == (0, "0 dead letters\n"), result.err


def test_list_prints_filtered_json_lines(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i, "bad_date" if i % 3 else "wrong_type") for i in range(9)])
    result = call("list", "--json", "--code", "bad_date", "--field", "click_events", "--since", "1h", "--limit", "4")
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["code"] for row in rows] == ["bad_date"] * 4
    assert "stopped at --limit 4" in result.err
    assert not call("list", "--json", "--until", "1h").out


def test_redrive_without_yes_is_a_dry_run(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(5)])
    result = call("redrive")
    assert f"would write 5 dead letters back to {post.sessions} (wrong_type 5)" in result.out
    assert "--yes" in result.out
    assert not written(post)


def test_redrive_restores_records_once(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(5)])
    result = call("redrive", "--yes")
    assert result.status == 0, result.err
    assert result.out == f"wrote 5 dead letters back to {post.sessions}\n"
    messages = read(post.bootstrap, post.sessions)
    assert {message.value() for message in messages} == {b"secret-%d" % i for i in range(5)}
    assert all(message.key() == b"secret-key" for message in messages)
    assert all(message.headers() == [*CAME, *dead_letters.redrive_headers(1)] for message in messages)
    again = call("redrive", "--yes").out
    assert again == f"wrote 0 dead letters back to {post.sessions}\nalready redriven: 5\n"
    write(post.bootstrap, post.letters, [post.letter(5)])
    assert "wrote 1" in call("redrive", "--yes").out
    assert set(written(post).values()) == {1}


def test_the_next_redrive_finds_what_filters_left(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i, "bad_date" if i % 3 else "wrong_type") for i in range(30)])
    assert "wrote 10 " in call("redrive", "--yes", "--code", "wrong_type", "--rate", "1000").out
    assert "wrote 7 " in call("redrive", "--yes", "--limit", "7", "--rate", "3000").out
    assert "would write 13 " in call("redrive").out
    assert "wrote 13 " in call("redrive", "--yes", "--rate", "5").out
    assert "wrote 0 " in call("redrive", "--yes").out
    assert written(post) == Counter(b"secret-%d" % i for i in range(30))


def test_refused_dead_letters_are_counted(post: Post, call: Call) -> None:
    worn, fresh = post.letter(0, attempts=3), post.letter(1, attempts=2)
    hole = post.letter(2, "unreadable_batch")._replace(value=None)
    large = post.letter(3, "too_large")._replace(value=None)
    large = large._replace(headers=[*large.headers, ("dead_letter.value_sha256", b"0" * 64)])
    null = post.letter(4)._replace(value=None)
    write(post.bootstrap, post.letters, [worn, fresh, hole, large, null])
    result = call("redrive", "--yes")
    assert "wrote 1 " in result.out
    assert "skipped 1: tried --max-attempts (3) times already" in result.out
    assert "skipped 1: of unreadable batches" in result.out
    assert "skipped 1: without a value (it was too large" in result.out
    assert "skipped 1: with a null value" in result.out
    assert written(post) == Counter([b"secret-1"])
    assert "wrote 1 " in call("redrive", "--yes", "--max-attempts", "4").out
    assert written(post) == Counter([b"secret-0", b"secret-1"])


def test_incomplete_events_are_not_redriven(post: Post, call: Call) -> None:
    small = [post.letter(i) for i in range(2)]
    parts = ("headers", "key")
    lost = [
        letter._replace(headers=[*letter.headers, (f"dead_letter.{part}_sha256", b"0" * 64)])
        for letter, part in zip(small, parts, strict=True)
    ]
    write(post.bootstrap, post.letters, lost)
    result = call("redrive", "--yes")
    assert "wrote 0 " in result.out
    assert all(f"skipped 1: without the event's {part} (" in result.out for part in parts)
    assert not written(post)


def test_dead_letters_of_another_topic_stay(post: Post, call: Call, topics: Topics) -> None:
    elsewhere = post._replace(sessions=topics("elsewhere"))
    write(post.bootstrap, post.letters, [elsewhere.letter(0), post.letter(1)])
    result = call("redrive", "--yes")
    assert (result.status, result.err) == (0, "")
    assert f"skipped 1: from another topic than --input-topic ({post.sessions})" in result.out
    assert written(post) == Counter([b"secret-1"])
    assert "would write 1 " in call("redrive", "--input-topic", elsewhere.sessions).out


def of_connect(post: Post, offset: int) -> Event:
    """A dead letter of a sink on the same input topic."""
    names = {"topic": post.sessions, "partition": "0", "offset": str(offset), "connector.name": "es-sink\x1b[31m"}
    headers = [(f"__connect.errors.{name}", value.encode()) for name, value in names.items()]
    return Event(b"theirs-%d" % offset, b"c", headers=[("trace", b"t"), *headers])


def shared(post: Post) -> list[Event]:
    """A topic that others write to as well: of every kind one, and then one more of ours."""
    stranger = Event(b"order", b"o", headers=[("kafka_dlt-original-topic", b"orders")])
    neighbour = post._replace(group="neighbours").letter(2)
    return [of_connect(post, 1), stranger, Event(None, b"tombstone"), post.letter(1), neighbour, post.letter(3)]


def test_list_counts_dead_letters_of_other_writers(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, shared(post))
    result = call("list")
    assert result.status == 0, result.err
    rows = result.out.splitlines()
    assert [row.split()[4:6] for row in rows[1:3]] == [[f"{post.sessions}-0-{i}", post.group] for i in (1, 3)]
    assert rows[3:5] == ["2 dead letters (wrong_type 2)", "skipped 2: records that are no dead letters"]
    assert "skipped 2: of other writers (" in rows[5]
    assert "neighbours 1" in rows[5]
    assert "es-sink" in rows[5]
    assert "\x1b" not in result.out
    of_all = [json.loads(line)["writer"] for line in call("list", "--json", "--any-writer").out.splitlines()]
    assert sorted(of_all) == sorted(["es-sink\x1b[31m", "neighbours", post.group, post.group])


def test_redrive_skips_other_writers(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, shared(post))
    result = call("redrive", "--yes")
    assert (result.status, result.err) == (0, "")
    assert "wrote 2 " in result.out
    assert "skipped 2: records that are no dead letters" in result.out
    assert "skipped 2: of other writers (" in result.out
    assert written(post) == Counter([b"secret-1", b"secret-3"])


def test_named_writers_are_redriven_once(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, shared(post))
    assert "wrote 1 " in call("redrive", "--yes", "--from-group", "neighbours").out
    assert written(post) == Counter([b"secret-2"])
    assert "wrote 2 " in call("redrive", "--yes").out
    result = call("redrive", "--yes", "--any-writer").out
    assert "wrote 1 " in result
    assert "already redriven: 3" in result
    assert "wrote 0 " in call("redrive", "--yes", "--from-group", "neighbours").out
    assert "wrote 0 " in call("redrive", "--yes").out
    assert written(post) == Counter([b"secret-1", b"secret-2", b"secret-3", b"theirs-1"])
    (theirs,) = (each for each in read(post.bootstrap, post.sessions) if each.value() == b"theirs-1")
    assert theirs.headers() == [("trace", b"t"), *dead_letters.redrive_headers(1)]


def test_many_foreign_dead_letters_fit_the_metadata(post: Post, call: Call) -> None:
    pick = random.Random(1)
    events = [of_connect(post, i) if pick.random() < 0.5 else post.letter(i) for i in range(12_000)]
    write(post.bootstrap, post.letters, [event._replace(partition=0) for event in events])
    result = call("redrive", "--yes", "--limit", "0", "--rate", "100000")
    assert (result.status, result.err) == (0, "")
    assert sum(written(post).values()) == sum(event.key == b"secret-key" for event in events)
    assert "wrote 0 " in call("redrive", "--yes").out


def test_source_selects_one_dead_letter(post: Post, call: Call) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(15)])
    source = json.loads(call("list", "--json").out.splitlines()[4])["source"]
    assert call("list", "--source", source).out.splitlines()[-1] == "1 dead letter (wrong_type 1)"
    result = call("redrive", "--yes", "--source", source).out
    assert "wrote 1 " in result
    assert "left 14 that the filters do not name" in result
    assert written(post) == Counter([b"secret-" + source.rsplit("-", 1)[1].encode()])
    assert "already redriven: 1" in call("redrive", "--yes", "--source", source).out
    assert "wrote 14 " in call("redrive", "--yes", "--rate", "1000").out
    assert set(written(post).values()) == {1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--source", "3-1842"), "TOPIC-PARTITION-OFFSET"),
        (("--from-group", "a", "--any-writer"), "--any-writer includes every group"),
    ],
)
def test_invalid_options_are_wrong_usage(call: Call, options: tuple[str, ...], message: str) -> None:
    for command in ("list", "redrive"):
        refused = call(command, *options)
        assert refused.status == 2
        assert message in refused.err


NAMES = (
    "source_timestamp",
    "dead_letter.attempts",
    "dead_letter.code",
    "original.dead_letter.code",
    "dead_letter.note",
)


def test_an_event_gets_its_own_headers_back_from_the_broker(post: Post, call: Call) -> None:
    own: Headers = [*((name, b"\xffown") for name in NAMES), ("__connect.errors.topic", None), ("a", b"1"), ("a", b"2")]
    batch = Batch(post.sessions, [0], [1], [-1], [None], [None], [own])
    headers = dead_letters.headers(batch, 0, InvalidEvent("wrong_type", "click_events", "no"), post.group)
    write(post.bootstrap, post.letters, [Event(b"x", b"k", headers=headers)])
    assert "wrote 1 " in call("redrive", "--yes").out
    (event,) = read(post.bootstrap, post.sessions)
    assert event.headers() == [*own, *dead_letters.redrive_headers(1)]


def test_a_missing_topic_is_a_one_line_error(post: Post, call: Call) -> None:
    result = call("list", "--dead-letters-topic", f"{post.letters}-not")
    note, error = result.err.splitlines()
    assert result.status == 1
    assert note.endswith("not used by `session-scorer dead-letters list`")
    assert f"{post.letters}-not" in error


def plan(post: Post) -> Plan:
    return Plan(WriterFilter(post.group), Filter(), InputTopics((post.sessions,)), post.letters, limit=0, rate=10)


def reader(post: Post) -> KafkaDeadLetterReader[DeadLetter, RedriveProgress]:
    return KafkaDeadLetterReader(Connection(post.bootstrap), f"{post.group}-redrive", post.letters, DeadLetter, decode)


class Interrupted(KafkaProducer):
    """One that is gone between the offsets and the commit, as a killed process is."""

    left = 2

    def commit(self) -> None:
        """Twice, and no more."""
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        super().commit()


def test_a_killed_redrive_resumes(post: Post) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(45)])
    name = f"{post.group}-redrive"
    with pytest.raises(KeyboardInterrupt):
        redrive(reader(post), Interrupted(Connection(post.bootstrap), name), plan(post), Flag())
    assert redrive(reader(post), KafkaProducer(Connection(post.bootstrap), name), plan(post), Flag()).redriven == 25
    assert written(post) == Counter(b"secret-%d" % i for i in range(45))


def test_a_second_redrive_ends_the_first(post: Post) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(45)])
    name = f"{post.group}-redrive"

    class Overtaken(KafkaProducer):
        """One beside which another begins."""

        def commit(self) -> None:
            """First lets the other do it all."""
            producer = KafkaProducer(Connection(post.bootstrap), name)
            assert redrive(reader(post), producer, plan(post), Flag()).redriven == 45
            super().commit()

    with pytest.raises(WorkerError, match="another redrive of this group has begun"):
        redrive(reader(post), Overtaken(Connection(post.bootstrap), name), plan(post), Flag())
    assert written(post) == Counter(b"secret-%d" % i for i in range(45))


def test_a_stopped_redrive_writes_no_more(post: Post) -> None:
    write(post.bootstrap, post.letters, [post.letter(i) for i in range(5)])
    stop = Flag()
    stop.set()
    stats = redrive(reader(post), KafkaProducer(Connection(post.bootstrap), f"{post.group}-redrive"), plan(post), stop)
    assert (stats.redriven, stats.stopped) == (0, True)
    assert not written(post)
