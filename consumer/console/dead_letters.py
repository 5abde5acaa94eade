"""The newest dead letter as it is shown to somebody who watches: what is wrong with it, never what it holds."""

from typing import Final

from consumer.dead_letters.record import Letter
from consumer.printable import printable
from consumer.records import Batch

_MOST_CHARACTERS: Final = 200


def newest_fault(batch: Batch) -> str:
    """Describe the last dead letter of a batch that is not empty: code, field and message, from its headers alone."""
    letter = Letter(batch.partitions[-1], batch.offsets[-1], batch.timestamps[-1], None, None, batch.headers[-1])
    message = letter.message
    if letter.field and letter.field not in message:
        message = f"{letter.field}: {message}"
    return printable(f"{letter.code}, {message}"[:_MOST_CHARACTERS])
