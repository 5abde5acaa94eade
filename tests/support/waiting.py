"""Wait for what happens elsewhere: in a process, on a broker, on another thread."""

import time
from collections.abc import Callable

SECONDS = 100.0  # less than a test may take


def wait_until(happened: Callable[[], bool], otherwise: str = "it did not happen", seconds: float = SECONDS) -> None:
    """Return once it has happened. Raises AssertionError, which says `otherwise`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{otherwise} within {seconds:g} s"
        time.sleep(0.02)
