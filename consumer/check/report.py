"""Findings and settings shown: lines for people, coloured and folded on a terminal; or one JSON document."""

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
_INDENT: Final = 5  # of what follows the status
_NARROWEST: Final = 40


def line(finding: Finding) -> str:
    """As plain text."""
    return f"{finding.status:<{_INDENT}}{printable(f'{finding.name}: {finding.message}')}"


def show(finding: Finding, console: Console) -> None:
    """One finding, at once."""
    _print(line(finding), console, _STYLES[finding.status])


def show_settings(found: Sequence[Origin], console: Console) -> None:
    """Those that are not the defaults, and where each was said."""
    for text in setting_lines(found):
        _print(text, console, "dim")


def setting_lines(found: Sequence[Origin]) -> Iterator[str]:
    """As plain text."""
    for each in found:
        if each.origin != DEFAULT:
            yield printable(f"{'':{_INDENT}}{each.name} = {each.value} ({each.origin})")


def summary(findings: Sequence[Finding]) -> str:
    """The counts."""
    counts = [(status, sum(each.status is status for each in findings)) for status in Status]
    return ", ".join(f"{count} {status}" for status, count in counts)


def document(found: Sequence[Origin], findings: Sequence[Finding]) -> str:
    """All of it, as one JSON document."""
    said: dict[str, Any] = {
        "ok": not failed(findings),
        "settings": [{"name": each.name, "value": each.value, "from": each.origin} for each in found],
        "checks": [{"name": each.name, "status": each.status, "message": each.message} for each in findings],
    }
    return json_text(said)


def _print(text: str, console: Console, style: str) -> None:
    if not console.is_terminal:
        console.out(text, highlight=False)
        return
    folded = wrap(text, max(console.width, _NARROWEST), subsequent_indent=" " * _INDENT, break_on_hyphens=False)
    shown = Text("\n".join(folded))
    shown.stylize(style, 0, None if style == "dim" else _INDENT)
    console.print(shown, soft_wrap=True)
