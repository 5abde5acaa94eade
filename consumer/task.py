"""Work on a thread of its own."""

import threading
from collections.abc import Callable

from consumer.errors import DeliveryError, WorkerError


class Task:
    """Runs a function on a daemon thread. What ends it is kept, and raised by `check`."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._work = work
        self._error: BaseException | None = None
        # a daemon: whoever reads a pipe that nobody writes to must not keep the process alive
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by `check`, on the thread that can report it
            self._error = error

    def check(self) -> None:
        """Raise what ended the work, if anything did."""
        if isinstance(self._error, DeliveryError):
            raise WorkerError(str(self._error)) from self._error
        if self._error is not None:
            raise self._error

    def join(self, seconds: float) -> bool:
        """Wait until the work has ended; False when it has not within `seconds`."""
        self._thread.join(seconds)
        return not self._thread.is_alive()
