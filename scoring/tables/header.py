"""Find what is wrong with the header of a CSV file that has too few known names."""

import re
from collections.abc import Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.local_time import is_local_time

HEADER_LINES: Final = 20
"""How many lines of a file are searched for column names."""
_SEPARATORS: Final = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "vertical bars",
    ":": "colons",
    " ": "blanks",
}
_OPTIONS: Final = {"\t": "tab"}
_OF_VALUES: Final = ",;\t|"  # a date has blanks and colons inside
_KNOWN: Final = frozenset((*MODEL_FIELDS, *IDENTITIES))
_NUMBER: Final = re.compile(r"[-+]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?")


class _Header(NamedTuple):
    known: int  # names of the contract
    line: int
    separator: str


def header_fault(lines: Sequence[str], delimiter: str = ",") -> str | None:
    """Return why the first line does not name the columns; None when it may.

    `lines` are the first of the file, at most HEADER_LINES. The message repeats none of their text.
    """
    headers = [
        _Header(_known(line, separator), number, separator)
        for number, line in enumerate(lines, 1)
        for separator in dict.fromkeys((delimiter, *_SEPARATORS))
    ]
    best = max(headers, key=attrgetter("known"), default=_Header(0, 1, delimiter))
    if best.known and best.known > _known(lines[0], delimiter):
        return _misplaced(best, delimiter)
    if not best.known and lines and _are_values(lines[0]):
        return "line 1 holds values, not column names: put a line of names before it"
    return None


def _misplaced(header: _Header, delimiter: str) -> str:
    faults, remedies = [], []
    if header.line > 1:
        faults.append(f"the column names are in line {header.line}")
        remedies.append("remove what is before them")
    if header.separator != delimiter:
        faults.append(f"the columns are separated by {_SEPARATORS[header.separator]}")
        remedies.append(f"use --delimiter {_OPTIONS.get(header.separator, repr(header.separator))}")
    return f"{' and '.join(faults)}: {' and '.join(remedies)}"


def _known(line: str, separator: str) -> int:
    return len(_KNOWN.intersection(cell.lower() for cell in _cells(line, separator)))


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip().strip("\"'").strip() for cell in line.split(separator)]


def _are_values(line: str) -> bool:
    """Return True when a line has two numbers or dates, or no other cells."""
    cells = max((_cells(line, separator) for separator in _OF_VALUES), key=len)
    values = [cell for cell in cells if _NUMBER.fullmatch(cell) or is_local_time(cell)]
    return len(values) > 1 or len(values) == len(cells)
