"""The newest alerts, as text that is safe to print on a terminal."""

from dataclasses import dataclass
from typing import Final

import msgspec

from consumer.printable import shortened

MAX_ALERTS: Final = 10  # kept, and shown at most
_REMEMBERED: Final = 100_000  # ids: `watch` may run for weeks


@dataclass(frozen=True, slots=True)
class Alert:
    """The fields of a High result that are shown."""

    session_id: str
    score: float
    reason: str


class NewestAlerts:
    """The newest alerts, newest first, and the number of distinct ones."""

    def __init__(self) -> None:
        self.alerts: tuple[Alert, ...] = ()
        self.count = 0
        self._ids: dict[str, None] = {}  # a set in order of arrival

    def add(self, value: bytes) -> None:
        """Add the value of an alert's record. Raises ValueError for one that is no alert."""
        alert_id, newest = parse_alert(value)
        if alert_id in self._ids:  # without committed offsets, a rebalance starts over
            return
        self._ids[alert_id] = None
        if len(self._ids) > _REMEMBERED:
            del self._ids[next(iter(self._ids))]
        self.count += 1
        self.alerts = (newest, *self.alerts)[:MAX_ALERTS]


class _AlertRecord(msgspec.Struct):
    alert_id: str
    anomaly_score: float
    risk_reason: str
    session_id: msgspec.Raw = msgspec.Raw(b'"-"')


def parse_alert(value: bytes) -> tuple[str, Alert]:
    """Return the id and the shown fields of an alert. Raises ValueError for a record that is no alert."""
    try:
        record = msgspec.json.decode(value, type=_AlertRecord)
    except RecursionError:  # of another program: the worker accepts no event so deep
        raise ValueError("nested too deep") from None
    raw = bytes(record.session_id)
    session_id = msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
    return record.alert_id, Alert(shortened(session_id), record.anomaly_score, shortened(record.risk_reason))
