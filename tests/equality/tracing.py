"""Count the lines that kernels run as plain Python: steps that do not depend on the machine, and which lines ran."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

Line = tuple[CodeType, int]


def count_lines(codes: Iterable[CodeType], call: Callable[[], object]) -> Counter[Line]:
    """Return how often each line of these functions runs in a call."""
    counts: Counter[Line] = Counter()
    wanted = set(codes)

    def enter(frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG001 - as Python calls it
        return step if frame.f_code in wanted else None

    def step(frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG001
        if event == "line":
            counts[frame.f_code, frame.f_lineno] += 1
        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        call()
    finally:
        sys.settrace(before)
    return counts


def lines_of(code: CodeType) -> set[Line]:
    """Return the lines of a function that can run."""
    return {(code, line) for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno}
