"""The programs of docs/messages.md, with the output that the page promises."""

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"


class Program(NamedTuple):
    """The text of a program, and the lines that its comments say it prints."""

    text: str
    output: list[str]


def page_program(introduction: str) -> Program:
    """Return the indented block after the paragraph that begins with `introduction`."""
    page = PAGE.read_text(encoding="utf-8")
    block = re.search(rf"^{introduction},[^\n]*(?:\n[^\n]+)*\n\n((?: {{4}}[^\n]*\n|\n)+)", page, re.MULTILINE)
    assert block is not None, f"docs/messages.md has no program after {introduction!r}"
    text = textwrap.dedent(block[1])
    return Program(text, re.findall(r"(?:; {4}//|\) {4}#) (.+)", text))
