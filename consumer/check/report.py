"""Findings and settings as text, coloured and folded on a terminal, or as one JSON document."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from consumer.check.finding import Finding, Status, failed
from consumer.config.settings import Origin
from consumer.config.sources import DEFAULT
from consumer.printable import json_text, printable

_STYLES: Final = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red", Status.SKIP: "dim"}
_INDENT: Final = 5  # of the text after the status
_NARROWEST: Final = 40


def line(finding: Finding) -> str:
    """Format a finding as plain text."""
    return f"{finding.status:<{_INDENT}}{printable(f'{finding.name}: {finding.message}')}"


def show(finding: Finding, console: Console) -> None:
    """Print a finding."""
    _print(line(finding), console, _STYLES[finding.status])


def show_settings(settings: Sequence[Origin], console: Console) -> None:
    """Print the settings that are not defaults, each with its origin."""
    for text in setting_lines(settings):
        _print(text, console, "dim")


def setting_lines(settings: Sequence[Origin]) -> Iterator[str]:
    """Format the settings that are not defaults as plain text."""
    for setting in settings:
        if setting.origin != DEFAULT:
            yield printable(f"{'':{_INDENT}}{setting}")


def summary(findings: Sequence[Finding]) -> str:
    """Format the number of findings of each status."""
    statuses = [finding.status for finding in findings]
    return ", ".join(f"{statuses.count(status)} {status}" for status in Status)


def document(settings: Sequence[Origin], findings: Sequence[Finding]) -> str:
    """Format settings and findings as one JSON document."""
    content: dict[str, Any] = {
        "ok": not failed(findings),
        "settings": [setting.as_dict() for setting in settings],
        "checks": [
            {"name": finding.name, "status": finding.status, "message": finding.message} for finding in findings
        ],
    }
    return json_text(content)


def _print(text: str, console: Console, style: str) -> None:
    if not console.is_terminal:
        console.out(text, highlight=False)
        return
    folded = wrap(text, max(console.width, _NARROWEST), subsequent_indent=" " * _INDENT, break_on_hyphens=False)
    lines = Text("\n".join(folded))
    lines.stylize(style, 0, None if style == "dim" else _INDENT)
    console.print(lines, soft_wrap=True)
