"""What can be wrong with an event, and with a set of artifacts."""

from importlib.metadata import PackageNotFoundError, distribution
from typing import Final, Literal

MOST_MESSAGE: Final = 5000  # characters: more than a path may have


ErrorCode = Literal[
    "not_json",
    "not_an_object",
    "too_deep",
    "wrong_type",
    "out_of_range",
    "bad_date",
    "too_large",  # of dead letters only: no form of the result fits its topic
    "unreadable_batch",  # of dead letters only: no record of it was ever seen
]
"""What can be wrong with an event. A later version may know more."""


class InvalidEvent(ValueError):  # noqa: N818 - the contract's name for it
    """An event that cannot be scored.

    `code` is stable and machine-readable (`not_json`, `wrong_type`, …), `field` the field at fault where there is
    one, `message` what was expected and what kind came: never the value itself, which may be personal data.
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
        return InvalidEvent, (self.code, self.field, self.message)  # between processes: an exception keeps one argument


class TableError(ValueError):
    """A DataFrame that does not hold session events.

    The message is one line: which fields are missing, which columns look like them, what to do.
    """


class ArtifactError(ValueError):
    """A set of artifacts that must not serve. The message is one line: which file, what is wrong, what to do."""

    def __init__(self, message: str) -> None:
        # a hostile file may bring line feeds into it, a terminal's control codes, or a megabyte
        shown = "".join(c if c.isprintable() else "?" for c in " ".join(message[:MOST_MESSAGE].split()))
        super().__init__(shown + "…" * (len(message) > MOST_MESSAGE))


class UnreadableFileError(ValueError):
    """A file of a set that cannot be read: the reason, and what to do. The caller adds the file's name."""

    def __init__(self, reason: str, remedy: str = "restore the file, or write the set again") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class MissingExtra(ImportError):  # noqa: N818 - names what is missing
    """A part that the base install leaves out; the message names the command that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        try:
            distribution("session-scorer")
            remedy = f"pip install 'session-scorer[{extra}]'"
        except PackageNotFoundError:  # a checkout that is run without being installed
            remedy = f"in the checkout, make setup or pip install '.[{extra}]'"
        super().__init__(f"{what} needs packages that are not installed: {remedy}")
