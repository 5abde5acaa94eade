"""Find column names that look like a field of the contract but are spelled differently."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice
from operator import itemgetter
from typing import Final

from scoring.contract import IDENTITIES, MODEL_FIELDS

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD: Final = re.compile(r"[^\W_]+")
_MOST_NAMES: Final = 500  # that are compared: one takes some 0.2 ms
_LONGEST: Final = 100  # characters of a name that are compared
_ALIKE: Final = 0.85  # SequenceMatcher's ratio of a misspelled name: about one letter in seven
# words for how a thing is counted or stored, not for the thing
_GENERIC: Final = frozenset(
    {"avg", "cnt", "col", "count", "data", "event", "field", "id", "info", "kind", "name", "no", "num", "number"}
    | {"offset", "on", "page", "session", "size", "sum", "time", "total", "type", "val", "value"}
)


def similar_columns(fields: Iterable[str], columns: Iterable[str]) -> dict[str, str]:
    """Return field -> the column that looks like it: other case, blanks, camelCase, a prefix, a letter too few.

    `fields` are those without a column, `columns` the names that are no field. A column stands for one field at
    most, the closest.
    """
    words_by_field = {field: _words(field) for field in fields}
    pairs = [
        (rank, field, column)
        for column in islice(columns, _MOST_NAMES)
        for field, words in words_by_field.items()
        if (rank := _rank(words, _words(column))) is not None
    ]
    closest: dict[str, str] = {}
    for _, field, column in sorted(pairs, key=itemgetter(0)):
        if field not in closest and column not in closest.values():
            closest[field] = column
    return {field: closest[field] for field in words_by_field if field in closest}


def _words(name: str) -> list[str]:
    return [word.lower() for part in _WORD.findall(name[:_LONGEST]) for word in _CAMEL.split(part)]


def _rank(field: list[str], column: list[str]) -> int | None:
    """Return how far a name is from a field, 0 for the closest; None when it does not look like it."""
    one, other = "".join(field), "".join(column)
    if one == other:
        return 0
    if other.endswith(one) or other.startswith(one):
        return 1
    if "id" in column and "id" not in field:  # device_id is another thing than device_type
        return None
    things = _things(column)
    if things and things == _things(field):
        return 2
    if things and things < _things(field) and sum(things < others for others in _THINGS) == 1:
        return 3
    return 4 if _are_alike(one, other) else None


def _are_alike(one: str, other: str) -> bool:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= _ALIKE and matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE


def _things(words: list[str]) -> frozenset[str]:
    """Return the words that say what is meant, without plurals."""
    return frozenset(map(_singular, words)) - _GENERIC


def _singular(word: str) -> str:
    if word.endswith(("ches", "shes", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


_THINGS: Final = [_things(_words(field)) for field in (*MODEL_FIELDS, *IDENTITIES)]
