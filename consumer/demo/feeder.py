"""Events for the demo: read from a file or generated, and sent at a steady rate."""

import gzip
import random
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from itertools import chain, count
from pathlib import Path
from typing import Final

import msgspec

from consumer.errors import WorkerError
from scoring.tables import (
    BOM,
    CSV,
    EMPTY,
    EXPORT,
    GZIP,
    HEAD_BYTES,
    JSON_LINES,
    PARQUET,
    UNKNOWN,
    ObjectSample,
    recognise,
)

Event = tuple[bytes | None, bytes]  # key, value

MOST_WAITING: Final = 2 * 1024 * 1024
"""Bytes fed and not yet accounted for. The embedded broker keeps 5 MiB of a partition and drops the oldest records,
even unread ones; events of one key are all in one partition."""
MOST_BYTES: Final = 1_000_000  # of an event; the brokers' default limit for a record is little more
MOST_BEHIND: Final = 0.2  # seconds of delay that are caught up; more would be a burst, not a steady rate
TICK: Final = 0.01  # seconds between two steps; the events due are sent together


@dataclass(frozen=True, slots=True)
class Feed:
    """The events to send, their number (None: unknown), and the rate in events per second."""

    events: Iterator[Event]
    count: int | None
    rate: float


class _Keyed(msgspec.Struct):
    user_id: msgspec.Raw = msgspec.Raw(b"null")


def key_of(value: bytes) -> bytes | None:
    """Return the key of an event's record, by convention its user_id; None when that cannot be read."""
    try:
        user_id = bytes(msgspec.json.decode(value, type=_Keyed).user_id)
        if user_id.removeprefix(b"-").isdigit():
            return user_id
        return msgspec.json.decode(user_id, type=str).encode()
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def mixed(valid: Iterator[Event], invalid: Iterator[bytes], seed: int, one_in: int = 200) -> Iterator[Event]:
    """Replace on average every `one_in`th valid event by an invalid one."""
    draw = random.Random(seed)  # noqa: S311 - an order, not a secret
    for event in valid:
        if draw.randrange(one_in):
            yield event
        else:
            value = next(invalid)
            yield key_of(value), value


def _ignore(_: str) -> None:
    """Do nothing."""


def lines(path: Path, warn: Callable[[str], None] = _ignore) -> Iterator[Event]:
    """Yield the lines of a file, byte for byte, without line feed, byte order mark and gzip compression.

    Calls `warn` when the first lines hold objects of another schema. Raises WorkerError, in one line, for a file that
    cannot be read or is recognised as something else; for a pipe or a terminal only at the first line, since opening
    one may block for ever.
    """
    if path.is_fifo() or path.is_char_device():
        return chain.from_iterable(map(_open_lines, [path], [warn]))
    return _open_lines(path, warn)


def _open_lines(path: Path, warn: Callable[[str], None]) -> Iterator[Event]:
    with _read_errors(path), ExitStack() as files:
        file: BufferedReader | gzip.GzipFile = files.enter_context(path.open("rb"))
        if recognise(file.peek(HEAD_BYTES)).kind == GZIP:
            file = files.enter_context(gzip.GzipFile(fileobj=file))
        head = file.peek(HEAD_BYTES)
        _check_format(path, head)
        if doubt := _doubt_of_schema(head.removeprefix(BOM)):
            warn(f"{path}: {doubt}")
        return _lines(path, file, files.pop_all())


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except IsADirectoryError:
        raise WorkerError(f"{path} is a directory: --input takes a file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise WorkerError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _check_format(path: Path, head: bytes) -> None:
    """Raise WorkerError for a file that is certainly no JSON Lines."""
    content = recognise(head)
    if content.kind in {JSON_LINES, UNKNOWN}:
        return
    if content.kind == EMPTY:
        raise WorkerError(f"{path} is {content.description}: --input takes a file of one JSON object a line")
    expected = "--input takes JSON Lines, one JSON object a line"
    if content.kind in {CSV, PARQUET}:
        raise WorkerError(f"{path} is {content.description}: {expected}; `session-scorer score` takes tables")
    if content.remedy == EXPORT:
        raise WorkerError(f"{path} is {content.description}: {expected}")
    raise WorkerError(f"{path} is {content}; {expected}")


def _doubt_of_schema(head: bytes) -> str:
    """Describe first objects without a scored field: where they have some inside, and similar keys. Else return ""."""
    sample = ObjectSample()
    sample.add(head.split(b"\n"))
    hints = [sample.report().lookalikes()]
    if 0 < sample.objects == sample.without_fields:
        outside = f" outside of {sample.nested_in!r}" if sample.nested_in else ""
        hints.insert(0, f"its first objects have no field that is scored{outside}: all are imputed")
    return "; ".join(filter(None, hints))


def _lines(path: Path, file: BufferedReader | gzip.GzipFile, files: ExitStack) -> Iterator[Event]:
    with files, _read_errors(path):
        bom = BOM
        for number in count(1):
            line = file.readline(MOST_BYTES + 2)
            if not line:
                return
            value = line.removesuffix(b"\n").removeprefix(bom)
            bom = b""
            if len(value) > MOST_BYTES:
                raise WorkerError(
                    f"{path}, line {number} is over {MOST_BYTES:,} bytes: a Kafka record takes about 1 MB"
                )
            yield key_of(value), value


class Feeder:
    """Sends events at a steady rate while at most `most_waiting` bytes are unaccounted for.

    `send` gets the events that are due; `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        events: Iterator[Event],
        rate: float,
        send: Callable[[list[Event]], None],
        clock: Callable[[], float],
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._events = events
        self._rate = rate
        self._send = send
        self._clock = clock
        self._most_waiting = most_waiting
        self._from: float | None = None  # when the first event was due, moved by delays that are not caught up
        self._sizes: deque[int] = deque()  # of the events not yet accounted for, oldest first
        self._waiting = 0  # their sum
        self.fed = 0
        self._ended = False
        self.done = False  # all events have been sent

    def step(self, accounted: int) -> None:
        """Send the events that are due; `accounted` of those fed before are done."""
        self._forget(accounted)
        events = list(self._take(self._due()))
        if events:
            self._send(events)
            self.fed += len(events)
        self.done = self._ended

    def _due(self) -> int:
        now = self._clock()
        if self._from is None:
            self._from = now
        due = (now - self._from) * self._rate + 1 - self.fed
        late = (due - 1) / self._rate - MOST_BEHIND  # seconds, of the oldest due event
        if late > 0:
            self._from += late
            due -= late * self._rate
        return int(due)

    def _take(self, most: int) -> Iterator[Event]:
        for _ in range(most):
            if self._waiting >= self._most_waiting:
                return
            event = next(self._events, None)
            if event is None:
                self._ended = True
                return
            self._sizes.append(len(event[1]))
            self._waiting += len(event[1])
            yield event

    def _forget(self, accounted: int) -> None:
        # only the number of finished events is known: assume the oldest, although partitions differ
        while len(self._sizes) > max(0, self.fed - accounted):
            self._waiting -= self._sizes.popleft()
