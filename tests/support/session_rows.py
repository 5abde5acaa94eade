"""Rows of session events with every kind of gap and fault, drawn from pools of cells: 100,000 take 0.2 s."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.support.artifacts.sets import CLASSES
from tests.support.edge_values import EDGES, NEAR_MISSES, NO_DATES
from tests.support.oracle.reading import CATEGORIES, DATE, IDENTITIES, MODEL_FIELDS, NEVER_NEGATIVE, NUMBERS

FIELDS: Final = (*MODEL_FIELDS, *IDENTITIES)


class Fault(StrEnum):
    """What is wrong with a cell, or with its whole row."""

    TEXT = "text where a number belongs"
    NUMBER = "a number where text belongs"
    BOOLEAN = "true or false"
    LIST = "an array"
    OBJECT = "an object"
    FRACTION = "a fraction as an identity"
    SMALL = "a number below the bounds"
    LARGE = "a number above the bounds"
    INFINITE = "infinity, or a number that overflows to it"
    BAD_DATE = "a text that is no date"
    NAN_LITERAL = "NaN in JSON"
    NOT_JSON = "broken syntax"
    NOT_AN_OBJECT = "not an object, or a row with another number of cells"


WRONG_TYPES: Final = frozenset({Fault.TEXT, Fault.NUMBER, Fault.BOOLEAN, Fault.LIST, Fault.OBJECT, Fault.FRACTION})
OUT_OF_RANGE: Final = frozenset({Fault.SMALL, Fault.LARGE, Fault.INFINITE})
OF_ROWS: Final = frozenset({Fault.NOT_JSON, Fault.NOT_AN_OBJECT})


@dataclass(frozen=True)
class Cell:
    """One value as Python has it, with its fault, if it is one; or a gap."""

    field: str
    value: Any = None
    fault: Fault | None = None
    gap: int | None = None  # which of a source's ways to write a gap: this number, modulo how many it has

    @property
    def is_valid(self) -> bool:
        return self.fault is None and self.gap is None


@dataclass(frozen=True)
class Rows:
    """n rows: for each field a pool of cells, and which of them stands in each row."""

    pools: dict[str, list[Cell]]
    picks: dict[str, NDArray[np.int64]]  # (n,) each
    row_faults: NDArray[np.object_]  # (n,), the fault of a whole row or None

    def __len__(self) -> int:
        return len(self.row_faults)

    def where(self, holds: Callable[[Cell], bool], faults: frozenset[Fault]) -> NDArray[np.bool_]:
        """Return which rows have cells that all are held, and no fault of the whole row but these, (n,)."""
        mask = np.array([fault is None or fault in faults for fault in self.row_faults])
        for field, pool in self.pools.items():
            mask &= np.array([holds(cell) for cell in pool])[self.picks[field]]
        return mask

    def take(self, mask: NDArray[np.bool_]) -> "Rows":
        return Rows(self.pools, {field: picks[mask] for field, picks in self.picks.items()}, self.row_faults[mask])

    def drop(self, fields: tuple[str, ...]) -> "Rows":
        """Return the rows without some of their columns."""
        picks = {field: picks for field, picks in self.picks.items() if field not in fields}
        return Rows({field: self.pools[field] for field in picks}, picks, self.row_faults)

    def columns(self, write: Callable[[Cell], Any]) -> dict[str, NDArray[np.object_]]:
        """Return for each field the cells as `write` writes them, (n,), each cell of a pool written once."""
        columns = {}
        for field, pool in self.pools.items():
            written = np.empty(len(pool), object)
            written[:] = [write(cell) for cell in pool]
            columns[field] = written[self.picks[field]]
        return columns


def random_rows(seed: int, count: int) -> Rows:
    """Return rows of which two thirds have gaps, and a quarter faults; every cell of every pool is among them."""
    random = np.random.default_rng(seed)
    pools = {field: _valid(field) + _gaps(field) + _faults(field) for field in FIELDS}
    picks = {}
    has_fault = random.random(count) < 0.22
    for field, pool in pools.items():
        kinds = [[i for i, cell in enumerate(pool) if kind(cell)] for kind in (_is_valid, _is_gap, _is_fault)]
        valid, gaps, faults = (random.choice(kind, count) for kind in kinds)
        chance = random.random(count)
        picks[field] = np.where(chance < 0.07, gaps, np.where(has_fault & (chance > 0.93), faults, valid))
    row_faults = np.full(count, None, object)
    for fault in OF_ROWS:
        row_faults[random.random(count) < 0.005] = fault
    return Rows(pools, picks, row_faults)


def _is_valid(cell: Cell) -> bool:
    return cell.is_valid


def _is_gap(cell: Cell) -> bool:
    return cell.gap is not None


def _is_fault(cell: Cell) -> bool:
    return cell.fault is not None


_DAILY: Final = (1, 2, 3, 4)
"""Numbers of an ordinary day, so that not every row is High."""
_DATES: Final = (
    "2025-04-18", "2025-04-18T03:00", "2025-04-18 23:59:59", "2025-04-18T01:02:03.123456789", "2024-02-29T00:00:00Z",
    "1969-12-31T23:59:59.999999", "1800-01-01T05:00+05:30", "2025-04-18T02:30:00-0800", "0001-01-01T07:00",
    "9999-12-31 22:59:59", "2025-10-26T02:30:00.1-23:59",
)  # fmt: skip
_TEXTS: Final = ('comma, "quote"\r\nand line', "nan", "None", "null", "NA", "7", "true", "\u00a0", "é\u2028", "'")
_IDENTITIES: Final = ("007", "u", "", 7, 0, -12, 2**53 + 1, 2**63 - 1, 10**30, "null", 'a,b\n"c"')


def _valid(field: str) -> list[Cell]:
    if field in NUMBERS:
        values: list[Any] = [*EDGES.get(field, (0, 1, 5, 6)), 0.1, 1e-7, 123456.789, 10**12, 127, 32767.0]
        values += [] if field in NEVER_NEGATIVE else [-5.5, -128, -1e12]
        values += [0.5, 2, 3, 4] if field == "device_motion" else [*range(2, 20), *range(20, 80, 20)]
        values += list(_DAILY) * 4
    elif field == DATE:
        values = [*_DATES, *(f"2025-04-18T{hour:02}:30:00" for hour in range(24))]
        values += [f"2025-04-{day:02}" for day in range(1, 31)]
    elif field in CATEGORIES:
        values = [*CLASSES[field] * 4, *NEAR_MISSES, *_TEXTS]
    else:
        values = list(_IDENTITIES)
    return [Cell(field, value) for value in values]


def _gaps(field: str) -> list[Cell]:
    return [Cell(field, gap=number) for number in range(6)]


def _faults(field: str) -> list[Cell]:
    faults: list[tuple[Fault, Any]] = [(Fault.BOOLEAN, True), (Fault.BOOLEAN, False), (Fault.LIST, [1])]
    faults += [(Fault.LIST, []), (Fault.OBJECT, {"a": 1}), (Fault.OBJECT, {}), (Fault.NAN_LITERAL, float("nan"))]
    if field in NUMBERS:
        faults += [(Fault.TEXT, "many"), (Fault.TEXT, "1e"), (Fault.TEXT, "Infinity"), (Fault.INFINITE, float("inf"))]
        faults += [(Fault.LARGE, 1e13), (Fault.LARGE, 10**13), (Fault.LARGE, 1.0000000000001e12)]
        faults += [(Fault.SMALL, -1e13), (Fault.INFINITE, float("-inf"))]
        faults += [(Fault.SMALL, -1), (Fault.SMALL, -0.5)] if field in NEVER_NEGATIVE else []
    elif field == DATE:
        faults += [(Fault.BAD_DATE, text) for text in NO_DATES]
        faults += [(Fault.NUMBER, 20250418), (Fault.NUMBER, 0.5)]
    elif field in IDENTITIES:
        faults += [(Fault.FRACTION, 0.5), (Fault.FRACTION, -1e-300)]
    else:
        faults += [(Fault.NUMBER, 7), (Fault.NUMBER, 0.5)]
    return [Cell(field, value, fault) for fault, value in faults]


def as_json(rows: Rows, gaps: tuple[str | None, ...] = ("null",)) -> list[bytes]:
    """Return the rows as JSON; `gaps` are the texts of a gap, None for an absent key."""

    def member(cell: Cell) -> str:
        if cell.gap is not None:
            text = gaps[cell.gap % len(gaps)]
        elif cell.fault is Fault.INFINITE:
            text = "1e400" if cell.value > 0 else "-1e400"
        else:
            text = json.dumps(cell.value, ensure_ascii=False)
        return "" if text is None else f'"{cell.field}":{text},'

    members = zip(*(column.tolist() for column in rows.columns(member).values()), strict=True)
    written = ["{" + "".join(row) + '"label":1}' for row in members]
    broken = {Fault.NOT_JSON: "{'a': 1}", Fault.NOT_AN_OBJECT: "[1]"}
    for row in np.flatnonzero(rows.row_faults.astype(bool)).tolist():
        written[row] = broken[rows.row_faults[row]]
    return [row.encode() for row in written]
