"""Call a function for many items in threads, with the results in the order of the items."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

_AHEAD: Final = 3  # items for each thread: with fewer, threads wait while a group of rows is written
T = TypeVar("T")
R = TypeVar("R")


def core_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def map_in_order(function: Callable[[T], R], items: Iterable[T], threads: int) -> Generator[R]:
    """Yield the result of each item, in order. At most three items for each thread are in memory.

    Raises what `function` raises, when it is the turn of that item.
    """
    if threads == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= _AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
