"""Where the demo's events come from, and at what pace they go."""

import gzip
import lzma
import os
import threading
from collections.abc import Callable
from itertools import islice, repeat
from pathlib import Path

import pytest

from consumer.demo.feeder import MOST_BYTES, Event, Feeder, key_of, lines, mixed
from consumer.errors import WorkerError
from tests.support.fakes import FakeClock


class Sent(list[Event]):
    """A broker that takes everything."""

    def __call__(self, events: list[Event]) -> None:
        self.extend(events)


def numbered(count: int, size: int = 3) -> list[Event]:
    return [(None, str(i).encode().rjust(size, b"0")) for i in range(count)]


def test_events_go_at_the_rate_asked_for() -> None:
    clock, sent = FakeClock(), Sent()
    feeder = Feeder(iter(numbered(1000)), 100, sent, clock)
    for _ in range(201):
        feeder.step(accounted=feeder.fed)
        clock.now += 0.01

    assert feeder.fed in (200, 201)  # 2 s, give or take the last hundredth
    assert sent == numbered(1000)[: feeder.fed]
    assert not feeder.done


def test_a_slow_rate_begins_at_once_and_keeps_its_distance() -> None:
    clock, sent = FakeClock(), Sent()
    feeder = Feeder(iter(numbered(10)), 0.5, sent, clock)
    fed = []
    for _ in range(6):
        feeder.step(accounted=feeder.fed)
        fed.append(feeder.fed)
        clock.now += 1.0

    assert fed == [1, 1, 2, 2, 3, 3]


def test_after_a_pause_there_is_no_burst() -> None:
    clock, sent = FakeClock(), Sent()
    feeder = Feeder(iter(numbered(10_000)), 100, sent, clock)
    feeder.step(0)
    clock.now += 60.0
    feeder.step(1)
    assert feeder.fed <= 25  # a fifth of a second's worth is caught up on

    before = feeder.fed
    clock.now += 1.0
    for _ in range(10):
        feeder.step(feeder.fed)
    assert feeder.fed - before <= 25


def test_what_is_not_accounted_for_stays_under_its_bound() -> None:
    clock, sent = FakeClock(), Sent()
    feeder = Feeder(iter(numbered(1000, size=100)), 10_000, sent, clock, most_waiting=1000)
    clock.now += 1.0
    for _ in range(5):
        feeder.step(accounted=0)
        clock.now += 1.0
    assert feeder.fed == 10

    feeder.step(accounted=4)
    assert feeder.fed == 14


def test_an_event_larger_than_the_bound_goes_alone() -> None:
    clock, sent = FakeClock(), Sent()
    feeder = Feeder(iter(numbered(3, size=5000)), 1000, sent, clock, most_waiting=1000)
    for accounted in range(4):
        feeder.step(accounted)
        clock.now += 1.0

    assert feeder.fed == 3
    assert feeder.done


def test_it_is_done_when_the_last_event_went() -> None:
    clock, sent = FakeClock(), Sent()
    feeder = Feeder(iter(numbered(5)), 1000, sent, clock)
    while not feeder.done:
        feeder.step(feeder.fed)
        clock.now += 0.01

    assert feeder.fed == 5


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'{"user_id": "user_7", "x": [1]}', b"user_7"),
        (b'{"user_id": 12345678901234567890123}', b"12345678901234567890123"),
        (b'{"user_id": "caf\\u00e9"}', "café".encode()),
        (b'{"user_id": null}', None),
        (b'{"user_id": 1.5}', None),
        (b'{"user_id": true}', None),
        (b'{"user_id": {}}', None),
        (b"{}", None),
        (b"[]", None),
        (b'{"user_id": "user_7"', None),
        (b"\xff\xfe", None),
        (b'{"user_id": "\xff"}', None),
        (b'{"user_id": "\\ud83d"}', None),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", None),
        (b"", None),
    ],
)
def test_the_key_is_the_user_where_one_can_be_read(value: bytes, key: bytes | None) -> None:
    assert key_of(value) == key


def test_broken_events_come_about_as_often_as_asked() -> None:
    events = list(islice(mixed(repeat((b"k", b"good")), repeat(b'{"user_id":"u"'), seed=1, one_in=10), 10_000))

    assert 900 < events.count((None, b'{"user_id":"u"')) < 1100
    assert events.count((b"k", b"good")) + events.count((None, b'{"user_id":"u"')) == 10_000


def test_lines_come_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b'{"user_id":"a"}\r\n\n\xff\xfe\n {"user_id":2} ')

    assert list(lines(path)) == [
        (b"a", b'{"user_id":"a"}\r'),
        (None, b""),
        (None, b"\xff\xfe"),
        (b"2", b' {"user_id":2} '),
    ]


@pytest.mark.parametrize("make", ["nothing", "directory", "empty"])
def test_a_file_that_gives_no_events_is_one_line(tmp_path: Path, make: str) -> None:
    path = tmp_path / "mine.jsonl"
    if make == "directory":
        path.mkdir()
    elif make == "empty":
        path.touch()

    with pytest.raises(WorkerError) as caught:
        next(lines(path))

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_a_byte_order_mark_and_gzip_are_taken_off(tmp_path: Path, wrap: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(wrap(b'\xef\xbb\xbf{"user_id":"a"}\n{"user_id":"b"}'))

    assert list(lines(path)) == [(b"a", b'{"user_id":"a"}'), (b"b", b'{"user_id":"b"}')]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'[{"user_id":"a"}]', "is a JSON array: write one object a line (JSON Lines)"),
        (b'{\n  "user_id": "a"\n}', "is JSON laid out over several lines"),
        (b"user_id,click_events\na,1\n", "is CSV or another table of text: --input takes JSON Lines"),
        (
            gzip.compress(b"user_id,click_events\na,1\n", mtime=0),
            "is CSV or another table of text: --input takes JSON Lines",
        ),
        (b"PAR1\x15\0", "is Parquet: --input takes JSON Lines, one JSON object a line; `session-scorer score` takes"),
        ('{"user_id":"a"}'.encode("utf-16"), "is text in UTF-16: save it as UTF-8"),
        ('{"user_id":"a"}'.encode("utf-16-be"), "is text in UTF-16: save it as UTF-8"),
        (lzma.compress(b'{"user_id":"a"}'), "is compressed by xz: uncompress it first"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is a binary file: --input takes JSON Lines"),
        (b"<html>", "is HTML or XML"),
        (b"hello\n", "is text that is no JSON: --input takes JSON Lines, one"),
        (b"\n \n", "is only blanks"),
        (gzip.compress(b"", mtime=0), "is empty"),
    ],
)
def test_what_is_no_json_lines_is_named_in_one_line(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)

    with pytest.raises(WorkerError) as caught:
        lines(path)

    assert str(caught.value).startswith(f"{path} {what}")
    assert str(caught.value).isprintable()


def test_a_compressed_file_cut_short_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"user_id":"a"}\n' * 10_000)[:-20])

    with pytest.raises(WorkerError, match="cannot be read: Compressed file ended"):
        list(lines(path))


def test_a_pipe_is_fed_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[b'{"user_id":"a"}\n' * 20_000])
    writer.start()

    assert sum(key == b"a" for key, _ in lines(path)) == 20_000
    writer.join()


def test_a_line_too_long_for_a_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"{}\n" + b"x" * (MOST_BYTES + 1))

    with pytest.raises(WorkerError, match="line 2 "):
        list(lines(path))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"data": {"click_events": 3}}\n', ["no field that is scored", "outside of 'data'"]),
        (b'{"foo": 1}\n{"bar": 2}\n', ["no field that is scored"]),
        (b'\xef\xbb\xbf{"user_id": "u", "clicks": 3}\n', ["no field that is scored", "clicks"]),
        (gzip.compress(b'{"CLICK_EVENTS": 3, "time_on_page": 4}\n', mtime=0), ["CLICK_EVENTS"]),
        (b'{"click_events": 3, "note": 4}\n{"foo": 1}\n', []),
        (b'{"click_events": "x"}\nnot json\n', []),
    ],
)
def test_a_file_of_another_schema_is_fed_with_a_warning(data: bytes, said: list[str], tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(data)
    warnings: list[str] = []
    assert list(lines(path, warnings.append))
    assert len(warnings) == bool(said)
    assert all(words in warning and str(path) in warning for words in said for warning in warnings)
