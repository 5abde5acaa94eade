"""The hour of a `transaction_date`, as written: an offset does not shift it."""

import re
from typing import Final

from scoring.contract import LOCAL_TIME

_LOCAL_TIME: Final = re.compile(LOCAL_TIME)


def is_local_time(text: str) -> bool:
    """Whether `text` is a date of the contract."""
    return _LOCAL_TIME.search(text) is not None


def hour_as_written(local_time: str) -> int:
    """The hour, 0-23, of a date of the contract; a date alone is hour 0."""
    return int(local_time[11:13]) if local_time[10:11] in ("T", " ") else 0
