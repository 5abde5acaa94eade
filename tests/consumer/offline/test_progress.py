"""How far a long command has come."""

import io
import threading

import pytest

from consumer.offline import progress


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_in_a_pipe_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    stream = io.StringIO()
    with progress.show_progress("in.csv", stream) as told:
        told(0.5, 12_000)
    assert stream.getvalue() == "in.csv: 12,000 rows, 50%\n"


def test_what_is_quickly_done_says_nothing_in_a_pipe() -> None:
    stream = io.StringIO()
    with progress.show_progress("in.csv", stream) as told:
        told(1.0, 1)
    assert stream.getvalue() == ""


def test_on_a_terminal_there_is_a_bar() -> None:
    stream = Terminal()
    with progress.show_progress("in.csv", stream) as told:
        told(0.5, 12_000)
    assert "in.csv: 12,000 rows" in stream.getvalue()
    assert "50%" in stream.getvalue()


class Counted(io.StringIO):
    """A stream that tells when so many lines were written."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.enough = threading.Event()
        self._lines = lines

    def flush(self) -> None:
        if self.getvalue().count("\n") >= self._lines:
            self.enough.set()


def test_in_a_pipe_a_long_step_says_what_it_is_at_again_and_again() -> None:
    stream = Counted(3)
    with progress.show_activity("train", stream, seconds=0.01) as activity:
        for step in activity.track(range(4), "growing trees"):
            if step == 1:
                assert stream.enough.wait(30)
    assert "growing trees, 25%, 0 s so far\n" in stream.getvalue()


def test_in_a_pipe_it_is_said_how_much_of_a_file_is_read() -> None:
    stream = Counted(1)
    with progress.show_activity("train", stream, seconds=0.01) as activity, activity.reading("in.csv") as told:
        told(0.5, 12_000)
        assert stream.enough.wait(30)
    assert stream.getvalue().splitlines()[-1].startswith("in.csv: 12,000 rows, 50%, ")
    assert activity.now == ("train", 0.0)


def test_on_a_terminal_a_bar_is_shown_and_removed() -> None:
    stream = Terminal()
    with progress.show_activity("train", stream) as activity:
        list(activity.track(range(4), "growing trees"))
    assert "\n" not in stream.getvalue().strip("\n\x1b[0123456789;?hlmAKGJ\r ")


def test_work_that_fails_ends_the_progress() -> None:
    with pytest.raises(ValueError, match="broken"), progress.show_activity("train", io.StringIO()):
        raise ValueError("broken")
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]
