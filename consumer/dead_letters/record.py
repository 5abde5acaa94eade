"""Records of the dead-letter topic: parsed headers, filters, and the input record that a redrive writes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from consumer.dead_letters.offset_ranges import WriterKind
from consumer.kafka.membership import InputTopics
from consumer.records import UNREADABLE, Headers, OutRecord
from consumer.stream.dead_letters import (
    ATTEMPTS,
    attempts,
    parse_source_timestamp,
    redrive_headers,
    restore_original,
    split_redrive,
)
from consumer.stream.serialization import EPOCH, SOURCE_TIMESTAMP, is_writable_timestamp, utc

_CONNECT: Final = "__connect.errors."
_UNITS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class DeadLetter:
    """One record of the dead-letter topic. Key and value are the event's own, and are never printed."""

    partition: int
    offset: int
    timestamp: int  # ms since the epoch
    key: bytes | None
    value: bytes | None
    headers: Headers

    @cached_property
    def _header_values(self) -> dict[str, bytes | None]:
        return dict(self.headers)

    def _text(self, name: str) -> str | None:
        value = self._header_values.get(name)
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def code(self) -> str:
        """The code of the error; "" when there is none."""
        return self._text("dead_letter.code") or ""

    @property
    def field(self) -> str | None:
        """The field that is wrong, if it is one."""
        return self._text("dead_letter.field")

    @property
    def message(self) -> str:
        """The message of the error."""
        return self._text("__connect.errors.exception.message") or ""

    @property
    def topic(self) -> str | None:
        """The input topic; None when the record is no dead letter."""
        return self._text("__connect.errors.topic")

    @property
    def writer(self) -> str:
        """The consumer group or Kafka Connect connector that wrote it; "" when there is none."""
        return self._text("__connect.errors.connector.name") or ""

    def written_by(self, group_id: str) -> bool:
        """Return whether session-scorer wrote it as this group; a connector may have the group's name."""
        return self.writer == group_id and self.topic is not None and self.code != ""

    @property
    def source(self) -> str:
        """The input record: topic-partition-offset, as in a result_id."""
        return "-".join(self._text(f"{_CONNECT}{name}") or "?" for name in ("topic", "partition", "offset"))

    @cached_property
    def event_headers(self) -> tuple[Headers, Headers]:
        """The event's own headers, and the headers of its redrives: attempts, and the event's timestamp."""
        if self.code:
            redrive = [header for header in self.headers if header[0] in {ATTEMPTS, SOURCE_TIMESTAMP}]
            return restore_original(self.headers), redrive
        return split_redrive([header for header in self.headers if not header[0].startswith(_CONNECT)])

    @property
    def attempts(self) -> int:
        """How often the event was processed."""
        return attempts(self.event_headers[1])

    def lacks(self, part: str) -> bool:
        """Return whether the event's `value`, `headers` or `key` were too large for the dead letter."""
        return bool(self.code) and f"dead_letter.{part}_sha256" in self._header_values

    def summary(self) -> dict[str, str | int | None]:
        """Return what may be printed: no key, no value."""
        return {
            "time": utc(self.timestamp),
            "code": self.code,
            "field": self.field,
            "source": self.source,
            "attempts": self.attempts,
            "writer": self.writer,
            "message": self.message,
            "partition": self.partition,
            "offset": self.offset,
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on dead letters. `since` (inclusive) and `until` (exclusive) are in ms since the epoch; `source` is
    one input record, topic-partition-offset."""

    code: str | None = None
    field: str | None = None
    since: int | None = None
    until: int | None = None
    source: str | None = None

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Return whether all conditions hold."""
        return (
            (self.code is None or dead_letter.code == self.code)
            and (self.field is None or dead_letter.field == self.field)
            and (self.since is None or dead_letter.timestamp >= self.since)
            and (self.until is None or dead_letter.timestamp < self.until)
            and (self.source is None or dead_letter.source == self.source)
        )


@dataclass(frozen=True, slots=True)
class WriterFilter:
    """Selects dead letters by their writer: `group_id`, or `other` (a group or connector) in its stead, or any."""

    group_id: str
    other: str | None = None
    any_writer: bool = False

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Return whether the writer is selected; False for a record that is no dead letter."""
        if dead_letter.topic is None:
            return False
        if self.any_writer:
            return True
        own = self.other in {None, self.group_id}
        return dead_letter.written_by(self.group_id) if own else dead_letter.writer == self.other

    def kinds(self) -> frozenset[WriterKind]:
        """Return the kinds whose progress a redrive of these dead letters reads and writes."""
        if self.any_writer:
            return frozenset(WriterKind)
        return frozenset({WriterKind.OWN_GROUP if self.other in {None, self.group_id} else WriterKind.OTHER})

    def kind_of(self, dead_letter: DeadLetter) -> WriterKind:
        """Return the kind of this dead letter's writer."""
        return WriterKind.OWN_GROUP if dead_letter.written_by(self.group_id) else WriterKind.OTHER


class Refusal(StrEnum):
    """Why a record of the dead-letter topic is not redriven."""

    NOT_A_DEAD_LETTER = "records that are no dead letters"
    OTHER_WRITER = "of other writers"
    FILTERED = "that the filters do not name"
    NO_VALUE = "without a value (it was too large for a dead letter)"
    NULL_VALUE = "with a null value"  # of other writers: session-scorer writes no dead letter for a tombstone
    NO_HEADERS = "without the event's headers (they were too large for a dead letter)"
    NO_KEY = "without the event's key (it was too large for a dead letter)"
    UNREADABLE = "of unreadable batches"
    OTHER_TOPIC = "from another topic than --input-topic"
    REDRIVEN = "already redriven"
    ATTEMPTS = "tried --max-attempts times already"


_LACKS: Final[Mapping[str, Refusal]] = {
    "value": Refusal.NO_VALUE,
    "headers": Refusal.NO_HEADERS,
    "key": Refusal.NO_KEY,
}

FINAL: Final = frozenset({Refusal.NOT_A_DEAD_LETTER, Refusal.NULL_VALUE, Refusal.UNREADABLE, *_LACKS.values()})
"""Refusals that no other options of a redrive change."""


def refusal(dead_letter: DeadLetter, inputs: InputTopics, max_attempts: int) -> Refusal | None:
    """Return why this dead letter cannot be redriven to its topic, one of `inputs`; None when it can."""
    if dead_letter.topic is None or not inputs.matches(dead_letter.topic):
        return Refusal.OTHER_TOPIC
    if dead_letter.code == UNREADABLE:
        return Refusal.UNREADABLE
    for part, reason in _LACKS.items():
        if dead_letter.lacks(part):
            return reason
    if dead_letter.value is None:
        return Refusal.NULL_VALUE
    return Refusal.ATTEMPTS if dead_letter.attempts >= max_attempts else None


def input_record(dead_letter: DeadLetter, now: int) -> OutRecord:
    """Return the original record, for the input topic, with the headers of a redrive at its end.

    `now` is in ms since the epoch. A record dated too far ahead gets its own timestamp back once Kafka accepts it.
    """
    event, redrive = dead_letter.event_headers
    date = dict(redrive).get(SOURCE_TIMESTAMP)
    original = parse_source_timestamp(date)
    if original is not None and is_writable_timestamp(original, now):
        timestamp, kept = original, None
    else:
        timestamp, kept = dead_letter.timestamp, None if original is None else date
    headers = event + redrive_headers(attempts(redrive), kept)
    key = None if dead_letter.key == dead_letter.source.encode() else dead_letter.key  # see record_id
    return OutRecord(dead_letter.topic or "", key, dead_letter.value, headers, timestamp if timestamp > 0 else now)


def parse_time(text: str, now: int) -> int:
    """Return ms since the epoch of an ISO 8601 time (UTC by default) or an age such as `1h`. Raise ValueError."""
    if ago := re.fullmatch(r"(\d{1,6})([smhdw])", text):
        return now - int(ago[1]) * _UNITS[ago[2]] * 1000
    time = datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round((time - EPOCH).total_seconds() * 1000)


def parse_source(text: str) -> str:
    """Return the name of an input record, topic-partition-offset, as `list` prints it. Raise ValueError."""
    if parts := re.fullmatch(r"([a-zA-Z0-9._-]{1,249})-(\d{1,10})-(\d{1,19})", text, re.ASCII):
        return f"{parts[1]}-{int(parts[2])}-{int(parts[3])}"
    raise ValueError(text)
