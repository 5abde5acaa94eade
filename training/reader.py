"""Read labelled sessions from a file: in chunks, checked against the contract, collected into columns."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns, concatenate
from scoring.contract import DATE, IDENTITIES
from scoring.decoding import decode
from scoring.tables import AS_IS, FileError, Rows, Source, TableOptions, digest, open_table
from training import TrainingError, duplicates
from training.labelled_sessions import LabelledSessions
from training.labels import LabelColumn

Progress = Callable[[float, int], object]
"""Receives the share that is read (0 to 1) and the number of rows so far."""


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading a labelled file."""

    label: LabelColumn = field(default_factory=LabelColumn)
    table: TableOptions = AS_IS
    to_train: bool = True  # require both classes
    most_rows: int | None = None  # stop after the chunk that reaches this many


ReadActivity = Callable[[str], AbstractContextManager[Progress]]
"""Shows the progress of one read, named by the argument."""


def _ignore(_share: float, _rows: int) -> None:
    pass


def silent_read(_name: str) -> AbstractContextManager[Progress]:
    """Show no progress."""
    return nullcontext(_ignore)


def read_sessions(
    path: Path, options: ReadOptions | None = None, reading: ReadActivity = silent_read
) -> LabelledSessions:
    """Read CSV, JSON Lines (both optionally .gz) or Parquet, by the file's name; of the identities keep the users.

    1 million rows of CSV took 20 s of one core and 0.6 GiB at most, 5 million 117 s and 2.5 GiB: only columns stay in
    memory. Raises TrainingError with the file and, for a fault in a row, its number: the first after the header is 1.
    """
    try:
        with reading(path.name) as progress:
            return _read(path, options or ReadOptions(), progress)
    except FileError as error:
        raise TrainingError(str(error)) from None
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}") from None


def _read(path: Path, options: ReadOptions, progress: Progress) -> LabelledSessions:
    source, remarks = open_table(path, options.table)
    if source.is_table:
        options.label.check(source.columns())
    collected = _Collector(options.label)
    for chunk in source.chunks():
        collected.add(chunk.read())
        progress(chunk.done, collected.rows)
        if options.most_rows is not None and collected.rows >= options.most_rows:
            break
    _check(collected, source, options)
    data = collected.sessions(digest(path) if options.most_rows is None else "")
    return replace(data, notes=(*(line.removeprefix(f"{path}: ") for line in remarks), *data.notes))


def _check(collected: "_Collector", source: Source, options: ReadOptions) -> None:
    """Raise TrainingError for invalid rows, for none at all, and for a missing class."""
    if collected.faults:
        _raise_first(collected, source, options)
    if not collected.rows:
        raise TrainingError("holds no row")
    labels = {int(value) for part in collected.label for value in np.unique(part)}
    if options.to_train and len(labels) < 2:
        only = labels.pop()
        if options.label.positive:
            matched = "every row's" if only else "no row's"
            raise TrainingError(f"{matched} {options.label.name} is a value of --positive: a model needs both classes")
        raise TrainingError(f"every {options.label.name} is {only}: a model needs sessions of both classes")


def _raise_first(collected: "_Collector", source: Source, options: ReadOptions) -> None:
    first = min(collected.faults.values(), key=attrgetter("row"))
    if first.field == options.label.name:
        options.label.check(source.columns())
    message = f"row {first.row}: {first.message}"
    if first.rows > 1:
        message += f" ({first.rows:,} such rows of {collected.rows:,}"
        message += "; write all dates in this one form)" if first.field == DATE else ")"
    if others := sum(fault.rows for fault in collected.faults.values()) - first.rows:
        message += f"; {others:,} more with other faults"
    raise TrainingError(message)


class _ExtraFields(msgspec.Struct):
    """Values of a row that scoring's decoder does not return."""

    attack_kind: Any = None
    transaction_date: str | None = None


_decode_extra: Final = msgspec.json.Decoder(_ExtraFields).decode


@dataclass
class _Fault:
    """The first row with a fault in one field, and the number of such rows."""

    field: str | None
    row: int
    message: str
    rows: int = 0


@dataclass
class _Collector:
    """The rows so far, field by field. Equal strings share one object."""

    column: LabelColumn
    rows: int = 0
    faults: dict[str | None, _Fault] = field(default_factory=dict)  # by field
    columns: list[Columns] = field(default_factory=list)
    dates: list[NDArray[np.datetime64]] = field(default_factory=list)
    label: list[NDArray[np.int8]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    session_ids: list[NDArray[np.int64]] = field(default_factory=list)  # hashes
    strings: dict[str, str] = field(default_factory=dict)

    def add(self, rows: Rows) -> None:
        """Add the rows of a chunk; record the faults of invalid ones."""
        numbered = list(enumerate(rows.events, self.rows + 1))
        readable = [(row, value) for row, (value, fault) in numbered if fault is None]
        decoded = decode([value for _, value in readable])
        for row, (_, fault) in numbered:
            if fault is not None:
                self._record_fault(row, fault.field, fault.message)
        for i, fault in decoded.invalid.items():
            self._record_fault(readable[i][0], fault.field, fault.message)
        valid = [readable[i] for i in decoded.positions]
        decode_label = self.column.decoder().decode
        label = [self.column.label_of(decode_label(value).label) for _, value in valid]
        for (row, _), value in zip(valid, label, strict=True):
            if value is None:
                self._record_fault(row, self.column.name, f"{self.column.name}: {self.column.expected}")
        self.rows += len(rows)
        if not self.faults:  # otherwise only the error message matters
            self._append(decoded.columns, [_decode_extra(value) for _, value in valid])
            self.label.append(np.array(label, dtype=np.int8))

    def _record_fault(self, row: int, name: str | None, message: str) -> None:
        fault = self.faults.setdefault(name, _Fault(name, row, message))
        if row < fault.row:
            fault.row, fault.message = row, message
        fault.rows += 1

    def _append(self, columns: Columns, extra: Sequence[_ExtraFields]) -> None:
        self.columns.append(columns.without_identities())
        self.dates.append(np.array([_wall_clock(row.transaction_date) for row in extra], dtype="datetime64[s]"))
        users, sessions = (columns.identity_column(i) for i in range(len(IDENTITIES)))
        self.users += self._shared("" if user is None else str(msgspec.json.decode(user)) for user in users)
        self.kinds += self._shared("" if row.attack_kind is None else str(row.attack_kind) for row in extra)
        hashes = [hash(str(msgspec.json.decode(session))) for session in sessions if session is not None]
        self.session_ids.append(np.array(hashes, dtype=np.int64))

    def _shared(self, texts: Iterable[str]) -> list[str]:
        return [self.strings.setdefault(text, text) for text in texts]

    def sessions(self, sha256: str) -> LabelledSessions:
        """Return all rows. There must be some, and none invalid."""
        columns = concatenate(self.columns)
        label = np.concatenate(self.label).astype(np.int64)
        users, dates = _objects(self.users), np.concatenate(self.dates)
        present = dates[~np.isnat(dates)]
        rows, session_ids = duplicates.fingerprints(columns, dates, users), np.concatenate(self.session_ids)
        return LabelledSessions(
            columns=columns,
            label=label,
            users=users,
            dates=dates,
            kinds=_objects(self.kinds) if any(self.kinds) else None,
            newest=str(present.max())[:10] if len(present) else "",
            sha256=sha256,
            notes=self.column.notes() + duplicates.describe_duplicates(rows, label, session_ids),
        )


def _wall_clock(date: str | None) -> str:
    """Return a date of the contract to the second, without its offset, in numpy's form."""
    if date is None:
        return "NaT"
    if date[10:11] not in ("T", " "):
        return date[:10]
    return date[:19] if date[16:17] == ":" else date[:16]


def _objects(values: list[str]) -> NDArray[np.object_]:
    return np.array(values, dtype=object)
