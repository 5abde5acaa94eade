"""Pipes that nobody reads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def unread_pipe(*, full: bool = True) -> Iterator[tuple[int, int]]:
    """A pipe's reading end, which nobody reads, and its writing end; nothing more fits in when it is full."""
    reading, writing = os.pipe()
    try:
        if full:
            fill(writing)
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def fill(writing: int) -> None:
    """Write until nothing more fits. The descriptor itself stays as it is: blocking."""
    own = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(own, b"x" * size)
    os.close(own)
