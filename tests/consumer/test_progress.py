"""How far a long command has come."""

import io

import pytest

from consumer import progress


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_in_a_pipe_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    stream = io.StringIO()
    with progress.shown_progress("in.csv", stream) as told:
        told(0.5, 12_000)
    assert stream.getvalue() == "in.csv: 12,000 rows, 50%\n"


def test_what_is_quickly_done_says_nothing_in_a_pipe() -> None:
    stream = io.StringIO()
    with progress.shown_progress("in.csv", stream) as told:
        told(1.0, 1)
    assert stream.getvalue() == ""


def test_on_a_terminal_there_is_a_bar() -> None:
    stream = Terminal()
    with progress.shown_progress("in.csv", stream) as told:
        told(0.5, 12_000)
    assert "in.csv: 12,000 rows" in stream.getvalue()
    assert "50%" in stream.getvalue()
