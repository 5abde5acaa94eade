"""Log lines: one JSON object each, and nothing of an event in them."""

import io
import json
import logging
import warnings
from typing import Any

import pytest

from consumer import logs
from consumer.errors import WorkerError
from tests.fakes import FakeClock


@pytest.fixture
def stream(logging_as_before: None) -> io.StringIO:  # noqa: ARG001 - undoes what is done here
    stream = io.StringIO()
    logs.configure("info", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object_with_time_level_logger_and_what_came_along(stream: io.StringIO) -> None:
    logging.getLogger("consumer.x").warning("batch of %d\nslow", 3, extra={"partition": 4, "path": io})
    [line] = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line.pop("path").startswith("<module")
    assert line == {"level": "warning", "logger": "consumer.x", "message": "batch of 3\nslow", "partition": 4}


def test_what_is_below_the_level_is_not_logged(stream: io.StringIO) -> None:
    logging.getLogger("consumer.x").debug("quiet")
    assert lines(stream) == []


def test_debug_is_for_our_own_packages(stream: io.StringIO) -> None:
    logs.configure("debug", stream)
    logging.getLogger("scoring.x").debug("ours")
    logging.getLogger("numba.core").debug("theirs")
    logging.getLogger("numba.core").info("theirs, but news")
    assert [line["message"] for line in lines(stream)] == ["ours", "theirs, but news"]


def test_an_exception_is_one_field_without_what_it_quotes(stream: io.StringIO) -> None:
    try:
        float("user_198")
    except ValueError:
        logging.getLogger("consumer.x").exception("it failed")
    [line] = lines(stream)
    assert line["exception"]["type"] == "ValueError"
    assert line["exception"]["stack"][0].endswith("test_an_exception_is_one_field_without_what_it_quotes")
    assert "user_198" not in stream.getvalue()


def test_our_own_errors_keep_their_words(stream: io.StringIO) -> None:
    logging.getLogger("consumer.x").error("it failed", exc_info=WorkerError("the broker is gone"))
    assert lines(stream)[0]["exception"]["message"] == "the broker is gone"


def test_pythons_warnings_are_log_lines_too(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old", UserWarning, stacklevel=1)
    assert "old" in lines(stream)[0]["message"]


def test_what_is_held_back_comes_out_in_order_at_the_end(stream: io.StringIO) -> None:
    with logs.held_back():
        logging.getLogger("consumer.x").warning("one")
        logging.getLogger("consumer.y").info("two")
        assert lines(stream) == []
    logging.getLogger("consumer.x").info("three")
    assert [line["message"] for line in lines(stream)] == ["one", "two", "three"]


def test_what_is_held_back_is_dropped_when_an_error_says_it_all(stream: io.StringIO) -> None:
    def fail() -> None:
        with logs.held_back():
            logging.getLogger("consumer.x").warning("connection refused")
            raise WorkerError("no broker answered")

    with pytest.raises(WorkerError):
        fail()
    assert lines(stream) == []


def test_at_debug_nothing_is_held_back(stream: io.StringIO) -> None:
    logs.configure("debug", stream)
    with logs.held_back():
        logging.getLogger("consumer.x").debug("at once")
        assert [line["message"] for line in lines(stream)] == ["at once"]


def test_what_happens_all_the_time_is_said_seldom_and_counted() -> None:
    clock = FakeClock()
    seldom = logs.Seldom(60.0, clock)
    said = []
    for _ in range(181):
        said.append(seldom.again())
        clock.sleep(1.0)
    assert [count for count in said if count] == [1, 60, 60, 60]
