"""What a dead letter says, which are meant, and what is written back."""

import pytest

from consumer import dead_letters
from consumer.errors import WorkerError
from consumer.letters import found
from consumer.letters.found import Filter, Letter, Refusal
from consumer.records import Batch, Headers
from scoring import InvalidEvent

NOW = 1_800_000_000_000
HOUR = 3_600_000
CAME: Headers = [("trace", b"abc"), ("trace", None), ("color", b"\xff")]


def letter(
    code: str = "wrong_type", field: str | None = "click_events", *, came: Headers = CAME, value: bytes | None = b"x"
) -> Letter:
    """One as the worker writes it."""
    batch = Batch("sessions", [3], [1842], [NOW], [b"key"], [value], [came])
    fault = InvalidEvent(code, field, "expected a number, got a string")
    return Letter(0, 7, NOW, b"key", value, dead_letters.headers(batch, 0, fault, "scorers"))


def test_a_letter_tells_what_is_wrong_and_where_it_came_from() -> None:
    assert letter().shown() == {
        "time": "2027-01-15T08:00:00.000Z",
        "code": "wrong_type",
        "field": "click_events",
        "source": "sessions-3-1842",
        "attempts": 1,
        "message": letter().message,
        "partition": 0,
        "offset": 7,
    }


def test_a_letter_shows_neither_key_nor_value() -> None:
    secret = Letter(0, 7, NOW, b"a-secret-key", b"a-secret-value", letter(came=[("h", b"a-secret-header")]).headers)
    assert "secret" not in str(secret.shown())


@pytest.mark.parametrize(
    ("wanted", "takes"),
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
def test_filters_are_joined_by_and(wanted: Filter, takes: bool) -> None:
    assert wanted.takes(letter()) is takes


def test_what_is_written_back_is_the_record_as_it_came_and_a_count_of_attempts() -> None:
    record = found.written_back(letter(), NOW)
    assert record == ("sessions", b"key", b"x", [*CAME, ("dead_letter.attempts", b"2")], NOW)


def test_a_letter_that_comes_again_counts_on() -> None:
    again = letter(came=[("dead_letter.attempts", b"2")])
    assert again.attempts == 2
    assert found.written_back(again, NOW).headers == [("dead_letter.attempts", b"3")]


def test_a_record_dated_ahead_gets_its_date_back_once_kafka_takes_it() -> None:
    headers: Headers = [*letter().headers, ("source_timestamp", str(NOW + 2 * HOUR).encode())]
    ahead = Letter(0, 7, NOW, b"key", b"x", headers)
    early, late = found.written_back(ahead, NOW), found.written_back(ahead, NOW + 3 * HOUR)
    assert early.timestamp == NOW
    assert ("source_timestamp", str(NOW + 2 * HOUR).encode()) in early.headers
    assert late.timestamp == NOW + 2 * HOUR
    assert "source_timestamp" not in dict(late.headers)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (letter(), None),
        (letter("too_large", None, value=None), Refusal.NO_VALUE),
        (letter("unreadable_batch", None, value=None), Refusal.UNREADABLE),
        (letter(came=[("dead_letter.attempts", b"3")]), Refusal.ATTEMPTS),
        (letter(came=[("dead_letter.attempts", b"2")]), None),
    ],
)
def test_what_has_no_value_or_was_tried_often_enough_is_not_written_back(one: Letter, why: Refusal | None) -> None:
    assert found.refusal(one, max_attempts=3) is why


def test_a_letter_of_another_topic_is_refused_by_name() -> None:
    found.require_source(letter(), "sessions")
    with pytest.raises(WorkerError, match="offset 7 of the dead-letter topic came from topic sessions, and the input"):
        found.require_source(letter(), "others")
    with pytest.raises(WorkerError, match="is no dead letter"):
        found.require_source(Letter(0, 7, NOW, None, b"x", []), "sessions")


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
def test_a_time_is_iso_in_utc_or_so_long_ago(text: str, time: int) -> None:
    assert found.parse_time(text, NOW) == time


@pytest.mark.parametrize("text", ["", "yesterday", "1y", "-1h", "99999999999h"])
def test_no_other_text_is_a_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        found.parse_time(text, NOW)
