"""The command line as its users call it."""

import pytest

from tests.support.command_line import Call, caller


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    logging_as_before: None,  # noqa: ARG001 - `run` configures it
) -> Call:
    """Runs the command line in this process, by its one entry point."""
    return caller(monkeypatch, capsys)
