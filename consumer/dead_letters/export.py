"""Dead letters as lines of JSON in a file, to be corrected by hand and redriven from there."""

import base64
import os
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import IO, Annotated, ClassVar, Final, NamedTuple

import msgspec
from msgspec import Meta

from consumer.dead_letters.offset_ranges import RedriveProgress
from consumer.dead_letters.record import DeadLetter
from consumer.dead_letters.redrive import DeadLetterReader
from consumer.errors import WorkerError

_BASE64: Final = "base64"
_NONE: Final = msgspec.Raw()  # left out as the default: that goes by identity


class ExportedFrom(NamedTuple):
    """The id of a cluster, and its topic of dead letters."""

    cluster: str
    topic: str


class _Line(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A dead letter in a file. What stands before `event` is for the reader; a redrive takes it from the headers.

    The value is `event` if it is JSON in one line, else `value`. Bytes that are not UTF-8 are {"base64": …}.
    """

    cluster: str
    dead_letters_topic: str
    partition: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    offset: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    timestamp: Annotated[int, Meta(ge=-1, le=2**63 - 1)]
    source: str = ""
    code: str = ""
    field: str | None = None
    message: str = ""
    event: msgspec.Raw = _NONE
    value: str | dict[str, str] | None = None
    key: str | dict[str, str] | None = None
    headers: list[tuple[str, str | dict[str, str] | None]] = []


_decode: Final = msgspec.json.Decoder(_Line).decode


def encode_line(dead_letter: DeadLetter, origin: ExportedFrom) -> bytes:
    """Return the line of a dead letter from `origin`."""
    event = _as_event(dead_letter.value)
    line = _Line(
        origin.cluster,
        origin.topic,
        dead_letter.partition,
        dead_letter.offset,
        dead_letter.timestamp,
        dead_letter.source,
        dead_letter.code,
        dead_letter.field,
        dead_letter.message,
        event,
        None if event else _as_text(dead_letter.value),
        _as_text(dead_letter.key),
        [(name, _as_text(value)) for name, value in dead_letter.headers],
    )
    return msgspec.json.encode(line) + b"\n"


def decode_line(line: bytes, origin: ExportedFrom) -> DeadLetter:
    """Return the dead letter of a line. Raises ValueError, which says what is wrong without the content."""
    try:
        line.decode()  # msgspec does not look at what is in `event`
        read = _decode(line)
    except msgspec.ValidationError as error:
        raise ValueError(f"is no exported dead letter: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("is not JSON in UTF-8") from None
    if read.event and read.value is not None:
        raise ValueError("has an event and a value: leave out one of them")
    try:
        value = bytes(read.event) if read.event else _as_bytes(read.value)
        key, headers = _as_bytes(read.key), [(name, _as_bytes(text)) for name, text in read.headers]
    except (ValueError, KeyError):
        raise ValueError('has a text that is neither a string nor {"base64": …}') from None
    if read.dead_letters_topic != origin.topic:
        raise ValueError(f"is of the topic {read.dead_letters_topic}, not of {origin.topic}")
    if read.cluster != origin.cluster:
        raise ValueError(
            f"is of the cluster {read.cluster}, not of {origin.cluster}: give the --bootstrap-servers of that cluster"
        )
    return DeadLetter(read.partition, read.offset, read.timestamp, key, value, headers)


def _as_event(value: bytes | None) -> msgspec.Raw:
    """Return JSON in one line as it is; nothing for all else."""
    if not value or b"\n" in value or b"\r" in value or value != value.strip():
        return _NONE
    try:
        value.decode()
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NONE
    return msgspec.Raw(value)


def _as_text(value: bytes | None) -> str | dict[str, str] | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {_BASE64: base64.b64encode(value).decode()}


def _as_bytes(text: str | dict[str, str] | None) -> bytes | None:
    if text is None:
        return None
    return text.encode() if isinstance(text, str) else base64.b64decode(text[_BASE64], validate=True)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that only its owner may read, and that has its name once it is complete.

    Raises WorkerError when there is a file of this name, or when it cannot be written.
    """
    if os.path.lexists(path):
        raise WorkerError(f"{path}: is there already, and may have been corrected: name another file")
    part = path.with_name(f".session-scorer-{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
        part.rename(path)
    except OSError as error:
        raise WorkerError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class ExportedDeadLetters:
    """The dead letters of a file instead of those that `reader` reads; the progress is the reader's.

    `origin` is the topic that they must be of, `ends` the end of each of its partitions.
    """

    path: Path
    origin: ExportedFrom
    ends: Mapping[int, int]
    reader: DeadLetterReader
    complete: ClassVar[bool] = False

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Yield the dead letters once all lines are checked. Raises WorkerError, which names the line at fault."""
        lines: dict[tuple[int, int], int] = {}
        for number, dead_letter in self._read():
            partition, offset = dead_letter.partition, dead_letter.offset
            if offset >= self.ends.get(partition, 0):  # a letter written there later would count as redriven
                raise WorkerError(
                    f"{self.path}: line {number}: partition {partition} of {self.origin.topic} has no offset {offset}: "
                    "restore the line as export wrote it"
                )
            first = lines.setdefault((partition, offset), number)
            if first != number:
                raise WorkerError(f"{self.path}: line {number} is the dead letter of line {first} once more")
        for _, dead_letter in self._read():
            yield dead_letter

    def progress(self) -> dict[int, RedriveProgress]:
        """Return what earlier redrives have done, by partition."""
        return self.reader.progress()

    def group(self) -> bytes:
        """Return the group metadata to commit progress with."""
        return self.reader.group()

    def _read(self) -> Iterator[tuple[int, DeadLetter]]:
        """Yield the number and the dead letter of each line that is not blank."""
        try:
            if not S_ISREG(self.path.stat().st_mode):
                raise WorkerError(f"{self.path}: is not a regular file, and it is read twice: save the lines in one")
            with self.path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    text = line.removeprefix(BOM_UTF8) if number == 1 else line  # some editors write it
                    if not text.strip():
                        continue
                    try:
                        yield number, decode_line(text, self.origin)
                    except ValueError as error:
                        raise WorkerError(f"{self.path}: line {number} {error}") from None
        except OSError as error:
            raise WorkerError(f"{self.path}: cannot be read: {error.strerror}") from None
