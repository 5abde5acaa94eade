"""The state of the host, measured by the pass-through, and neighbours that make a host busy.

Neighbours of other tenants keep memory and caches busy. What that costs shows in the CPU time that the pass-through
takes for an event: the same work on every host. It is measured in the same rounds as the contestants.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.passthrough import COMMAND
from benchmarks.race import Contestant, Course, filled, race
from benchmarks.rounds import Measured
from benchmarks.run import Run
from tests.support.kafka.jars import BrokerError

QUIET, BUSY = 2.2, 4.0  # µs of CPU an event of the pass-through: quiet up to the first, busy from the second
PASS = Contestant("pass-through, exactly-once", command=COMMAND)
EVENTS = 300_000  # of one probe: about a second of the pass-through
MIB = 256  # what a neighbour streams through

# Ends by itself when its parent is gone, however that ended.
NEIGHBOUR = f"""
import os
import numpy as np
parent = os.getppid()
source, target = np.ones({MIB} << 20, np.uint8), np.empty({MIB} << 20, np.uint8)
np.copyto(target, source)
print(flush=True)
while os.getppid() == parent:
    np.copyto(target, source)
"""


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Run processes that stream through memory, each through 256 MiB, while inside."""
    command = [sys.executable, "-c", NEIGHBOUR]
    with contextlib.ExitStack() as stack:
        started = []
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(process.kill)  # before Popen waits for it
            started.append(process)
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        yield


@dataclass
class Probe:
    """Measures the state of the host once a round."""

    run: Run
    course: Course | None = None
    reason: str = ""  # why there is no course
    cpu: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Let the pass-through take its turn."""
        if self.course is not None:
            self.cpu.append(race(PASS, self.course, self.run.room / "log").cpu)

    def state(self) -> str:
        """Return the state of the host in the rounds so far, as a sentence for a table's note."""
        if self.course is None:
            return f"State of the host: not known ({self.reason})."
        return state(Measured.of(self.cpu), self.run.neighbours)


@contextlib.contextmanager
def probing(run: Run) -> Iterator[Probe]:
    """Prepare a probe; on a machine without a broker it says that the state is not known."""
    with contextlib.ExitStack() as stack:
        try:
            course = stack.enter_context(filled(run, 2_000 if run.quick else EVENTS))
        except BrokerError as error:
            yield Probe(run, reason=str(error))
        else:
            yield Probe(run, course)


def state(cpu: Measured, count: int) -> str:
    """Name the state that the pass-through's CPU stands for; with the state that was wanted where it could not be had.

    `cpu` is in µs an event, `count` the number of neighbours: with some a busy host is wanted, without a quiet one.
    """
    beside = f", beside {count} neighbour{'s' if count > 1 else ''} streaming through memory" if count else ""
    cpu = Measured(tuple(value for value in cpu.values if value > 0))  # a race of an instant takes none
    if not cpu.values:
        return f"State of the host: not known (over before its CPU could be told){beside}."
    name = "quiet" if cpu.median <= QUIET else "busy" if cpu.median >= BUSY else "between quiet and busy"
    wanted = "busy" if count else "quiet"
    missed = "" if name == wanted else f" A {wanted} host could not be had on this machine."
    return f"State of the host: {name}{beside} (the pass-through took {cpu.text(1)} µs of CPU an event).{missed}"
