"""Derive the features of decoded events: fill gaps, match rules, write columns in the order of the model.

entries:  one table for the six categories, one int64 for a string or a gap

[ gap | code 0 | code 1 | … || gap | code 0 | … ]     starts[f] is the index of code 0 of category f; GAP is -1
   63 ............ 4   3      2      1       0
  [ the encoder's class | unseen | large | small | mobile ]    screens and devices that rules and features use

own:  the features of one event, in the order of FEATURES

[ 9 numbers | 6 categories | 18 derived | 0.0 for a name that is no feature ]
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract import CATEGORIES, NUMERIC
from scoring.kernels.compiler import Kernel
from scoring.local_time import NO_HOUR
from scoring.model import FEATURES

MOBILE: Final = 1
SMALL_SCREEN: Final = 2
LARGE_SCREEN: Final = 4
UNSEEN: Final = 8
CLASS_SHIFT: Final = 4  # of the encoder's class, above these flags
ODD_HOUR: Final = 16  # among the flags of an event

NUMBERS: Final = len(NUMERIC)
STRINGS: Final = len(CATEGORIES)
OWN_VALUES: Final = len(FEATURES) + 1  # in `own`
OBVIOUS: Final = 0b111_1111  # the first seven rules: the terms of obvious_anomaly_flag

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def prepare(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    numbers: Floats,  # (9, n), NaN for a gap
    codes: NDArray[np.int32],  # (6, n)
    hours: Integers,  # (n,), NO_HOUR for a gap
    entries: Integers,
    starts: Integers,  # (6,)
    fill: Floats,  # (9,)
    fill_hour: int,
    order: Integers,  # (features,): the indices in `own` of the model's features
    raw: Floats,  # (features, n), written
    patterns: Integers,  # (n,), written: bit i for rule i
    gap_bits: Integers,  # (n,), written: bit i for field i
    unseen_bits: Integers,  # (n,), written: bit i for category i
    own: Floats,  # (34,), overwritten
) -> None:
    """Write the raw features of the events, and their rules, gaps and unseen categories as bits."""
    own[OWN_VALUES - 1] = 0.0
    for row in range(hours.shape[0]):
        gaps = fill_numbers(numbers, row, fill, own)
        flags, unseen = 0, 0
        for field in range(STRINGS):
            code = int(codes[field, row])
            entry = entries[starts[field] + code]
            own[NUMBERS + field] = entry >> CLASS_SHIFT
            flags |= entry & (MOBILE | SMALL_SCREEN | LARGE_SCREEN)
            unseen |= (entry & UNSEEN) // UNSEEN << field
            gaps |= int(code < 0) << (NUMBERS + field)
        hour = hours[row]
        if hour == NO_HOUR:
            hour = fill_hour
            gaps |= 1 << (NUMBERS + STRINGS)
        if 1 <= hour <= 3:
            flags |= ODD_HOUR
        pattern = matching_rules(own, flags)
        derive(own, pattern, flags)
        for f in range(order.shape[0]):
            raw[f, row] = own[order[f]]
        patterns[row] = pattern
        gap_bits[row] = gaps
        unseen_bits[row] = unseen


def fill_numbers(numbers: Floats, row: int, fill: Floats, own: Floats) -> int:
    """Copy the numbers of an event and fill their gaps; return the gaps as bits."""
    gaps = 0
    for field in range(NUMBERS):
        value = numbers[field, row]
        if np.isnan(value):
            value = fill[field]
            gaps |= 1 << field
        own[field] = value
    return gaps


def matching_rules(own: Floats, flags: int) -> int:
    """Return the rules that hold as bits, in the order of `rules.RULES`."""
    clicks, touches, keys = own[0], own[2], own[3]
    mouse, motion, time, amount = own[4], own[5], own[6], own[8]
    mobile, large = (flags & MOBILE) != 0, amount > 10_000
    pattern = int(large & ((flags & ODD_HOUR) != 0))
    pattern |= int(clicks >= 30) << 1
    pattern |= int(mouse >= 1500) << 2
    pattern |= int(mobile & (touches >= 20)) << 3
    pattern |= int(mobile & (motion >= 3.0)) << 4
    pattern |= int((time == 10) | (time == 600)) << 5
    pattern |= int((keys == 0) & (amount > 5000)) << 6
    pattern |= int(large) << 7
    pattern |= int(clicks == 0) << 8
    pattern |= int(mobile & (touches == 0)) << 9
    return pattern


def derive(own: Floats, pattern: int, flags: int) -> None:
    """Write the eighteen derived features, in the order of `model.DERIVED`."""
    clicks, scrolls, touches, keys, mouse = own[0], own[1], own[2], own[3], own[4]
    motion, time, amount = own[5], own[6], own[8]
    seconds = 1.0 if time == 0 else time
    least, most, positive, many = clicks, clicks, 0.0, 0.0
    for field in range(6):
        value = own[field]
        positive += value > 0
        many += value > 5
        if field < 5:  # of two zeros the last one, as numpy's min and max take it
            least = min(value, least)
            most = max(value, most)
    own[15] = (pattern & OBVIOUS) != 0
    own[16] = clicks / seconds
    own[17] = scrolls / seconds
    own[18] = touches / seconds
    own[19] = keys / seconds
    own[20] = 0.3 * clicks + 0.2 * scrolls + 0.2 * touches + 0.2 * keys + 0.1 * mouse + 0.1 * motion
    own[21] = (flags & ODD_HOUR) != 0
    own[22] = amount > 10_000
    own[23] = time < 30
    own[24] = positive
    own[25] = least / (most + 1e-6)
    own[26] = (keys + touches) / (clicks + scrolls + 1)
    own[27] = (clicks + keys + touches) / (time + 1)
    own[28] = many
    own[29] = amount / (time / 60 + 1)
    own[30] = (amount > 10_000) & (time < 60)
    own[31] = (flags & SMALL_SCREEN) != 0
    own[32] = (flags & LARGE_SCREEN) != 0


PREPARE: Final = Kernel(
    "void(float64[:,::1], int32[:,::1], int64[::1], int64[::1], int64[::1], float64[::1], int64, int64[::1],"
    "float64[:,::1], int64[::1], int64[::1], int64[::1], float64[::1])",
    prepare,
)
