"""Alerts as they are shown to somebody who watches: the newest, and nothing in them that could move a cursor."""

from dataclasses import dataclass
from typing import Final

import msgspec

from consumer.dead_letters.record import DeadLetter
from consumer.printable import beginning, printable
from consumer.records import Batch

MOST: Final = 10  # that are ever shown
_REMEMBERED: Final = 100_000  # ids; somebody may watch for weeks


@dataclass(frozen=True, slots=True)
class Alert:
    """A High result, as far as it is shown."""

    session_id: str
    score: float
    reason: str


class Newest:
    """The newest alerts, newest first, and how many there were; one that comes again soon counts once."""

    def __init__(self) -> None:
        self.alerts: tuple[Alert, ...] = ()
        self.count = 0
        self._ids: dict[str, None] = {}  # in the order in which they came

    def add(self, value: bytes) -> None:
        """Takes in the value of an alert's record. Raises ValueError for what is no alert."""
        alert_id, newest = alert(value)
        if alert_id in self._ids:  # where no offsets are committed, a rebalance begins anew
            return
        self._ids[alert_id] = None
        if len(self._ids) > _REMEMBERED:
            del self._ids[next(iter(self._ids))]
        self.count += 1
        self.alerts = (newest, *self.alerts)[:MOST]


class _Alert(msgspec.Struct):
    alert_id: str
    anomaly_score: float
    risk_reason: str
    session_id: msgspec.Raw = msgspec.Raw(b'"-"')


def alert(value: bytes) -> tuple[str, Alert]:
    """An alert's id and what is shown of it. A session_id is anybody's text. Raises ValueError for what is no alert."""
    try:
        came = msgspec.json.decode(value, type=_Alert)
    except RecursionError:  # its event is nested nearly too deep for the worker, and we stand deeper than that
        raise ValueError("nested too deep") from None
    raw = bytes(came.session_id)
    session_id = msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
    return came.alert_id, Alert(beginning(session_id), came.anomaly_score, beginning(came.risk_reason))


_MOST_CHARACTERS: Final = 200


def newest_fault(batch: Batch) -> str:
    """Describe the last dead letter of a batch that is not empty: code, field and message, from its headers alone."""
    letter = DeadLetter(batch.partitions[-1], batch.offsets[-1], batch.timestamps[-1], None, None, batch.headers[-1])
    message = letter.message
    if letter.field and letter.field not in message:
        message = f"{letter.field}: {message}"
    return printable(f"{letter.code}, {message}"[:_MOST_CHARACTERS])
