"""Dead letters as they are found again: what their headers say, which are meant, what to write back. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from consumer.dead_letters.offset_ranges import Ledger
from consumer.records import Headers, OutRecord
from consumer.stream.dead_letters import (
    ATTEMPTS,
    UNREADABLE,
    attempts,
    parse_source_timestamp,
    redrive_headers,
    restore_original,
    split_redrive,
)
from consumer.stream.serialization import EPOCH, SOURCE_TIMESTAMP, carries, utc

_CONNECT: Final = "__connect.errors."
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
    def writer(self) -> str:
        """The consumer group, or the connector of Kafka Connect, that wrote it; "" when it does not say."""
        return self._text("__connect.errors.connector.name") or ""

    def written_by(self, group_id: str) -> bool:
        """Tell whether session-scorer wrote it, as this group; a connector may have the group's name."""
        return self.writer == group_id and self.topic is not None and self.code != ""

    @property
    def source(self) -> str:
        """The input record: topic-partition-offset, as in a result_id."""
        place = (self._text(f"__connect.errors.{name}") or "?" for name in ("topic", "partition", "offset"))
        return "-".join(place)

    @cached_property
    def event_headers(self) -> tuple[Headers, Headers]:
        """The event's own headers, and of the others those that tell of redrives: attempts, and its own date."""
        if self.code:
            said = [header for header in self.headers if header[0] in {ATTEMPTS, SOURCE_TIMESTAMP}]
            return restore_original(self.headers), said
        return split_redrive([header for header in self.headers if not header[0].startswith(_CONNECT)])

    @property
    def attempts(self) -> int:
        """How often it has been tried."""
        return attempts(self.event_headers[1])

    def has_lost(self, part: str) -> bool:
        """Tell whether the event's `value`, `headers` or `key` were too large for the letter."""
        return bool(self.code) and f"dead_letter.{part}_sha256" in self._said

    def shown(self) -> dict[str, str | int | None]:
        """What may be shown of it: no key, no value."""
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
    """Which letters are meant. `since` and `until` are in ms since the epoch, the second not included; `source` is one
    input record, topic-partition-offset."""

    code: str | None = None
    field: str | None = None
    since: int | None = None
    until: int | None = None
    source: str | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether this one is meant."""
        return (
            (self.code is None or letter.code == self.code)
            and (self.field is None or letter.field == self.field)
            and (self.since is None or letter.timestamp >= self.since)
            and (self.until is None or letter.timestamp < self.until)
            and (self.source is None or letter.source == self.source)
        )


@dataclass(frozen=True, slots=True)
class Writers:
    """Whose letters are meant: those of `group_id`, instead those of another group or connector, or everybody's."""

    group_id: str
    other: str | None = None
    anyone: bool = False

    def takes(self, letter: Letter) -> bool:
        """Tell whether a letter of this writer is meant; never of a record that is no dead letter."""
        if letter.topic is None:
            return False
        if self.anyone:
            return True
        own = self.other is None or self.other == self.group_id
        return letter.written_by(self.group_id) if own else letter.writer == self.other

    def ledgers(self) -> frozenset[Ledger]:
        """The notes of earlier redrives that a redrive of these letters reads and writes."""
        if self.anyone:
            return frozenset(Ledger)
        return frozenset({Ledger.OURS if self.other in {None, self.group_id} else Ledger.OTHERS})

    def ledger_of(self, letter: Letter) -> Ledger:
        """The note in which a redrive of this letter stands."""
        return Ledger.OURS if letter.written_by(self.group_id) else Ledger.OTHERS


class Refusal(StrEnum):
    """Why a record of the dead-letter topic is not written back."""

    NO_LETTER = "records that are no dead letters"
    OTHER_WRITER = "of other writers"
    FILTERED = "that the filters do not name"
    NO_VALUE = "without a value (it was too large for a dead letter)"
    NULL_VALUE = "with a null value"  # of other writers: a tombstone becomes no dead letter of ours
    NO_HEADERS = "without the event's headers (they were too large for a dead letter)"
    NO_KEY = "without the event's key (it was too large for a dead letter)"
    UNREADABLE = "of unreadable batches"
    OTHER_TOPIC = "from another topic than --input-topic"
    REDRIVEN = "already redriven"
    ATTEMPTS = "tried --max-attempts times already"


_LOST: Final[Mapping[str, Refusal]] = {
    "value": Refusal.NO_VALUE,
    "headers": Refusal.NO_HEADERS,
    "key": Refusal.NO_KEY,
}

FINAL: Final = frozenset({Refusal.NO_LETTER, Refusal.NULL_VALUE, Refusal.UNREADABLE, *_LOST.values()})
"""What no other options of a redrive change."""


def refusal(letter: Letter, input_topic: str, max_attempts: int) -> Refusal | None:
    """Return why this letter cannot be written back to `input_topic`; None when it can."""
    if letter.topic != input_topic:
        return Refusal.OTHER_TOPIC
    if letter.code == UNREADABLE:
        return Refusal.UNREADABLE
    for part, why in _LOST.items():
        if letter.has_lost(part):
            return why
    if letter.value is None:
        return Refusal.NULL_VALUE
    return Refusal.ATTEMPTS if letter.attempts >= max_attempts else None


def written_back(letter: Letter, now: int) -> OutRecord:
    """Return the record as it first came, for the topic it came from, with the headers of a redrive at its end.

    `now` is in ms since the epoch. A record that was dated too far ahead gets its own date back once Kafka takes it.
    """
    event, said = letter.event_headers
    date = dict(said).get(SOURCE_TIMESTAMP)
    original = parse_source_timestamp(date)
    if original is not None and carries(original, now):
        timestamp, kept = original, None
    else:
        timestamp, kept = letter.timestamp, None if original is None else date
    headers = event + redrive_headers(attempts(said), kept)
    key = None if letter.key == letter.source.encode() else letter.key  # on a compacted topic it stands for none
    return OutRecord(letter.topic or "", key, letter.value, headers, timestamp if timestamp > 0 else now)


def parse_time(text: str, now: int) -> int:
    """Milliseconds since the epoch of an ISO 8601 time (UTC unless it says otherwise) or of `1h`: so long ago.

    Raises ValueError.
    """
    if ago := re.fullmatch(r"(\d{1,6})([smhdw])", text):
        return now - int(ago[1]) * _UNITS[ago[2]] * 1000
    time = datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round((time - EPOCH).total_seconds() * 1000)


def parse_source(text: str) -> str:
    """Return the name of an input record, topic-partition-offset, as `list` prints it. Raises ValueError."""
    if parts := re.fullmatch(r"([a-zA-Z0-9._-]{1,249})-(\d{1,10})-(\d{1,19})", text, re.ASCII):
        return f"{parts[1]}-{int(parts[2])}-{int(parts[3])}"
    raise ValueError(text)
