"""Categories by number: every string of the six has a place in tables that say what is known of it."""

from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
        self._places: list[tuple[dict[str | None, bytes], bytes]] = []  # by category, and the place of all the rest
        for field, gap in zip(CATEGORIES, imputed, strict=True):
            known = _entries(classes[field], gap, _ASKED_FOR.get(field, frozenset()))
            names = [None if entry.gap else entry.string for entry in known[:-1]]
            *places, rest = (np.intp(len(entries) + i).tobytes() for i in range(len(known)))
            self._places.append((dict(zip(names, places, strict=True)), rest))
            entries += known
        self.codes = np.array([entry.code for entry in entries])
        self.gap = np.array([entry.gap for entry in entries])
        self.unseen = np.array([entry.unseen for entry in entries])
        self._strings = [entry.string for entry in entries]

    def look_up(self, categories: Sequence[Sequence[str | None]]) -> NDArray[np.intp]:
        """Six columns of n -> (6, n): the place of each.

        Places as bytes need but be joined: 0.25 µs an event, where ints put into an array take 0.35.
        """
        found = [
            map(places.get, values, repeat(rest))
            for (places, rest), values in zip(self._places, categories, strict=True)
        ]
        joined = b"".join(chain.from_iterable(found))
        return np.frombuffer(joined, np.intp).reshape(len(CATEGORIES), -1)

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
