"""A partition's log: records, transaction markers, last stable offset, retention."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from consumer.records import Headers


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction of one transactional id, and how it was decided."""

    name: str
    producer: str
    """Which client began it."""
    committed: bool | None = None

    def __str__(self) -> str:
        return self.name


class Record(NamedTuple):
    """A record as it stands in the log."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    transaction: Transaction | None = None


class Fetched(NamedTuple):
    """What a read-committed fetch brings: records with their offsets, and where to go on."""

    records: list[tuple[int, Record]]
    position: int


class OutOfRangeError(Exception):
    """The log holds no such offset."""


class UnreadableError(Exception):
    """No client can read the batch that comes next."""


class PartitionLog:
    """One partition: what is appended, and what a read-committed reader may see of it."""

    def __init__(self) -> None:
        self.start = 0
        self.unreadable: list[range] = []
        """Offsets of batches that are on the disk and cannot be read."""
        self._watchers: dict[object, Callable[[], None]] = {}
        self._entries: list[Record | None] = []  # None: a transaction marker
        self._open: dict[Transaction, int] = {}  # transaction -> its first offset

    @property
    def end(self) -> int:
        """The offset that the next record gets."""
        return len(self._entries)

    @property
    def last_stable(self) -> int:
        """The first offset of the oldest open transaction, or the end."""
        return min(self._open.values(), default=self.end)

    def append(self, record: Record) -> int:
        """Append a record and return its offset."""
        offset = self.end
        if record.transaction is not None:
            self._open.setdefault(record.transaction, offset)
        self._entries.append(record)
        if not self._open:
            self._tell_watchers()
        return offset

    def write_marker(self, transaction: Transaction) -> None:
        """Append the marker that ends a transaction here."""
        self._open.pop(transaction, None)
        self._entries.append(None)
        self._tell_watchers()

    def fetch(self, position: int, most: int) -> Fetched:
        """Return up to `most` committed records from `position` on.

        Raises OutOfRangeError for an offset that retention took, or past the end, UnreadableError for one in a batch
        that cannot be read.
        """
        if not self.start <= position <= self.end:
            raise OutOfRangeError
        if position < self.last_stable and self.unreadable_at(position) is not None:
            raise UnreadableError
        records: list[tuple[int, Record]] = []
        stable = self.last_stable
        while position < stable and len(records) < most and self.unreadable_at(position) is None:
            record = self._entries[position]
            if record is not None and (record.transaction is None or record.transaction.committed):
                records.append((position, record))
            position += 1
        return Fetched(records, position)

    def unreadable_at(self, offset: int) -> range | None:
        """Return the batch with this offset that cannot be read."""
        return next((each for each in self.unreadable if offset in each), None)

    def record(self, offset: int) -> Record | None:
        """Return the record at an offset, whatever became of its transaction; None for a marker."""
        return self._entries[offset]

    def delete_before(self, offset: int) -> None:
        """Let retention take what lies before `offset`."""
        self.start = max(self.start, min(offset, self.end))

    def watch(self, reader: object, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever more can be read."""
        self._watchers[reader] = callback

    def unwatch(self, reader: object) -> None:
        """Call it no more."""
        self._watchers.pop(reader, None)

    def _tell_watchers(self) -> None:
        for callback in self._watchers.values():
            callback()
