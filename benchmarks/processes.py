"""What a process and its children take: CPU and memory, looked at from outside."""

import contextlib
import math
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import psutil

LOOKS = 0.05  # seconds between two looks
MIB = 2**20


def peak_mib(pid: int) -> float:
    """Return the most memory that a process alone had resident so far; nan on other systems than Linux."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return math.nan
    kib = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return float(next(kib, math.nan)) * 1024 / MIB


class Usage:
    """CPU and memory of process trees, while inside `watched`."""

    def __init__(self, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
        self._roots = [psutil.Process(process.pid) for process in processes]
        self.peak_mib = 0.0

    def cpu_seconds(self) -> float:
        """User and system, up to now."""
        times = [process.cpu_times() for process in self._all()]
        return float(sum(each.user + each.system for each in times))

    def rss_mib(self) -> float:
        """Resident now."""
        return float(sum(process.memory_info().rss for process in self._all())) / MIB

    def look(self) -> None:
        """Note how much is resident."""
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            self.peak_mib = max(self.peak_mib, self.rss_mib())

    def _all(self) -> list[psutil.Process]:
        return [process for root in self._roots for process in (root, *root.children(recursive=True))]

    @classmethod
    @contextlib.contextmanager
    def watched(cls, *processes: "subprocess.Popen[bytes]") -> Iterator[Self]:
        """Looks at the memory again and again while inside."""
        usage, ended = cls(processes), threading.Event()

        def look() -> None:
            while not ended.wait(LOOKS):
                usage.look()

        thread = threading.Thread(target=look, name="usage")
        thread.start()
        try:
            yield usage
        finally:
            ended.set()
            thread.join()
