"""Standard error and standard output that do not block: a pipe without a reader blocks the process that writes to it.

O_NONBLOCK does not help: it belongs to the open file, which other processes share. So a separate thread writes, and no
other waits for it, except for up to a second at the end of the process.
"""

import faulthandler
import io
import math
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

EXIT_SECONDS: Final = 1.0  # that an exit waits for queued output
MOST_BYTES: Final = 4 * 1024 * 1024  # in the queue: a burst of -X debug=all fits
MOST_SECONDS: Final = 10.0  # that a line stays in the queue: longer than a restart of a log shipper
_LOOK_SECONDS: Final = 0.1
_STDERR: Final = 2
_FLUSH_FAILED: Final = 120  # exit status, like the interpreter's own
_IMPORTING: Final = "<frozen importlib._bootstrap>"  # the file of frames inside an import
_INTERRUPTED: Final = 130  # exit status after Ctrl-C, like a shell's


class QueuedOutput(io.RawIOBase):
    """Writes to a file descriptor on a thread of its own, in order.

    Output is dropped and counted when the queue is full, after `most_seconds` in the queue, or when it cannot be
    written.
    """

    def __init__(self, descriptor: int, most_bytes: int = MOST_BYTES, most_seconds: float = MOST_SECONDS) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._most_bytes = most_bytes
        self._most_seconds = most_seconds
        self._queue: deque[tuple[float, bytes]] = deque()  # (time.monotonic when queued, text)
        self._bytes = 0  # in the queue, and in the write under way
        self._changed = threading.Condition()
        threading.Thread(target=self._write_queue, name=f"output {descriptor}", daemon=True).start()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: "ReadableBuffer", /) -> int:
        """Queue the output of one call of `print` or of a log handler. Never blocks."""
        text = bytes(data)
        with self._changed:
            if self._bytes + len(text) > self._most_bytes:
                self.dropped += 1
            else:
                self._queue.append((time.monotonic(), text))
                self._bytes += len(text)
                self._changed.notify_all()
        return len(text)

    def drain(self, seconds: float) -> bool:
        """Wait until the queue is written; False when it is not within `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._bytes == 0, seconds)

    def _write_queue(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
            if self._has_room():
                self._write_first()

    def _write_first(self) -> None:
        with self._changed:
            _, text = self._queue.popleft()
        error = self._write_all(text)
        with self._changed:
            self._bytes -= len(text)
            if error is not None:
                self._failed(error)
            self._changed.notify_all()

    def _write_all(self, text: bytes) -> OSError | None:
        """Write the text, however long that takes, and drop old lines from the queue; return the error, if any."""
        rest = memoryview(text)
        while rest:
            try:
                if self._has_room():
                    rest = rest[os.write(self._descriptor, rest[: select.PIPE_BUF]) :]
            except BlockingIOError:  # another process has made the open file non-blocking, and filled it
                continue
            except OSError as error:
                return error
        return None

    def _has_room(self) -> bool:
        """Wait 0.1 s until a write of PIPE_BUF bytes does not block, or fails; then drop old lines."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)  # on a pipe it promises one page, no more
        if poll.poll(_LOOK_SECONDS * 1000):
            return True
        self._expire()
        return False

    def _expire(self) -> None:
        oldest = time.monotonic() - self._most_seconds
        with self._changed:
            while self._queue and self._queue[0][0] < oldest:
                self._bytes -= len(self._queue.popleft()[1])
                self.dropped += 1

    def _failed(self, _: OSError) -> None:
        self.dropped += 1


class LosslessOutput(QueuedOutput):
    """Drops no output: `write` waits for room, and `flush` for the reader, while `may_wait()` is true.

    `flush` also raises the error of a write.
    """

    def __init__(self, descriptor: int, may_wait: Callable[[], bool]) -> None:
        self._may_wait = may_wait
        self._error: OSError | None = None
        super().__init__(descriptor, most_bytes=sys.maxsize, most_seconds=math.inf)

    def write(self, data: "ReadableBuffer", /) -> int:
        if self._bytes >= MOST_BYTES:
            self._wait()
        return super().write(data)

    def flush(self) -> None:
        self._wait()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _wait(self) -> None:
        while self._may_wait() and not self.drain(_LOOK_SECONDS):
            pass

    def _failed(self, error: OSError) -> None:
        self._error = error


def _text(output: QueuedOutput, stream: TextIO) -> TextIO:
    raw: Any = output  # the stubs require a buffered stream
    return io.TextIOWrapper(raw, encoding=stream.encoding, errors="backslashreplace", write_through=True)


def _is_file(stream: TextIO | None, descriptor: int) -> bool:
    """Return whether the stream writes to this descriptor: not under pytest, or when it was closed before the start."""
    try:
        return stream is not None and stream.fileno() == descriptor
    except (OSError, ValueError):
        return False


def lines_dropped() -> int:
    """Return how many lines standard error has dropped."""
    return int(getattr(getattr(sys.stderr, "buffer", None), "dropped", 0))


@contextmanager
def interruptible(stream: TextIO, stop: threading.Event) -> Iterator[TextIO]:
    """Yield a stream like standard output that waits for its reader only until `stop` is set."""
    if not _is_file(stream, 1):
        yield stream
        return
    stream.flush()
    output = LosslessOutput(stream.fileno(), lambda: not stop.is_set())
    try:
        yield _text(output, stream)
    finally:
        output.drain(EXIT_SECONDS)


def call_with_bounded_output(work: Callable[[], None]) -> NoReturn:
    """Call `work` and end the process. No write to standard error blocks, before or after."""
    if _is_file(sys.stderr, 2):
        sys.stderr = _text(QueuedOutput(2), sys.stderr)
    try:
        _raise_on_interrupt()
        work()
        status = 0
    except SystemExit as end:
        status = _status(end)
    except BaseException as error:  # noqa: BLE001 - as the interpreter does
        status = _report(error)
    end_process(status)


def _raise_on_interrupt() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, so that commands clean up; ignored, as under nohup, it stays ignored.

    In an import it ends the process: Python drops an exception that is raised in a callback of an import lock, and the
    command would go on.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            os._exit(_INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def _report(error: BaseException) -> int:
    """Print the traceback of an error, none for Ctrl-C. Return the exit status."""
    if _is_interrupt(error):
        return _INTERRUPTED
    sys.excepthook(type(error), error, error.__traceback__)
    return 1


def _is_interrupt(error: BaseException | None) -> bool:
    """Return whether it is a KeyboardInterrupt or was raised from one, as Python 3.11 does in the body of a class."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def _status(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 1


def end_process_within(seconds: float) -> None:
    """End the process after so many seconds with status 1, and every thread's stack on stderr.

    The watchdog does not help here: it ends when the group is left, and a Kafka client that waits while it holds the
    interpreter's lock, or never ends (librdkafka's issue 4519), holds up all of Python. This timer is C's own. Where
    its own write can block, the kernel's timer ends the process (SIGALRM).
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=_nonblocking(_STDERR))
    signal.setitimer(signal.ITIMER_REAL, seconds + EXIT_SECONDS)


def _nonblocking(descriptor: int) -> int:
    """Open the file behind a descriptor a second time, for writes that fail rather than block.

    Other processes share the first descriptor, which is returned where that is impossible, as for a socket.
    """
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return descriptor


def end_process(status: int) -> NoReturn:
    """End the process once queued output is written, or after a second.

    Python's own exit stops other threads midway, which the compiler reports as a crash (SIGABRT), and waits for all
    Kafka clients, some of which never end.
    """
    failed: list[OSError] = []
    thread = threading.Thread(target=_flush, args=(failed,), name="flush", daemon=True)
    thread.start()
    thread.join(EXIT_SECONDS)
    os._exit(status or (_FLUSH_FAILED if failed else 0))


def _flush(failed: list[OSError]) -> None:
    """Write the buffered output of both streams; append errors to `failed`."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            failed.append(error)
        except (ValueError, AttributeError):  # closed, or missing
            pass
    output = getattr(sys.stderr, "buffer", None)
    if isinstance(output, QueuedOutput):
        output.drain(EXIT_SECONDS)
