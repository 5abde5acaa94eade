"""Streams whose reader stalls: who writes goes on, and every exit has its bound."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from consumer.observability.bounded_output import MOST_BYTES, LosslessOutput, QueuedOutput
from tests.support.command_line import COMMAND
from tests.support.end_to_end import environment
from tests.support.pipes import unread_pipe
from tests.support.waiting import wait_until

Output = TypeVar("Output", bound=QueuedOutput)
SECONDS = 60.0  # for whatever should take a moment


def read(descriptor: int, size: int) -> bytes:
    """So many bytes."""
    with os.fdopen(os.dup(descriptor), "rb", buffering=0) as stream:
        parts = b""
        while len(parts) < size:
            parts += stream.read(size - len(parts)) or b""
    return parts


@contextmanager
def piped(make: Callable[[int], Output], *, full: bool = True) -> Iterator[tuple[int, Output]]:
    """The reading end of a pipe, and an output to it. At the end its thread has nothing left to write: the next test's
    pipe gets the same descriptors."""
    with unread_pipe(full=full) as (reading, writing):
        output = make(writing)
        yield reading, output
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, reading)  # nobody can read any more, so every write fails
        os.close(nothing)
        assert output.drain(SECONDS)


def test_every_line_is_written_in_order() -> None:
    with piped(QueuedOutput, full=False) as (reading, output):
        lines = [f"{number}\n".encode() for number in range(2000)]
        for line in lines:
            output.write(line)
        assert output.drain(SECONDS)
        assert read(reading, sum(map(len, lines))) == b"".join(lines)
        assert output.dropped == 0


def test_lines_that_wait_too_long_are_dropped() -> None:
    with piped(partial(QueuedOutput, most_seconds=0.2)) as (reading, output):
        for number in range(10):
            output.write(f"old {number}\n".encode())
        wait_until(lambda: output.dropped == 10)
        with os.fdopen(os.dup(reading), "rb", buffering=0) as stream:
            while not stream.read(65536).endswith(b"new\n"):
                output.write(b"new\n")


@pytest.mark.parametrize("size", [5000, 9000])  # two and three pages of a pipe's sixteen
def test_old_lines_are_dropped_behind_complete_long_lines(size: int) -> None:
    lines = [f"{number:04}".ljust(size - 1).encode() + b"\n" for number in range(65)]
    with piped(partial(QueuedOutput, most_seconds=0.2), full=False) as (reading, output):
        for line in lines:
            output.write(line)
        whole = -(-bytes_once_full(reading, output.fileno()) // size)  # lines that are written, the last one in part
        wait_until(lambda: output.dropped == len(lines) - whole)
        output.write(b"new\n")
        assert read(reading, whole * size + 4) == b"".join(lines[:whole]) + b"new\n"


def test_lines_beyond_the_queue_are_dropped() -> None:
    with piped(partial(QueuedOutput, most_bytes=100)) as (_, output):
        for _ in range(30):
            output.write(b"x" * 9 + b"\n")
        assert output.dropped == 20


def test_a_line_that_cannot_be_written_is_dropped() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    output = QueuedOutput(writing)
    output.write(b"to nobody\n")
    wait_until(lambda: output.dropped == 1)
    os.close(writing)


def test_a_non_blocking_pipe_gets_every_line() -> None:
    with piped(QueuedOutput, full=False) as (reading, output):
        os.set_blocking(output.fileno(), False)
        sent = [b"x" * 9_999 + b"\n" for _ in range(30)]
        for line in sent:
            output.write(line)
        assert read(reading, sum(map(len, sent))) == b"".join(sent)
        assert output.dropped == 0


@pytest.mark.parametrize("size", [1, MOST_BYTES])
def test_lossless_output_waits_until_stopped(size: int) -> None:
    stop = threading.Event()
    with piped(partial(LosslessOutput, may_wait=lambda: not stop.is_set())) as (_, output):
        output.write(b"x" * size)
        waiting = threading.Thread(target=output.flush if size == 1 else partial(output.write, b"x"))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        stop.set()
        waiting.join(SECONDS)
        assert not waiting.is_alive()


def test_lossless_output_writes_without_a_flush() -> None:
    reading, writing = os.pipe()
    output = LosslessOutput(writing, lambda: True)
    sent = [bytes([number]) * MOST_BYTES for number in range(3)]

    def write_all() -> None:
        for part in sent:
            output.write(part)
        output.flush()
        os.close(writing)

    thread = threading.Thread(target=write_all)
    thread.start()
    with os.fdopen(reading, "rb") as stream:
        received = stream.read()
    thread.join()
    same = received == b"".join(sent)
    assert same  # by itself: the difference of 12 MiB would not be shown within minutes


def test_lossless_output_raises_the_error_of_a_write() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    output = LosslessOutput(writing, lambda: True)
    output.write(b"to nobody\n")
    with pytest.raises(BrokenPipeError):
        output.flush()
    os.close(writing)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["predict", "/nowhere"], 1), (["score", "--nope"], 2), (["run", "--bootstrap-servers", ""], 1)],
)
def test_an_unread_error_does_not_block_the_end(arguments: list[str], status: int) -> None:
    with unread_pipe() as (_, writing):
        done = subprocess.run([*COMMAND, *arguments], stderr=writing, env=environment(), timeout=SECONDS, check=False)
    assert done.returncode == status


def test_the_error_is_the_last_line() -> None:
    done = subprocess.run(
        [*COMMAND, "predict", "/nowhere"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=SECONDS,
        check=False,
    )
    assert done.stderr == "session-scorer: /nowhere: cannot be read: No such file or directory\n"


def test_an_exception_ends_in_traceback_and_status_one() -> None:
    script = "from consumer.observability.bounded_output import call_with_bounded_output as call; call(lambda: 1 / 0)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


CANNOT_GO_ON = """
import threading
from consumer.observability import logs
from consumer.observability.bounded_output import call_with_bounded_output
from consumer.stream.watchdog import Watchdog
def work():
    logs.configure("info")
    dog = Watchdog(0.1)
    with dog.on_duty(threading.Event()), dog.watching("the commit"):
        threading.Event().wait()
call_with_bounded_output(work)
"""


def test_the_watchdog_ends_a_process_without_a_reader() -> None:
    with unread_pipe() as (_, writing):
        done = subprocess.run([sys.executable, "-c", CANNOT_GO_ON], stderr=writing, timeout=SECONDS, check=False)
    assert done.returncode == 1


def test_the_watchdogs_reason_is_written_before_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", CANNOT_GO_ON], capture_output=True, timeout=SECONDS, check=False)
    assert done.stderr.count(b"cannot go on") == 1
    assert done.stderr.endswith(b"}\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("arguments", [["watch", "127.0.0.1:9", "--interval", "0.1"], ["demo", "--rate", "10"]])
def test_a_signal_ends_a_command_without_a_reader(arguments: list[str], number: signal.Signals) -> None:
    heard = "import signal; [signal.signal(n, signal.SIG_DFL) for n in (signal.SIGINT, signal.SIGHUP)]"
    command = [sys.executable, "-c", f"{heard}; {COMMAND[-1]}", *arguments]
    with (
        unread_pipe() as (_, writing),
        subprocess.Popen(command, stdout=writing, stderr=writing, env=environment()) as process,
    ):
        wait_until(lambda: catches(process.pid, signal.SIGTERM))
        process.send_signal(number)
        assert process.wait(SECONDS) >= 0  # by itself


def test_ctrl_c_ends_a_blocked_write() -> None:
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{heard}; {COMMAND[-1]}", "predict", "-"]
    with (
        unread_pipe(full=False) as (reading, writing),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=writing, stderr=writing, env=environment()) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(b"[%b]" % b",".join([b'{"click_events":1}'] * 1000))
        process.stdin.close()
        wait_until(lambda: waiting_bytes(reading) == fcntl.fcntl(reading, fcntl.F_GETPIPE_SZ))
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) > 0


def bytes_once_full(reading: int, writing: int) -> int:
    """How much is in a pipe that nobody reads, once no page of it is free."""
    wait_until(lambda: not select.select([], [writing], [], 0)[1])
    return waiting_bytes(reading)


def waiting_bytes(reading: int) -> int:
    """How much of a pipe nobody has read yet."""
    return int(struct.unpack("i", fcntl.ioctl(reading, termios.FIONREAD, b"    "))[0])


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal."""
    mask = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return mask is not None and bool(int(mask[1], 16) >> (number - 1) & 1)


def test_an_interrupt_that_python_would_drop_in_an_import_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("""
import os, signal, weakref

class Lock: pass

lock = Lock()
callback = weakref.ref(lock, lambda _: os.kill(os.getpid(), signal.SIGINT))
del lock
""")
    script = """
import signal, sys
from consumer.observability.bounded_output import call_with_bounded_output

def work():
    sys.path.insert(0, sys.argv[1])
    import slow
    print("went on", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests without it
call_with_bounded_output(work)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
