"""Dead letters as they are found again: what their headers say, which are meant, what to write back. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from consumer.dead_letters import UNREADABLE, attempts, redrive_headers, restore_original
from consumer.envelopes import EPOCH, SOURCE_TIMESTAMP, carries, utc
from consumer.errors import WorkerError
from consumer.records import Headers, OutRecord

_UNITS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Letter:
    """One record of the dead-letter topic. Key and value are what came in, and are never shown."""

    partition: int
    offset: int
    timestamp: int  # ms since the epoch
    key: bytes | None
    value: bytes | None
    headers: Headers

    @cached_property
    def _said(self) -> dict[str, bytes | None]:
        return dict(self.headers)

    def _text(self, name: str) -> str | None:
        value = self._said.get(name)
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def code(self) -> str:
        """What is wrong with it; "" when it does not say."""
        return self._text("dead_letter.code") or ""

    @property
    def field(self) -> str | None:
        """The field that is wrong, where there is one."""
        return self._text("dead_letter.field")

    @property
    def message(self) -> str:
        """What was expected, and what kind came."""
        return self._text("__connect.errors.exception.message") or ""

    @property
    def topic(self) -> str | None:
        """The input topic that it came from; None when this is no dead letter at all."""
        return self._text("__connect.errors.topic")

    @property
    def source(self) -> str:
        """The input record: topic-partition-offset, as in a result_id."""
        place = (self._text(f"__connect.errors.{name}") or "?" for name in ("topic", "partition", "offset"))
        return "-".join(place)

    @property
    def attempts(self) -> int:
        """How often it has been tried."""
        return attempts(self.headers)

    def shown(self) -> dict[str, str | int | None]:
        """What may be shown of it: no key, no value."""
        return {
            "time": utc(self.timestamp),
            "code": self.code,
            "field": self.field,
            "source": self.source,
            "attempts": self.attempts,
            "message": self.message,
            "partition": self.partition,
            "offset": self.offset,
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are meant. `since` and `until` are in ms since the epoch, the second not included."""

    code: str | None = None
    field: str | None = None
    since: int | None = None
    until: int | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether this one is meant."""
        return (
            (self.code is None or letter.code == self.code)
            and (self.field is None or letter.field == self.field)
            and (self.since is None or letter.timestamp >= self.since)
            and (self.until is None or letter.timestamp < self.until)
        )


class Refusal(StrEnum):
    """Why a letter is not written back."""

    NO_VALUE = "without a value (it was too large for a dead letter)"
    UNREADABLE = "of unreadable batches"
    ATTEMPTS = "tried --max-attempts times already"


def refusal(letter: Letter, max_attempts: int) -> Refusal | None:
    """Why this letter cannot be written back; None when it can."""
    if letter.code == UNREADABLE:
        return Refusal.UNREADABLE
    if letter.value is None:
        return Refusal.NO_VALUE
    return Refusal.ATTEMPTS if letter.attempts >= max_attempts else None


def require_source(letter: Letter, input_topic: str) -> None:
    """Raises WorkerError for a letter that did not come from the input topic."""
    if letter.topic != input_topic:
        what = "is no dead letter" if letter.topic is None else f"came from topic {letter.topic}"
        raise WorkerError(
            f"the record at partition {letter.partition}, offset {letter.offset} of the dead-letter topic {what}, and "
            f"the input topic is {input_topic}: give the right --input-topic or --dead-letters-topic"
        )


def written_back(letter: Letter, now: int) -> OutRecord:
    """Return the record as it first came, for the topic it came from, with the headers of a redrive at its end.

    `now` is in ms since the epoch. A record that was dated too far ahead gets its own date back once Kafka takes it.
    """
    date = dict(letter.headers).get(SOURCE_TIMESTAMP)
    original = int(date) if date is not None and date.isdigit() and len(date) < 19 else -1
    timestamp, kept = (original, None) if carries(original, now) else (letter.timestamp, date)
    headers = restore_original(letter.headers) + redrive_headers(letter.attempts, kept)
    return OutRecord(letter.topic or "", letter.key, letter.value, headers, timestamp if timestamp > 0 else now)


def parse_time(text: str, now: int) -> int:
    """Milliseconds since the epoch of an ISO 8601 time (UTC unless it says otherwise) or of `1h`: so long ago.

    Raises ValueError.
    """
    if ago := re.fullmatch(r"(\d{1,6})([smhdw])", text):
        return now - int(ago[1]) * _UNITS[ago[2]] * 1000
    time = datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round((time - EPOCH).total_seconds() * 1000)
