"""Ctrl-C and SIGTERM at any moment of a command's first seconds, while it imports, compiles or starts its threads."""

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from scoring.artifacts import loading
from tests.support.artifacts.loading import SET
from tests.support.commands import NOBODY, PROGRAM, Inputs

COMMANDS: Final = {
    "demo": "demo",
    "run": f"run --bootstrap-servers {NOBODY} --metrics-port 0",
    "check": f"check --bootstrap-servers {NOBODY}",
    "watch": f"watch {NOBODY}",
    "score": "score {table} --output {out}/scored.csv",
    "train": "train --data {table} --out {out}/set",
}
EACH: Final = 8
FIRST_SECONDS: Final = 2.0
SECONDS: Final = 60.0  # for the end, on a busy host
ENDED: Final = {signal.SIGINT: {0, 130}, signal.SIGTERM: {0, 143, -signal.SIGTERM}}
NOISE: Final = ("Traceback", "terminate called", "Aborted", "Fatal", "KeyboardInterrupt", "core dumped")


class Outcome(NamedTuple):
    """How a command ended that was sent a signal."""

    after: float
    signal: signal.Signals
    ended_before: bool
    status: int
    errors: str

    def is_clean(self) -> bool:
        ended = self.ended_before or self.status in ENDED[self.signal]
        return ended and not any(word in self.errors for word in NOISE)


def interrupt(arguments: list[str], after: float, number: signal.Signals, cwd: Path) -> Outcome:
    """Start the command as `make` does, with SIGINT blocked while Python itself starts, and send it the signal."""
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_block_interrupts,  # noqa: PLW1509 - no other thread holds a lock that it needs
    )
    with process:
        try:
            process.wait(after)
            ended = True
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            ended = False
        try:
            _, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    return Outcome(after, number, ended, process.returncode, errors)


def _block_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell may have started the tests without it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("inputs"), loading.shipped(), SET)


@pytest.fixture(scope="module")
def outcomes(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Outcome]]]:
    """What came of each command, interrupted at random moments; four at a time."""
    draw = random.Random(os.environ.get("PYTEST_CURRENT_TEST"))
    with ThreadPoolExecutor(4) as executor:
        futures = {
            name: [
                executor.submit(
                    interrupt,
                    words.format(**inputs.paths, out=tmp_path_factory.mktemp("out")).split(),
                    draw.uniform(0, FIRST_SECONDS),
                    signal.SIGTERM if i % 4 == 3 else signal.SIGINT,
                    tmp_path_factory.mktemp("cwd"),
                )
                for i in range(EACH)
            ]
            for name, words in COMMANDS.items()
        }
        yield {name: [future.result() for future in started] for name, started in futures.items()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COMMANDS)
def test_an_early_interrupt_is_quiet(name: str, outcomes: dict[str, list[Outcome]]) -> None:
    assert [outcome for outcome in outcomes[name] if not outcome.is_clean()] == []


def test_an_ignored_interrupt_stays_ignored(tmp_path: Path) -> None:
    process = subprocess.Popen(
        ["/bin/sh", "-c", "trap '' INT; echo ignored; exec \"$0\" predict -", PROGRAM],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ignored\n"
        process.send_signal(signal.SIGINT)
        answer, _ = process.communicate(b'{"click_events": null}', timeout=SECONDS)
    assert process.returncode == 0
    assert b"anomaly_score" in answer
