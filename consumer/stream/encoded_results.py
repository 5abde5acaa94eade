"""The results and alerts of a batch as columns of JSON, before they are fitted to their topics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from consumer.records import Headers
from consumer.stream.result_writer import Results
from consumer.stream.serialization import encode_alert, record_id, without_event


class RecordColumns(NamedTuple):
    """Records for one topic as columns. `rows` are their rows among the valid events."""

    rows: Sequence[int]
    keys: list[bytes | None]
    values: list[bytes]
    headers: list[Headers]
    timestamps: list[int]


@dataclass(frozen=True, slots=True)
class EncodedResults:
    """The results of a batch as JSON."""

    results: Results
    values: list[bytes]
    event_limit: int  # an event of this many bytes is not embedded

    @property
    def all_embedded(self) -> bool:
        """Whether every result holds its event."""
        results = self.results
        return len(results.columns.text) < self.event_limit or results.event_bytes.max(initial=0) < self.event_limit

    def is_embedded(self, row: int) -> bool:
        """Return whether the result of this row holds its event."""
        return bool(self.results.event_bytes[row] < self.event_limit)

    def without_event(self, row: int) -> bytes:
        """Return the result with the size and the SHA-256 of its event."""
        results = self.results
        embedded = int(results.event_bytes[row]) if self.is_embedded(row) else 0
        return without_event(self.values[row], results.batch.values[row] or b"", embedded, results.origin(row))

    def alert(self, row: int, result: bytes) -> bytes:
        """Return the alert of a row with this result."""
        batch, scored = self.results.batch, self.results.scored
        return encode_alert(record_id(batch, row), result, scored.contributions[row], scored.base_rate)

    def alert_without_event(self, row: int) -> bytes:
        """Return the alert with the size and the SHA-256 of its event."""
        return self.alert(row, self.without_event(row))

    def alert_columns(self, columns: RecordColumns) -> RecordColumns:
        """Return the rows of level High of these columns, with their alerts as values."""
        rows = list(self.results.scored.contributions)
        return RecordColumns(
            rows,
            [columns.keys[row] for row in rows],
            [self.alert(row, self.values[row]) for row in rows],
            [columns.headers[row] for row in rows],
            [columns.timestamps[row] for row in rows],
        )
