"""What a check comes to: one line of ok, warn, fail or skip."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """How a check went. A `warn` can be lived with; with a `fail` the worker would not start, or not do its job.

    What a `fail` before it keeps from being checked is a `skip`.
    """

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and for `warn` and `fail` what to do. No payload and no secret."""

    name: str
    status: Status
    message: str


def ok(name: str, message: str) -> Finding:
    """As it should be."""
    return Finding(name, Status.OK, message)


def warn(name: str, message: str) -> Finding:
    """It works, and there is something to know."""
    return Finding(name, Status.WARN, message)


def fail(name: str, message: str) -> Finding:
    """It does not work."""
    return Finding(name, Status.FAIL, message)


def skip(name: str, reason: str) -> Finding:
    """It could not be checked."""
    return Finding(name, Status.SKIP, f"not checked: {reason}")


def failed(findings: Iterable[Finding]) -> bool:
    """Whether any is a `fail`."""
    return any(each.status is Status.FAIL for each in findings)


_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))


def lasting(milliseconds: float) -> str:
    """A length of time in the largest unit that it fills, as in 7 d, 1.5 h, 90 ms."""
    for unit, name in _UNITS:
        if milliseconds >= unit:
            return f"{round(milliseconds / unit, 1):g} {name}"
    return f"{milliseconds:.0f} ms"
