"""The hour of a `transaction_date`, as written: an offset does not shift it."""

import re
from datetime import date
from typing import Final

_DATE: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?"
)


def hour_as_written(text: str) -> int:
    """The hour 0-23 of a local wall-clock time; a date alone is hour 0. Raises ValueError when it is no date."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    year, month, day, hour = match.groups()
    date(int(year), int(month), int(day))  # raises for a day that no calendar has
    return int(hour or 0)
