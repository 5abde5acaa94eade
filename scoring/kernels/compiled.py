"""The kernels that scoring calls, compiled together."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from scoring.kernels.attribution import ATTRIBUTE
from scoring.kernels.compiler import compiled_or_plain
from scoring.kernels.features import PREPARE
from scoring.kernels.forest import WALK


class Kernels(NamedTuple):
    """Functions: compiled, or plain where numba cannot."""

    prepare: Callable[..., None]
    walk: Callable[..., None]
    attribute: Callable[..., None]


@functools.cache
def compiled() -> Kernels:
    """Compile the kernels, once in a process: before the first event, not at it."""
    return Kernels(*compiled_or_plain([PREPARE, WALK, ATTRIBUTE]))
