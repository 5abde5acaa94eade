"""Interrupted commands leave no file, directory or process."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import MIB, PROGRAM
from training.synthetic.dataset import events

SECONDS = 60.0


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes to be ended with the test."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def wait_for(directory: Path, pattern: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has made such a file."""
    end = time.monotonic() + SECONDS
    while not list(directory.glob(pattern)):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < end
        time.sleep(0.01)


def group_is_empty(group: int) -> bool:
    """Wait until no process of the group is left: multiprocessing has a tracker that ends after its parent."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_interrupted_parallel_scoring_leaves_nothing(tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    event = json.dumps(json.loads(next(events(1))) | {"note": "x" * MIB}).encode() + b"\n"
    source, out = tmp_path / "long.jsonl", tmp_path / "out"
    out.mkdir()
    with source.open("wb") as file:
        file.writelines(event for _ in range(65))
    command = [str(PROGRAM), "score", str(source), "--output", str(out / "scored.jsonl")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    started.append(process)
    wait_for(out, ".session-scorer-*.part", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS)
    assert process.returncode in (0, 128 + signal.SIGTERM)  # 0: it was done
    assert [path.name for path in out.iterdir()] == (["scored.jsonl"] if process.returncode == 0 else [])
    assert group_is_empty(process.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_interrupted_training_leaves_nothing(
    number: signal.Signals, table: Path, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    out = tmp_path / "new" / "set"
    command = [str(PROGRAM), "train", "--data", str(table), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    started.append(process)
    wait_for(tmp_path, "new/set/.training-*", process)
    process.send_signal(number)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == (128 + number if number != signal.SIGINT else 130)
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    assert group_is_empty(process.pid)
