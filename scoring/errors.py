"""Errors of events, tables and sets of artifacts."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final, Literal

MOST_MESSAGE: Final = 5000  # characters: more than a path may have


ErrorCode = Literal[
    "not_json",  # up to "bad_date": raised by scoring/validation.py
    "not_an_object",  # by scoring/decoding.py too, for what is neither a mapping nor JSON
    "too_deep",
    "wrong_type",
    "out_of_range",
    "bad_date",
    "too_large",  # dead letters only (consumer/stream/pipeline.py): no form of the result fits its topic
    "unreadable_batch",  # dead letters only (consumer/stream/dead_letters.py): no record of the batch could be read
    "bad_framing",  # dead letters only, as all below (consumer/formats): the record names no schema
    "unknown_schema",
    "not_avro",
    "not_protobuf",
]
"""Faults of an event. A later version may know more. The command `predict` has one of its own, `no_known_field`."""


class InvalidEvent(ValueError):  # noqa: N818 - the contract's name for it
    """An event without a result.

    It cannot be scored, or (dead letters only) its result fits in no form or its batch cannot be read. `code` is stable
    and machine-readable (`not_json`, `wrong_type`, …); `field` is the field at fault, if it is one; `message` names the
    expected and the actual kind, never the value itself, which may be personal data.
    """

    code: ErrorCode
    field: str | None
    message: str

    def __init__(self, code: ErrorCode, field: str | None, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.message = message

    def __reduce__(self) -> tuple[type["InvalidEvent"], tuple[ErrorCode, str | None, str]]:
        return InvalidEvent, (self.code, self.field, self.message)  # for pickle: an exception keeps one argument


class TableError(ValueError):
    """A DataFrame that does not hold session events.

    The message is one line: which fields are missing, which columns look like them, what to do.
    """


class ArtifactError(ValueError):
    """A set of artifacts that must not be used. The message is one line: which file, what is wrong, what to do."""

    def __init__(self, message: str) -> None:
        # text of a hostile file may have line feeds, a terminal's control codes, or a megabyte
        printable = "".join(c if c.isprintable() else "?" for c in " ".join(message[:MOST_MESSAGE].split()))
        super().__init__(printable + "…" * (len(message) > MOST_MESSAGE))


class UnreadableFileError(ValueError):
    """A file of a set that cannot be read: the reason, and what to do. The caller adds the file's name."""

    def __init__(self, reason: str, remedy: str = "restore the file, or write the set again") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class MissingExtra(ImportError):  # noqa: N818 - names what is missing
    """A package that the base install leaves out. The message names the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        try:
            distribution("session-scorer")
            remedy = f"pip install 'session-scorer[{extra}]'"
        except PackageNotFoundError:  # a checkout that is not installed
            remedy = f"in the checkout, make setup or pip install '.[{extra}]'"
        super().__init__(f"{what} needs packages that are not installed: {remedy}")


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Import packages of an extra inside the block. Raises MissingExtra, which says what needs them."""
    try:
        yield
    except ImportError:
        raise MissingExtra(what, extra) from None
