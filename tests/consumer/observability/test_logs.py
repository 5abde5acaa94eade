"""Log lines: one JSON object each, and nothing of an event in them."""

import io
import json
import logging
import re
import sys
import uuid
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from consumer.errors import WorkerError
from consumer.observability import logs
from consumer.runtime import RateLimit
from tests.support.fakes import FakeClock


@pytest.fixture
def stream(logging_as_before: None) -> io.StringIO:  # noqa: ARG001 - undoes what is done here
    stream = io.StringIO()
    logs.configure("info", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_json_object(stream: io.StringIO) -> None:
    logging.getLogger("consumer.x").warning("batch of %d\nslow", 3, extra={"partition": 4, "path": io})
    [line] = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line.pop("path").startswith("<module")
    assert line == {"level": "warning", "logger": "consumer.x", "message": "batch of 3\nslow", "partition": 4}


def test_lower_levels_are_not_logged(stream: io.StringIO) -> None:
    logging.getLogger("consumer.x").debug("quiet")
    assert lines(stream) == []


def test_libraries_do_not_log_at_debug(stream: io.StringIO) -> None:
    logs.configure("debug", stream)
    logging.getLogger("scoring.x").debug("ours")
    logging.getLogger("numba.core").debug("theirs")
    logging.getLogger("numba.core").info("theirs, but news")
    assert [line["message"] for line in lines(stream)] == ["ours", "theirs, but news"]


def test_requests_to_the_registry_are_not_logged(stream: io.StringIO) -> None:
    logging.getLogger("httpx2").info("HTTP Request: GET http://registry/schemas/ids/7")
    logging.getLogger("httpx2").warning("odd")
    assert [line["message"] for line in lines(stream)] == ["odd"]


def test_an_exception_is_logged_without_its_message(stream: io.StringIO) -> None:
    try:
        float("user_198")
    except ValueError:
        logging.getLogger("consumer.x").exception("it failed")
    [line] = lines(stream)
    assert line["exception"]["type"] == "ValueError"
    assert line["exception"]["stack"][0].endswith("test_an_exception_is_logged_without_its_message")
    assert "user_198" not in stream.getvalue()


def test_own_errors_are_logged_with_their_message(stream: io.StringIO) -> None:
    logging.getLogger("consumer.x").error("it failed", exc_info=WorkerError("the broker is gone"))
    assert lines(stream)[0]["exception"]["message"] == "the broker is gone"


def test_python_warnings_are_logged(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old", UserWarning, stacklevel=1)
    assert "old" in lines(stream)[0]["message"]


def test_held_back_records_are_logged_in_order(stream: io.StringIO) -> None:
    with logs.held_back():
        logging.getLogger("consumer.x").warning("one")
        logging.getLogger("consumer.y").info("two")
        assert lines(stream) == []
    logging.getLogger("consumer.x").info("three")
    assert [line["message"] for line in lines(stream)] == ["one", "two", "three"]


def test_held_back_records_are_dropped_on_an_error(stream: io.StringIO) -> None:
    def fail() -> None:
        with logs.held_back():
            logging.getLogger("consumer.x").warning("connection refused")
            raise WorkerError("no broker answered")

    with pytest.raises(WorkerError):
        fail()
    assert lines(stream) == []


def test_debug_holds_no_record_back(stream: io.StringIO) -> None:
    logs.configure("debug", stream)
    with logs.held_back():
        logging.getLogger("consumer.x").debug("at once")
        assert [line["message"] for line in lines(stream)] == ["at once"]


def test_a_rate_limit_admits_one_of_many_and_counts_the_rest() -> None:
    clock = FakeClock()
    rate_limit = RateLimit(60.0, clock)
    said = []
    for _ in range(181):
        said.append(rate_limit.admit())
        clock.sleep(1.0)
    assert [count for count in said if count] == [1, 60, 60, 60]


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("user_198")


class Point(NamedTuple):
    x: int
    y: int


CYCLE: list[object] = []
CYCLE.append(CYCLE)
WRITTEN = [
    (3, "3"),
    (1.5, "1.5"),
    (None, "null"),
    ('ü😀 "quoted" \\ /\t\x00', '"ü😀 \\"quoted\\" \\\\ /\\t\\u0000"'),
    ({"b": 1, "a": [True]}, '{"b":1,"a":[true]}'),
    ({7: "a", None: "b", True: "c", 0.5: "d"}, '{"7":"a","null":"b","true":"c","0.5":"d"}'),
    (("a", 1), '["a",1]'),
    (Point(1, 2), "[1,2]"),
    ({3}, '"{3}"'),
    (Path("/tmp/x"), '"/tmp/x"'),
    (datetime(2026, 11, 28, 3, 4, 5, tzinfo=UTC), '"2026-11-28 03:04:05+00:00"'),
    (timedelta(seconds=90), '"0:01:30"'),
    (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (b"x", "\"b'x'\""),
    (np.float64(1.5), "1.5"),
    (float("nan"), "null"),
    (2**63 - 1, "9223372036854775807"),
]
"""Values that come as `extra`, and how a line has them."""
REFUSED_BY_ORJSON = [
    (10**29, "100000000000000000000000000000"),
    (-(2**63) - 1, "-9223372036854775809"),
    ("\udc80", '"\udc80"'),
    ({"id": 2**64, "t": (1, 2)}, '{"id":18446744073709551616,"t":[1,2]}'),
    ([2**64, float("inf")], '"[18446744073709551616, inf]"'),
]
WRITTEN_AS_TEXT = [({(1, 2): 3}, '"{(1, 2): 3}"'), (CYCLE, '"[[...]]"'), (Unprintable(), '"<Unprintable>"')]


@pytest.mark.parametrize(
    ("value", "text"), [*WRITTEN, *REFUSED_BY_ORJSON, *WRITTEN_AS_TEXT], ids=lambda value: type(value).__name__
)
def test_every_value_is_encoded_in_one_form(stream: io.StringIO, value: object, text: str) -> None:
    logging.getLogger("consumer.x").warning("slow batch", extra={"partition": 4, "value": value})
    line = stream.getvalue()
    rest = f'"level":"warning","logger":"consumer.x","message":"slow batch","partition":4,"value":{text}}}\n'
    assert line.partition('Z",') == (line[:32], 'Z",', rest)
    assert json.loads(line)["message"] == "slow batch"


def test_a_deeply_nested_line_is_written(stream: io.StringIO) -> None:
    deep: list[object] = []
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    logging.getLogger("consumer.x").warning("slow batch", extra={"value": deep})
    assert lines(stream)[0]["value"] == "<list>"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return monkeypatch


def written(stream: io.StringIO, log_format: str, message: str = "ready to score", **extra: object) -> str:
    logs.configure("info", stream, log_format)
    logging.getLogger("consumer.x").warning(message, extra=extra)
    return stream.getvalue()


@pytest.mark.usefixtures("logging_as_before")
def test_text_has_time_level_message_and_pairs() -> None:
    line = written(
        io.StringIO(), "text", port=9108, slot=None, topics=["a b", "c"], reason="no answer", url="http://x:1/m"
    )
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ warning  ready to score "
        r'port=9108 slot=null topics=\["a b","c"\] reason="no answer" url=http://x:1/m\n',
        line,
    )


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize(
    ("stream", "log_format", "is_text"),
    [
        (Terminal, "auto", True),
        (io.StringIO, "auto", False),
        (Terminal, "json", False),
        (io.StringIO, "text", True),
    ],
)
def test_auto_is_text_on_a_terminal_and_json_elsewhere(
    stream: type[io.StringIO], log_format: str, is_text: bool, colours: pytest.MonkeyPatch
) -> None:
    colours.setenv("TERM", "dumb")
    assert written(stream(), log_format).startswith("{") is not is_text


@pytest.mark.usefixtures("logging_as_before")
def test_colours_are_for_terminals_without_no_color(colours: pytest.MonkeyPatch) -> None:
    assert "\x1b[33mwarning" in written(Terminal(), "text")
    assert "\x1b" not in written(io.StringIO(), "text")
    colours.setenv("NO_COLOR", "1")
    assert "\x1b" not in written(Terminal(), "text")


@pytest.mark.usefixtures("logging_as_before", "colours")
def test_control_characters_are_escaped() -> None:
    hostile = "\x1b[2J\r\nfake \x9b31m\u202e\u2028\udcff"
    line = written(io.StringIO(), "text", f"a {hostile}", reason=hostile, paths=[hostile], **{"a\x1b": 1})
    assert line.removesuffix("\n").isprintable()
    assert "\\u001b[2J" in line


@pytest.mark.usefixtures("logging_as_before")
def test_an_exception_in_text_has_its_stack_below() -> None:
    stream = io.StringIO()
    logs.configure("info", stream, "text")
    try:
        float("user_198")
    except ValueError:
        logging.getLogger("consumer.x").exception("it failed")
    first, *stack = stream.getvalue().splitlines()
    assert first.endswith("error    it failed exception=ValueError")
    assert stack[-1].endswith("test_an_exception_in_text_has_its_stack_below")
    assert "user_198" not in stream.getvalue()


@pytest.mark.usefixtures("logging_as_before")
def test_text_abridges_settings_above_debug() -> None:
    settings = {f"setting_{number}": number for number in range(30)}
    stream = io.StringIO()
    logs.configure("debug", stream, "text")
    logging.getLogger("consumer.x").info("ready to score", extra={"settings": settings, "stages": {"score": 0.1}})
    logging.getLogger("consumer.x").debug("starting", extra={"settings": settings})
    first, second = stream.getvalue().splitlines()
    assert first.endswith('ready to score settings={…} stages={"score":0.1}')
    assert '"setting_29":29' in second
