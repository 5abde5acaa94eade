"""The command line: called in this process by its one entry point, or run in a process of its own."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

import pytest

from consumer.cli import main as cli
from consumer.config.client_properties import CLIENTS
from consumer.config.settings import PREFIX

PREFIXES: Final = (PREFIX, *(client.prefix for client in CLIENTS.values()))
"""How the variables begin that are settings."""
COMMAND: Final = (sys.executable, "-c", "from consumer.__main__ import main; main()")


class Said(NamedTuple):
    """What a call left behind."""

    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """What stderr says, which is one line."""
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        return self.err.strip()


Call = Callable[..., Said]


def caller(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """`call(*arguments, stdin=b"")`, with no setting of ours in the environment."""
    for name in list(os.environ):
        if name.startswith(PREFIXES):
            monkeypatch.delenv(name)

    def call(*arguments: object, stdin: bytes | str = b"") -> Said:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "argv", ["session-scorer", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # typer sets its own
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return Said(status, *capsys.readouterr())

    return call


@contextmanager
def running(*command: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a program with pipes for its output. It does not outlive the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=env, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
