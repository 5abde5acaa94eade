"""The strings of the categories as one set of artifacts knows them."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, UNKNOWN
from scoring.features import LARGE_SCREENS, MOBILE, SMALL_SCREENS
from scoring.kernels import features as kernel

_FLAGS: Final = {
    "device_type": {MOBILE: kernel.MOBILE},
    "screen_size": dict.fromkeys(SMALL_SCREENS, kernel.SMALL_SCREEN)
    | dict.fromkeys(LARGE_SCREENS, kernel.LARGE_SCREEN),
}


class _Field(NamedTuple):
    """Entries of the kernel's table (its layout: scoring/kernels/features.py)."""

    known: dict[str, int]
    other: int  # of a string that the encoder has never seen
    gap: int


class Vocabulary:
    """What is known of each string: the encoder's class, and what rules and features ask."""

    def __init__(self, classes: Mapping[str, Sequence[str]], imputed: Sequence[str]) -> None:
        self._fields = [
            _field(classes[name], gap, _FLAGS.get(name, {})) for name, gap in zip(CATEGORIES, imputed, strict=True)
        ]

    def look_up(self, strings: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the kernel's entries for the dictionaries of six categories, and where each one starts."""
        entries: list[int] = []
        starts: list[int] = []
        for field, own in zip(self._fields, strings, strict=True):
            entries.append(field.gap)
            starts.append(len(entries))
            entries += map(field.known.get, own, repeat(field.other))
        return np.array(entries), np.array(starts)


def _field(classes: Sequence[str], imputed: str, flags: Mapping[str, int]) -> _Field:
    codes = {string: code << kernel.CLASS_SHIFT for code, string in enumerate(classes)}
    other = codes[UNKNOWN] | kernel.UNSEEN
    known = {string: codes.get(string, other) | flags.get(string, 0) for string in {**codes, **flags}}
    return _Field(known, other, known[imputed])
