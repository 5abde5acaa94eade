"""Categories by number: every string of the six has a place in tables that say what is known of it."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns
from scoring.contract import CATEGORIES, UNKNOWN
from scoring.features import LARGE_SCREENS, MOBILE, SMALL_SCREENS, Flags

_ASKED_FOR: Final = {"device_type": frozenset({MOBILE}), "screen_size": SMALL_SCREENS | LARGE_SCREENS}


class _Entry(NamedTuple):
    string: str | None  # None for all that has no place of its own
    code: float  # the encoder's
    gap: bool = False
    unseen: bool = False


class Vocabulary:
    """The strings of the six categories, as one set of artifacts knows them. The tables are by place."""

    def __init__(self, classes: Mapping[str, Sequence[str]], imputed: Sequence[str]) -> None:
        entries: list[_Entry] = []
        self._places: list[tuple[dict[str | None, int], int]] = []  # by category, and the place of all the rest
        for field, gap in zip(CATEGORIES, imputed, strict=True):
            known = _entries(classes[field], gap, _ASKED_FOR.get(field, frozenset()))
            names = [None if entry.gap else entry.string for entry in known[:-1]]
            *places, rest = range(len(entries), len(entries) + len(known))
            self._places.append((dict(zip(names, places, strict=True)), rest))
            entries += known
        self.codes = np.array([entry.code for entry in entries])
        self.gap = np.array([entry.gap for entry in entries])
        self.unseen = np.array([entry.unseen for entry in entries])
        self._strings = [entry.string for entry in entries]

    def look_up(self, columns: Columns) -> NDArray[np.intp]:
        """Return the place of each category, (6, n)."""
        return np.array(
            [columns.category_values(field, places, rest) for field, (places, rest) in enumerate(self._places)]
        )

    def is_in(self, strings: frozenset[str]) -> Flags:
        """Place -> whether its string is one of `strings`, which are among those that rules and features ask for."""
        return np.array([string in strings for string in self._strings])


def _entries(classes: Sequence[str], imputed: str, asked_for: frozenset[str]) -> list[_Entry]:
    """What rules and features ask for has a place even when the encoder has never seen it. The last is for the rest."""
    codes = {string: float(code) for code, string in enumerate(classes)}
    return [
        *(_Entry(string, code) for string, code in codes.items()),
        *(_Entry(string, codes[UNKNOWN], unseen=True) for string in sorted(asked_for - codes.keys())),
        _Entry(imputed, codes[imputed], gap=True),
        _Entry(None, codes[UNKNOWN], unseen=True),
    ]
