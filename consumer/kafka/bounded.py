"""A bound for calls into librdkafka, whose own it does not always keep (send_offsets: its issues 5456 and 5511)."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from consumer.errors import UnansweredError

GRACE_SECONDS = 3.0  # for the call to come back by itself, with a better reason


def bounded(doing: str, call: Callable[[], None], seconds: float) -> None:
    """Does `call` on a thread of its own. Raises what it raises, and UnansweredError when it has not
    come back by then: it goes on alone, and whatever it uses must not be used again."""
    outcome: SimpleQueue[BaseException | None] = SimpleQueue()

    def attempt() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed over, and raised below
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=attempt, name=doing, daemon=True).start()  # daemon: an exit does not wait for it
    try:
        error = outcome.get(timeout=seconds + GRACE_SECONDS)
    except Empty:
        raise UnansweredError(f"could not {doing}: no answer within {seconds:g} s") from None
    if error is not None:
        raise error
