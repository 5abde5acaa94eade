"""Bytes to bytes in the trees that are compared, this one and an older commit's: each in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.old import ROOT
from benchmarks.race import last_line
from benchmarks.run import Run
from benchmarks.watching import RaceError

PROGRAM = Path(__file__).with_name("in_memory.py")
OURS = "session-scorer"
BOOT = """
import runpy, sys, time
time.perf_counter = time.process_time  # the pipeline's stages in CPU time: others on the same cores do not lengthen it
runpy.run_path(sys.argv[1], run_name="__main__")
"""


class Tree(NamedTuple):
    """A checkout and the Python that runs it."""

    name: str
    python: str
    root: Path


class InMemory:
    """A running `in_memory.py`."""

    def __init__(self, process: "subprocess.Popen[str]", tree: Tree, log: Path) -> None:
        """`log` is where the process writes its stderr."""
        self._process, self._tree, self._log = process, tree, log

    def ask(self, measure: str, events: int, size: int) -> dict[str, float]:
        """Return figures of so many events in batches of that size. Raises RaceError when the process ends instead."""
        return {name: float(value) for name, value in self._ask(measure, events, size).items()}

    def digest(self, events: int) -> str:
        """Return the SHA-256 of the first so many events. Raises RaceError when the process ends instead."""
        return self._ask("digest", events, events)["digest"]

    def _ask(self, measure: str, events: int, size: int) -> dict[str, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"measure": measure, "events": events, "size": size}) + "\n")
            self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise RaceError(f"{self._tree.name}, in memory: it ended; the last it said: {last_line(self._log)}")
        answer: dict[str, str] = json.loads(line)
        return answer


def trees(given: Run) -> list[Tree]:
    """Return this tree, and the older commit's where there is one."""
    old = [Tree(given.old.name, given.old.python, given.old.root)] if given.old else []
    return [Tree(OURS, sys.executable, ROOT), *old]


@contextlib.contextmanager
def in_memory(
    tree: Tree, log: Path, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[InMemory]:
    """Run `in_memory.py` in a tree, under the command `prefix`, while inside."""
    # -P: beside the program stand modules that must not hide the tree's own, such as files
    command = [*prefix, tree.python, "-P", "-c", BOOT, str(PROGRAM)]
    variables = os.environ | {"PYTHONPATH": str(tree.root)} | dict(environment or {})
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command,
            cwd=tree.root,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            yield InMemory(process, tree, log)
        except BaseException:
            process.kill()
            raise


def same_events(running: Mapping[str, InMemory], events: int) -> None:
    """Raise RaceError unless all generate the same events."""
    if len({each.digest(events) for each in running.values()}) > 1:
        raise RaceError(f"{' and '.join(running)} generate different events: they cannot be compared")
