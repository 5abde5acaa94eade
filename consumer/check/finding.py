"""Findings of checks: one line of ok, warn, fail or skip."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """The outcome of a check. With a `fail` the worker does not start, or does not work; with a `warn` it does.

    A check that an earlier `fail` prevents is a `skip`.
    """

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: the check, its status, and for `warn` and `fail` the remedy. Holds no payload and no secret."""

    name: str
    status: Status
    message: str


def ok(name: str, message: str) -> Finding:
    """Return a finding of this status; `warn`, `fail` and `skip` likewise."""
    return Finding(name, Status.OK, message)


def warn(name: str, message: str) -> Finding:
    return Finding(name, Status.WARN, message)


def fail(name: str, message: str) -> Finding:
    return Finding(name, Status.FAIL, message)


def skip(name: str, reason: str) -> Finding:
    return Finding(name, Status.SKIP, f"not checked: {reason}")


def failed(findings: Iterable[Finding]) -> bool:
    """Return whether any finding is a `fail`."""
    return any(finding.status is Status.FAIL for finding in findings)


_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))


def duration(milliseconds: float) -> str:
    """Format a duration in the largest unit that it fills, as in 7 d, 1.5 h, 90 ms."""
    for unit, name in _UNITS:
        if milliseconds >= unit:
            return f"{round(milliseconds / unit, 1):g} {name}"
    return f"{milliseconds:.0f} ms"
