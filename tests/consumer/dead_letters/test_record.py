"""Parsed dead letters, the filters on them, and the records that a redrive writes."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dead_letters import record
from consumer.dead_letters.offset_ranges import RedriveProgress
from consumer.dead_letters.record import DeadLetter, Filter, Refusal, WriterFilter
from consumer.dead_letters.redrive import Plan, redrive
from consumer.kafka.membership import InputTopics
from consumer.records import Batch, Headers
from consumer.stream import dead_letters
from scoring import ErrorCode, InvalidEvent
from tests.support.fakes import FakeLog, FakeProducer

NOW = 1_800_000_000_000
HOUR = 3_600_000
CAME: Headers = [("trace", b"abc"), ("trace", None), ("color", b"\xff")]

SESSIONS = InputTopics(("sessions",))


def letter(
    code: ErrorCode = "wrong_type",
    field: str | None = "click_events",
    *,
    came: Headers = CAME,
    value: bytes | None = b"x",
) -> DeadLetter:
    """One as the worker writes it."""
    batch = Batch("sessions", [3], [1842], [NOW], [b"key"], [value], [came])
    fault = InvalidEvent(code, field, "expected a number, got a string")
    return DeadLetter(0, 7, NOW, b"key", value, dead_letters.headers(batch, 0, fault, "scorers"))


def test_the_summary_has_the_error_and_the_source() -> None:
    assert letter().summary() == {
        "time": "2027-01-15T08:00:00.000Z",
        "code": "wrong_type",
        "field": "click_events",
        "source": "sessions-3-1842",
        "attempts": 1,
        "writer": "scorers",
        "message": letter().message,
        "partition": 0,
        "offset": 7,
    }


def test_the_summary_has_neither_key_nor_value() -> None:
    secret = DeadLetter(0, 7, NOW, b"a-secret-key", b"a-secret-value", letter(came=[("h", b"a-secret-header")]).headers)
    assert "secret" not in str(secret.summary())


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        (Filter(), True),
        (Filter(code="wrong_type", field="click_events"), True),
        (Filter(code="bad_date"), False),
        (Filter(field="language"), False),
        (Filter(since=NOW, until=NOW + 1), True),
        (Filter(since=NOW + 1), False),
        (Filter(until=NOW), False),
    ],
)
def test_filters_are_joined_by_and(conditions: Filter, matches: bool) -> None:
    assert conditions.matches(letter()) is matches


def redriven(attempts: int, *own: tuple[str, bytes | None]) -> Headers:
    """The headers of an event that a redrive has written."""
    return [*own, *dead_letters.redrive_headers(attempts - 1)]


def test_a_key_made_from_the_source_is_dropped() -> None:
    assert record.input_record(replace(letter(), key=b"sessions-3-1842"), NOW).key is None
    assert record.input_record(replace(letter(), key=b"sessions-3-1843"), NOW).key == b"sessions-3-1843"


def test_a_redrive_restores_the_record_and_adds_attempts() -> None:
    count = [("dead_letter.attempts", b"1"), ("dead_letter.attempts", b"2")]
    assert record.input_record(letter(), NOW) == ("sessions", b"key", b"x", [*CAME, *count], NOW)


def test_a_second_dead_letter_counts_on() -> None:
    again = letter(came=redriven(2, *CAME))
    assert again.attempts == 2
    assert record.input_record(again, NOW).headers == redriven(3, *CAME)


OWN: list[Headers] = [
    [("dead_letter.attempts", b"999999999")],
    [("dead_letter.attempts", b"2")],
    [("dead_letter.attempts", b"3"), ("dead_letter.attempts", b"2")],
    [("dead_letter.attempts", b"0"), ("dead_letter.attempts", b"1")],
    [("dead_letter.attempts", b"01"), ("dead_letter.attempts", b"2")],
    [("dead_letter.attempts", None), ("dead_letter.attempts", b"2")],
    [("dead_letter.attempts", "\u0663".encode()), ("a", b"1"), ("a", b"2")],
    [("source_timestamp", b"1000000000000"), ("dead_letter.note", b"mine"), ("__connect.errors.original", b"theirs")],
    [("source_timestamp", None), ("source_timestamp", b"\xff")],
    *(
        [("dead_letter.attempts", b"1"), ("source_timestamp", date), ("dead_letter.attempts", b"2")]
        for date in (b"x" * 20_000, b"9" * 20, b"-", b"", b"007", b"1\n", "\u0663".encode(), None)
    ),
    [(name, b"own") for name in sorted(dead_letters.HEADER_NAMES)],
    [("original.source_timestamp", b"1"), ("original.original.dead_letter.code", b"2"), ("original.", b"3")],
    [("original.color", b"red"), ("original", b""), ("Original.source_timestamp", b"")],
]


@pytest.mark.parametrize("own", OWN)
def test_an_event_gets_its_own_headers_back(own: Headers) -> None:
    first = letter(came=own)
    assert first.attempts == 1
    event = record.input_record(first, NOW).headers
    assert event == redriven(2, *own)
    second = letter(came=event)
    assert second.attempts == 2
    assert record.input_record(second, NOW).headers == redriven(3, *own)


names = st.builds(
    lambda prefixes, name: dead_letters.ORIGINAL * prefixes + name,
    st.integers(0, 3),
    st.sampled_from([*sorted(dead_letters.HEADER_NAMES), "trace", "dead_letter.", ""]) | st.text(max_size=5),
)
values = st.none() | st.binary(max_size=3) | st.integers(0, 4).map(lambda number: b"%d" % number)


dates = st.none() | st.integers(-(2**63), 2**63 - 1).map(lambda date: b"%d" % date)


@given(st.lists(st.tuples(names, values), max_size=6), st.sampled_from([1, 2, 7]), dates)
def test_headers_survive_dead_letters_and_redrives(own: Headers, tried: int, date: bytes | None) -> None:
    assert dead_letters.restore_original(dead_letters.keep_original(own)) == own
    added = dead_letters.redrive_headers(tried, date)
    assert dead_letters.split_redrive([*own, *added]) == (own, added)


def test_an_event_header_of_a_reserved_name_is_renamed() -> None:
    came: Headers = [("dead_letter.code", b"forged"), ("original.dead_letter.code", b"nested"), ("trace", b"1")]
    headers = letter(came=came).headers
    assert headers[:3] == [
        ("original.dead_letter.code", b"forged"),
        ("original.original.dead_letter.code", b"nested"),
        ("trace", b"1"),
    ]
    assert [value for name, value in headers if name == "dead_letter.code"] == [b"wrong_type"]


def ahead(came: Headers) -> DeadLetter:
    """One of an event that is dated two hours ahead."""
    headers: Headers = [*letter(came=came).headers, ("source_timestamp", str(NOW + 2 * HOUR).encode())]
    return DeadLetter(0, 7, NOW, b"key", b"x", headers)


def test_a_record_dated_ahead_gets_its_timestamp_back() -> None:
    came: Headers = [("source_timestamp", b"its own")]
    early, late = record.input_record(ahead(came), NOW), record.input_record(ahead(came), NOW + 3 * HOUR)
    assert early.timestamp == NOW
    assert ("source_timestamp", str(NOW + 2 * HOUR).encode()) in early.headers
    assert (late.timestamp, late.headers) == (NOW + 2 * HOUR, redriven(2, *came))


def test_a_timestamp_ahead_survives_a_second_dead_letter() -> None:
    came: Headers = [("source_timestamp", b"its own")]
    again = letter(came=record.input_record(ahead(came), NOW).headers)
    assert again.attempts == 2
    late = record.input_record(again, NOW + 3 * HOUR)
    assert (late.timestamp, late.headers) == (NOW + 2 * HOUR, redriven(3, *came))


@pytest.mark.parametrize("date", [b"x" * 20_000, b"1.5", b"9" * 20])
def test_an_invalid_source_timestamp_does_not_stop_the_count(date: bytes) -> None:
    first = replace(letter(), headers=[*letter().headers, ("source_timestamp", date)])
    event = record.input_record(first, NOW).headers
    assert event == redriven(2, *CAME)
    assert letter(came=event).attempts == 2


@pytest.mark.parametrize("date", [b"-1", b"0", b"%d" % (2**63 - 1)])
def test_a_timestamp_that_no_record_can_carry_is_kept(date: bytes) -> None:
    first = replace(letter(), headers=[*letter().headers, ("source_timestamp", date)])
    again = letter(came=record.input_record(first, NOW).headers)
    assert again.attempts == 2
    assert dict(again.headers)["source_timestamp"] == date


def lost(part: str) -> DeadLetter:
    """One that is without a part of its event."""
    whole = letter()
    sizes: Headers = [(f"dead_letter.{part}_bytes", b"9"), (f"dead_letter.{part}_sha256", b"0" * 64)]
    return DeadLetter(0, 7, NOW, b"key", None if part == "value" else b"x", whole.headers + sizes)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (letter(), None),
        (lost("value"), Refusal.NO_VALUE),
        (replace(letter(), value=None), Refusal.NULL_VALUE),
        (lost("headers"), Refusal.NO_HEADERS),
        (lost("key"), Refusal.NO_KEY),
        (letter(came=[("dead_letter.key_sha256", b"its own")]), None),
        (letter("unreadable_batch", None, value=None), Refusal.UNREADABLE),
        (letter(came=dead_letters.redrive_headers(2)), Refusal.ATTEMPTS),
        (letter(came=dead_letters.redrive_headers(1)), None),
    ],
)
def test_incomplete_or_often_tried_events_are_refused(one: DeadLetter, why: Refusal | None) -> None:
    assert record.refusal(one, SESSIONS, max_attempts=3) is why


def test_a_null_value_is_not_reported_as_too_large() -> None:
    null = replace(of_connect(), value=None)
    why = record.refusal(null, SESSIONS, max_attempts=3)
    assert why == "with a null value"
    assert why in record.FINAL


def test_a_dead_letter_of_another_topic_is_refused() -> None:
    assert record.refusal(letter(), InputTopics(("others", "^s", "^ses"), ("sessions",)), 3) is Refusal.OTHER_TOPIC
    assert record.refusal(letter(), InputTopics(("others", "^ses")), 3) is None


def of_connect(*own: tuple[str, bytes | None], connector: str = "es-sink") -> DeadLetter:
    """One as a sink of Kafka Connect writes it."""
    names = {"topic": "sessions", "partition": "0", "offset": "7", "connector.name": connector, "task.id": "0"}
    names |= {"class.name": "x.Y", "exception.message": "no", "exception.stacktrace": "a\nb"}
    headers = [(f"__connect.errors.{name}", value.encode()) for name, value in names.items()]
    return DeadLetter(0, 8, NOW, b"key", b"x", [*own, *headers])


STRANGER = DeadLetter(0, 9, NOW, None, b"x", [("kafka_dlt-original-topic", b"orders")])


@pytest.mark.parametrize(
    ("writers", "ours", "of_the_connector", "of_a_connector_of_our_name"),
    [
        (WriterFilter("scorers"), True, False, False),
        (WriterFilter("scorers", "scorers"), True, False, False),
        (WriterFilter("others"), False, False, False),
        (WriterFilter("others", "scorers"), True, False, True),
        (WriterFilter("scorers", "es-sink"), False, True, False),
        (WriterFilter("scorers", any_writer=True), True, True, True),
    ],
)
def test_writers_are_selected_by_group_or_connector(
    writers: WriterFilter, *, ours: bool, of_the_connector: bool, of_a_connector_of_our_name: bool
) -> None:
    assert writers.matches(letter()) is ours
    assert writers.matches(of_connect()) is of_the_connector
    assert writers.matches(of_connect(connector="scorers")) is of_a_connector_of_our_name
    assert not writers.matches(STRANGER)
    assert not writers.matches(DeadLetter(0, 0, NOW, None, None, []))


def test_the_headers_of_kafka_connect_are_not_redriven() -> None:
    own: Headers = [("source_timestamp", b"1000"), ("dead_letter.note", b"1"), ("original.source_timestamp", b"2")]
    once = record.input_record(of_connect(*own), NOW)
    assert (once.topic, once.headers, once.timestamp) == ("sessions", redriven(2, *own), NOW)
    assert of_connect(*once.headers).attempts == 2


@pytest.mark.parametrize("text", ["sessions-3-1842", "sessions-003-01842"])
def test_a_source_is_parsed_as_listed(text: str) -> None:
    assert Filter(source=record.parse_source(text)).matches(letter())
    assert not Filter(source=record.parse_source("sessions-3-184")).matches(letter())


@pytest.mark.parametrize("text", ["", "sessions", "sessions-3", "sessions-3-", "sessions-3-x", "-3-1", "a b-3-1"])
def test_any_other_source_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        record.parse_source(text)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1h", NOW - HOUR),
        ("30m", NOW - HOUR // 2),
        ("2d", NOW - 48 * HOUR),
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T08:00", NOW),
        ("2027-01-15T10:00:00+02:00", NOW),
    ],
)
def test_a_time_is_iso_or_an_age(text: str, time: int) -> None:
    assert record.parse_time(text, NOW) == time


@pytest.mark.parametrize("text", ["", "yesterday", "1y", "-1h", "99999999999h"])
def test_any_other_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        record.parse_time(text, NOW)


class FakeReader:
    """A topic of which nothing is redriven yet."""

    complete = True

    def __init__(self, *dead_letters: DeadLetter) -> None:
        self._dead_letters = dead_letters

    def dead_letters(self) -> Iterator[DeadLetter]:
        return iter(self._dead_letters)

    def progress(self) -> dict[int, RedriveProgress]:
        return {}

    def group(self) -> bytes:
        return b"group"


@pytest.mark.parametrize(
    "large",
    [
        replace(letter(), key=b"k" * 3_000_000),
        replace(letter(), value=b"v" * 3_000_000),
        letter(came=[("trace", b"h" * 3_000_000)]),
        letter(came=[("h" * 3_000_000, None)]),
    ],
    ids=["key", "value", "header", "name of a header"],
)
def test_a_redrive_bounds_the_bytes_of_a_transaction(large: DeadLetter) -> None:
    log, plan = FakeLog(), Plan(WriterFilter("scorers"), Filter(), SESSIONS, "letters", rate=1e6)
    reader = FakeReader(*(replace(large, offset=offset) for offset in range(5)))
    assert redrive(reader, FakeProducer(log), plan, threading.Event()).redriven == 5
    assert len(log.called("commit")) == 2
