"""Dead letters as lines of JSON in a file, to be corrected by hand and redriven from there."""

import base64
import binascii
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, Final

import msgspec

from consumer.dead_letters.offset_ranges import RedriveProgress
from consumer.dead_letters.record import DeadLetter
from consumer.dead_letters.redrive import DeadLetterReader
from consumer.errors import WorkerError

_BASE64: Final = "base64"
_NONE: Final = msgspec.Raw()  # left out as the default: that goes by identity


class _Line(msgspec.Struct, omit_defaults=True):
    """A dead letter in a file. What stands before `event` is for the reader; a redrive takes it from the headers.

    The value is `event` if it is JSON in one line, else `value`. Bytes that are not UTF-8 are {"base64": …}.
    """

    dead_letters_topic: str
    partition: int
    offset: int
    timestamp: int
    source: str = ""
    code: str = ""
    field: str | None = None
    message: str = ""
    event: msgspec.Raw = _NONE
    value: str | dict[str, str] | None = None
    key: str | dict[str, str] | None = None
    headers: list[tuple[str, str | dict[str, str] | None]] = []


_decode: Final = msgspec.json.Decoder(_Line).decode


def encode_line(dead_letter: DeadLetter, topic: str) -> bytes:
    """Return the line of a dead letter, one of `topic`."""
    event = _as_event(dead_letter.value)
    line = _Line(
        topic,
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


def decode_line(line: bytes, topic: str) -> DeadLetter:
    """Return the dead letter of a line. Raises ValueError, which says what is wrong without the content."""
    try:
        read = _decode(line)
        value = bytes(read.event) if read.event else _as_bytes(read.value)
        key, headers = _as_bytes(read.key), [(name, _as_bytes(text)) for name, text in read.headers]
    except msgspec.ValidationError as error:
        raise ValueError(f"is no exported dead letter: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("is not JSON in UTF-8") from None
    except (binascii.Error, KeyError, UnicodeEncodeError):
        raise ValueError('has a text that is neither a string nor {"base64": …}') from None
    if read.dead_letters_topic != topic:
        raise ValueError(f"is of the topic {read.dead_letters_topic}, not of {topic}")
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
    part = path.with_name(f".session-scorer-{os.getpid()}.part")
    if path.exists():
        raise WorkerError(f"{path}: is there already, and may have been corrected: name another file")
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
    """The dead letters of a file instead of those in `topic`, which `reader` reads; the progress is the reader's."""

    path: Path
    topic: str
    reader: DeadLetterReader
    complete: ClassVar[bool] = False

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Yield the dead letters once all lines are checked. Raises WorkerError, which names the line at fault."""
        lines: dict[tuple[int, int], int] = {}
        for number, dead_letter in enumerate(self._read(), 1):
            first = lines.setdefault((dead_letter.partition, dead_letter.offset), number)
            if first != number:
                raise WorkerError(f"{self.path}: line {number} is the dead letter of line {first} once more")
        yield from self._read()

    def progress(self) -> dict[int, RedriveProgress]:
        """Return what earlier redrives have done, by partition."""
        return self.reader.progress()

    def group(self) -> bytes:
        """Return the group metadata to commit progress with."""
        return self.reader.group()

    def _read(self) -> Iterator[DeadLetter]:
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        yield decode_line(line, self.topic)
                    except ValueError as error:
                        raise WorkerError(f"{self.path}: line {number} {error}") from None
        except OSError as error:
            raise WorkerError(f"{self.path}: cannot be read: {error.strerror}") from None
