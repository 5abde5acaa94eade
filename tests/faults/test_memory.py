"""How much a worker takes: no more than its settings say, and no more after half an hour than after a minute."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from consumer.config.settings import Settings
from consumer.kafka.properties import CONSUMER, PRODUCER
from tests.faults.conftest import Full, Record
from tests.support.end_to_end import Line, stop
from tests.support.kafka.topics import Topics
from tests.support.wire import Event, write
from training.synthetic.dataset import keyed_events

MIB = 1024 * 1024
AT_REST = 190.0  # MiB: Python, the model compiled, three clients connected
WAVES = 16.0  # MiB by which memory may go up and down
STEADY = 0.8  # share of what the worker can do
BUSY_TOPIC = {"retention.bytes": str(512 * MIB), "segment.bytes": str(64 * MIB)}  # half an hour of it fills a disk
LOOKS = 0.1  # seconds between two looks at the process


class Sample(NamedTuple):
    """What the process held at one moment."""

    second: float
    memory: float  # MiB resident
    threads: int
    descriptors: int


@pytest.mark.timeout(3600)
def test_a_backlog_at_the_start_takes_no_more_memory_than_the_settings_allow_however_long_it_is(
    line: Line, tmp_path: Path, full: Full, record_property: Record
) -> None:
    backlog = full(200_000, 400_000)
    short, long = ([peak_over(line, events, tmp_path / "log") for _ in range(2)] for events in (backlog, 4 * backlog))
    record_property("events", f"{backlog:,} and {4 * backlog:,}, twice each")
    record_property("peaks, MiB", f"{min(short):.0f} and {min(long):.0f}, {max(short + long):.0f} of {bound():.0f}")
    assert max(short + long) < bound()
    # what is kept of events shows in both runs, how full the buffers happened to be in one
    assert min(long) - min(short) < WAVES


@pytest.mark.timeout(3600)
def test_at_four_fifths_of_its_capacity_a_worker_grows_in_nothing(
    kafka: str, topics: Topics, tmp_path: Path, full: Full, record_property: Record
) -> None:
    seconds, few = full(20, 1800), some_events()
    sessions, results, alerts, letters = (topics(name, config=BUSY_TOPIC) for name in ("s", "r", "a", "d"))
    line = Line(kafka, f"scorer-of-{sessions}", sessions, results, alerts, letters)
    with line.running(tmp_path / "log") as process:
        write(kafka, line.sessions, few)
        line.wait_for(lambda count: count == len(few), process)  # all is compiled and connected by then
        rate = STEADY * capacity(line, few, process)
        with sampling(process) as samples:
            fed = 6 * len(few) + feed_steadily(line, few, rate, seconds)
        line.wait_for(lambda count: count == fed, process)
        assert stop(process) == 0
    later = samples[len(samples) // 3 :]
    minutes = np.array([sample.second for sample in later]) / 60
    slope = np.polyfit(minutes, [sample.memory for sample in later], 1)[0]
    record_property("events", f"{fed:,} in {minutes[-1] - minutes[0]:.1f} minutes looked at")
    record_property("slope, MiB a minute", f"{slope:.3f}")
    record_property("peak, MiB", f"{max(sample.memory for sample in samples):.0f}")
    assert slope * (minutes[-1] - minutes[0]) < WAVES, f"{slope:.2f} MiB a minute"
    # the fewest, because what asks for /metrics has a thread for a moment: not one more stays
    early = samples[: len(samples) // 3]
    assert min(sample.threads for sample in later[-600:]) <= min(sample.threads for sample in early)
    assert later[-1].descriptors <= later[0].descriptors + 2


def peak_over(line: Line, events: int, log: Path) -> float:
    """The most MiB resident at once in a worker that starts with a backlog of so many events, until it is done."""
    few = some_events()
    for _ in range(events // len(few)):
        write(line.bootstrap, line.sessions, few)
    before = line.committed()
    with line.running(log) as process:
        line.wait_for(lambda count: count == before + events, process)
        peak = int(status(process.pid)["VmHWM"].split()[0]) / 1024
        assert stop(process) == 0
    return peak


def capacity(line: Line, few: list[Event], process: "subprocess.Popen[bytes]") -> float:
    """Events a second, of a backlog."""
    for _ in range(5):
        write(line.bootstrap, line.sessions, few)
    began, before = time.monotonic(), line.committed()
    line.wait_for(lambda count: count == 6 * len(few), process)
    return (6 * len(few) - before) / (time.monotonic() - began)


def feed_steadily(line: Line, few: list[Event], rate: float, seconds: float) -> int:
    """Writes so many events a second, in order and again from the first. Returns how many."""
    began, fed = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        due = min(int(rate * passed) - fed, len(few))
        if due > 0:
            write(line.bootstrap, line.sessions, few[:due])
            fed += due
        time.sleep(0.2)
    return fed


def some_events() -> list[Event]:
    return [Event(value, key) for key, value in islice(keyed_events(seed=9), 10_000)]


def bound() -> float:
    """MiB, as docs/delivery.md explains it: what is fetched and one more answer; the batch in hand as fetched, as read,
    as results, as alerts; what is on its way out."""
    read_ahead = int(CONSUMER["queued.max.messages.kbytes"]) * 1024 + int(CONSUMER["fetch.max.bytes"])
    unsent = int(PRODUCER["queue.buffering.max.kbytes"]) * 1024
    return AT_REST + (read_ahead + 4 * int(Settings.model_fields["batch_bytes"].default) + unsent) / MIB


@contextmanager
def sampling(process: "subprocess.Popen[bytes]") -> Iterator[list[Sample]]:
    """Looks at the process again and again while inside, where it must not end."""
    samples: list[Sample] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOKS):
            samples.append(sample(process.pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def sample(pid: int) -> Sample:
    said = status(pid)
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Sample(time.monotonic(), int(said["VmRSS"].split()[0]) / 1024, int(said["Threads"]), descriptors)


def status(pid: int) -> dict[str, str]:
    """What Linux says of the process, by name (proc_pid_status(5))."""
    return dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
