"""A batch of valid events as flat arrays: the output of decoding, the input of scoring, training and drift."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, DATE, IDENTITIES, NUMERIC, Event
from scoring.local_time import hours_as_written

GAP: Final = -1
"""The code of a category's gap."""

Rows = NDArray[np.bool_] | NDArray[np.integer[Any]] | Sequence[int]
_FIELDS: Final = Event.__struct_fields__
_LINE_FEED: Final = ord("\n")
_encode_lines: Final = msgspec.json.Encoder().encode_lines


class Lookup(NamedTuple):
    """The values that stand for a category's strings."""

    known: Mapping[str, int]
    other: int  # for all other strings
    gap: int


@dataclass(frozen=True, slots=True)
class Columns:
    """n valid events, field by field in the order of the contract, with their gaps.

    A category is a code: the index of its string in the dictionary of its field, which may have unused strings.
    """

    numbers: NDArray[np.float64]  # (9, n), NaN for a gap
    codes: NDArray[np.int32]  # (6, n): index in `strings` of that category, GAP for a gap
    strings: Sequence[Sequence[str]]  # six: the distinct strings of each category's codes
    hours: NDArray[np.int64]  # (n,), NO_HOUR for a gap
    identities: NDArray[np.int64]  # (2, 2, n): user_id and session_id: start and end in `text`; both 0 for a gap
    text: NDArray[np.uint8]  # holds the JSON of the identities, among other bytes

    def __len__(self) -> int:
        return len(self.hours)

    def take(self, rows: Rows) -> "Columns":
        """Return the events at `rows`, a mask or indices."""
        indices = np.asarray(rows)
        if indices.dtype == np.bool_:
            indices = np.flatnonzero(indices)
        indices = indices.astype(np.intp, copy=False)
        return replace(
            self,
            numbers=self.numbers.take(indices, axis=1),
            codes=self.codes.take(indices, axis=1),
            hours=self.hours[indices],
            identities=self.identities.take(indices, axis=2),
        )

    def category(self, field: int, row: int) -> str | None:
        """Return the string of one category; None for a gap."""
        code = int(self.codes[field, row])
        return None if code == GAP else self.strings[field][code]

    def category_column(self, field: int) -> list[str | None]:
        """Return the strings of a category, None for gaps."""
        return list(map([*self.strings[field], None].__getitem__, self.codes[field].tolist()))  # GAP is the last

    def category_counts(self, field: int) -> Counter[str | None]:
        """Return how often each string of a category occurs, and None."""
        strings = self.strings[field]
        counts = np.bincount(self.codes[field] - GAP, minlength=len(strings) + 1).tolist()
        return +Counter(dict(zip([None, *strings], counts, strict=True)))

    def look_up(self, fields: Sequence[Lookup]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the values of all six dictionaries in one table, and the index of code 0 of each; GAP precedes it."""
        values: list[int] = []
        starts: list[int] = []
        for field, strings in zip(fields, self.strings, strict=True):
            values.append(field.gap)
            starts.append(len(values))
            values += map(field.known.get, strings, repeat(field.other))
        return np.array(values), np.array(starts)

    def without_identities(self) -> "Columns":
        """Return the events without their identities and the text that held them."""
        return replace(self, identities=np.zeros_like(self.identities), text=np.zeros(0, np.uint8))

    def identity(self, field: int, row: int) -> bytes | None:
        """Return the JSON of an identity, by its index in IDENTITIES; None for a gap."""
        start, end = self.identities[field, :, row].tolist()
        return self.text[start:end].tobytes() or None

    def identity_column(self, field: int) -> list[bytes | None]:
        """Return the JSON of an identity, None for gaps."""
        text, (starts, ends) = self.text.tobytes(), self.identities[field].tolist()
        return [text[start:end] or None for start, end in zip(starts, ends, strict=True)]


def from_events(events: Sequence[Event], before: bytes | bytearray = b"") -> Columns:
    """Return the columns of decoded events; their text begins with `before`."""
    # through one flat list: 0.25 µs an event, where an attrgetter for every field takes 0.6
    values = list(chain.from_iterable(map(astuple, events)))
    by_field = {field: values[i :: len(_FIELDS)] for i, field in enumerate(_FIELDS)}
    numbers = chain.from_iterable(by_field[field] for field in NUMERIC)
    identities, text = _identities([by_field[field] for field in IDENTITIES], before)
    codes, strings = encode_categories([by_field[field] for field in CATEGORIES])
    return Columns(
        numbers=np.fromiter(numbers, np.float64, len(NUMERIC) * len(events)).reshape(len(NUMERIC), -1),
        codes=codes,
        strings=strings,
        hours=hours_as_written(by_field[DATE]),
        identities=identities,
        text=text,
    )


def from_table(
    numbers: NDArray[np.float64], categories: Sequence[Sequence[str | None]], hours: NDArray[np.int64]
) -> Columns:
    """Return the columns of a table's rows, without identities: `categories` are six lists, None for a gap."""
    codes, strings = encode_categories(categories)
    identities = np.zeros((len(IDENTITIES), 2, len(hours)), np.int64)
    return Columns(numbers, codes, strings, hours, identities, np.zeros(0, np.uint8))


def concatenate(parts: Sequence[Columns]) -> Columns:
    """Join the events of one or more parts, in order."""
    codes, strings = zip(*(_merge(parts, field) for field in range(len(CATEGORIES))), strict=True)
    starts = np.cumsum([0, *(len(part.text) for part in parts[:-1])])
    identities = [
        part.identities + start * (part.identities[:, 1:] > 0) for part, start in zip(parts, starts, strict=True)
    ]
    return Columns(
        numbers=np.concatenate([part.numbers for part in parts], axis=1),
        codes=np.array(codes),
        strings=strings,
        hours=np.concatenate([part.hours for part in parts]),
        identities=np.concatenate(identities, axis=2),
        text=np.concatenate([part.text for part in parts]),
    )


def encode_categories(columns: Sequence[Sequence[str | None]]) -> tuple[NDArray[np.int32], list[list[str]]]:
    """Return the codes, (columns, n), and the strings of each column, in the order of their first appearance."""
    codes: list[int] = []
    strings: list[list[str]] = []
    for values in columns:
        distinct = dict.fromkeys(values)
        distinct.pop(None, None)
        known: dict[str | None, int] = dict(zip(distinct, range(len(distinct)), strict=True))
        known[None] = GAP
        codes.extend(map(known.__getitem__, values))
        strings.append([string for string in distinct if string is not None])
    return np.array(codes, np.int32).reshape(len(columns), -1), strings


def _merge(parts: Sequence[Columns], field: int) -> tuple[NDArray[np.int32], list[str]]:
    """Return the codes of all parts, (n,), in one dictionary."""
    merged = dict.fromkeys(chain.from_iterable(part.strings[field] for part in parts))
    codes_by_string = {string: code for code, string in enumerate(merged)}
    tables = [np.array([*map(codes_by_string.__getitem__, part.strings[field]), GAP], np.int32) for part in parts]
    codes = [table[part.codes[field]] for table, part in zip(tables, parts, strict=True)]
    return np.concatenate(codes), list(merged)


def _identities(
    columns: Sequence[Sequence[str | int | None]], before: bytes | bytearray
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the spans of the values' JSON in a text, (columns, 2, n), both 0 for a gap; and that text."""
    lines = _encode_lines(list(chain.from_iterable(columns)))
    text = np.frombuffer(bytearray().join((before, lines)), np.uint8)  # a kernel takes no read-only array
    spans = np.zeros((2, sum(map(len, columns))), np.int64)
    spans[0, :1] = len(before)
    spans[1] = np.flatnonzero(text[len(before) :] == _LINE_FEED) + len(before)  # an identity's JSON holds none
    spans[0, 1:] = spans[1, :-1] + 1
    spans[:, text[spans[0]] == ord("n")] = 0  # null
    return np.ascontiguousarray(spans.reshape(2, len(columns), -1).transpose(1, 0, 2)), text
