"""Decode the cells of CSV column by column, and write them as JSON.

A row of 18 cells takes 1.9 µs to decode, where its JSON took 5.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.columns import from_table
from scoring.contract import CATEGORIES, DATE, LIMIT, NUMERIC, least
from scoring.decoding import Decoded
from scoring.local_time import NO_DATE, hours_as_written
from scoring.validation import find_fault, has_utf8

_NUMERIC: Final = frozenset(NUMERIC)
_NUMBER: Final = r"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_GAPS_AND_NUMBERS: Final = re.compile(rf"(?:{_NUMBER})?+(?:\n(?:{_NUMBER})?+)*+")
_GAP_OR_NUMBER: Final = re.compile(rf"(?:{_NUMBER})?+")
_LEAST: Final = np.array([[least(field)] for field in NUMERIC])


@dataclass(frozen=True, slots=True)
class Cells:
    """n records with the same number of cells, all of them UTF-8."""

    names: list[str]  # of the columns
    columns: Sequence[Sequence[str]]  # n cells for each name
    lines: list[str] | None  # n, the records as in the file; None where one is not a line of bare cells
    fields: list[str] | None = None  # the columns' names in the contract, where some are renamed

    def __len__(self) -> int:
        return len(self.columns[0])

    def decode(self) -> Decoded:
        """Decode the records that are valid events, without identities; collect the faults of the others."""
        fields = self.fields or self.names
        by_name, gaps = dict(zip(fields, self.columns, strict=True)), [""] * len(self)
        numbers = np.array([_numbers(by_name.get(field, gaps)) for field in NUMERIC])
        categories = [[cell or None for cell in by_name.get(field, gaps)] for field in CATEGORIES]
        hours = hours_as_written([cell or None for cell in by_name.get(DATE, gaps)])
        wrong = ((numbers < _LEAST) | (numbers > LIMIT)).any(axis=0) | (hours == NO_DATE)
        columns = from_table(numbers, categories, hours)
        if not wrong.any():
            return Decoded(columns, range(len(self)), {})
        rows = np.flatnonzero(wrong).tolist()
        refused = Cells(fields, [[column[row] for row in rows] for column in self.columns], None)
        faults = dict(zip(rows, map(find_fault, refused.as_json()), strict=True))
        return Decoded(columns.take(~wrong), np.flatnonzero(~wrong).tolist(), faults)

    def as_json(self) -> list[bytes]:
        """Return one JSON object for every record."""
        texts = [
            _numbers_as_json(cells) if field in _NUMERIC else _strings_as_json(cells)
            for field, cells in zip(self.fields or self.names, self.columns, strict=True)
        ]
        keys = (_string(name).replace("%", "%%") for name in self.names)
        row = "{" + ",".join(f"{key}:%s" for key in keys) + "}"
        return "\n".join(map(row.__mod__, zip(*texts, strict=True))).encode().split(b"\n") if len(self) else []


def split_lines(names: list[str], block: str, fields: list[str] | None = None) -> Cells | None:
    """Split complete lines of CSV without quotes into cells; None where that takes a CSV reader.

    0.6 µs a record of 18 cells, where csv.reader alone takes 1.2.
    """
    if '"' in block or not has_utf8(block):
        return None
    block = block.replace("\r\n", "\n") if "\r" in block else block
    lines = block.removesuffix("\n").split("\n")
    if "" in lines:
        lines = [line for line in lines if line]
        block = "\n".join(lines)
    if "\r" in block or {line.count(",") for line in lines} != {len(names) - 1}:
        return None
    if max(map(len, lines)) > csv.field_size_limit():
        return None
    cells = block.replace("\n", ",").split(",")
    return Cells(names, [cells[i : len(lines) * len(names) : len(names)] for i in range(len(names))], lines, fields)


def _numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    """Parse cells, (n,): NaN for a gap, infinity for what is no number. Parses repeated text once."""
    texts = list(set(cells))
    if _are_numbers(texts):
        known = {text: float(text or "nan") for text in texts}
    else:
        known = {text: float(text or "nan") if _GAP_OR_NUMBER.fullmatch(text) else np.inf for text in texts}
    return np.fromiter(map(known.__getitem__, cells), np.float64, len(cells))


def _are_numbers(cells: Sequence[str]) -> bool:
    """Return True when all are numbers or gaps: 0.05 µs a cell, where matching one by one takes 0.2."""
    joined = "\n".join(cells)
    return _GAPS_AND_NUMBERS.fullmatch(joined) is not None and joined.count("\n") == len(cells) - 1


def _numbers_as_json(cells: Sequence[str]) -> list[str]:
    if _are_numbers(cells):
        return [cell or "null" for cell in cells]
    return [cell or "null" if _GAP_OR_NUMBER.fullmatch(cell) else _string(cell) for cell in cells]


def _strings_as_json(cells: Sequence[str]) -> list[str]:
    joined = "".join(cells)
    if len(msgspec.json.encode(joined)) == len(joined.encode()) + 2:  # without escapes
        return [f'"{cell}"' if cell else "null" for cell in cells]
    return [_string(cell) if cell else "null" for cell in cells]


def _string(text: str) -> str:
    return msgspec.json.encode(text).decode()
