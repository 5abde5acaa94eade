"""Rows of labelled files gathered into columns, and what is wrong with those that are at fault."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns, concatenate
from scoring.contract import IDENTITIES
from scoring.decoding import decode
from scoring.tables import Rows
from training import duplicates
from training.labelled import Labelled
from training.labels import LabelColumn


class _Rest(msgspec.Struct):
    """What a row holds beside the fields that the decoder gives."""

    attack_kind: Any = None
    transaction_date: str | None = None


_rest: Final = msgspec.json.Decoder(_Rest).decode


@dataclass
class Fault:
    """A kind of fault: the first row that has it, and how many do."""

    row: int
    message: str
    rows: int = 0


@dataclass
class Gathered:
    """The rows so far, field by field. Equal strings are kept once."""

    column: LabelColumn = field(default_factory=LabelColumn)
    rows: int = 0
    faults: dict[str | None, Fault] = field(default_factory=dict)  # by field
    columns: list[Columns] = field(default_factory=list)
    dates: list[NDArray[np.datetime64]] = field(default_factory=list)
    label: list[NDArray[np.int8]] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    session_ids: list[NDArray[np.int64]] = field(default_factory=list)  # hashes
    strings: dict[str, str] = field(default_factory=dict)

    def add(self, rows: Rows) -> None:
        """Take in the rows of a chunk; of those at fault, what is wrong."""
        whole = [(row, value) for row, (value, fault) in enumerate(rows.events, self.rows + 1) if fault is None]
        decoded = decode([value for _, value in whole])
        for row, (_, fault) in enumerate(rows.events, self.rows + 1):
            if fault is not None:
                self._fault(row, fault.field, fault.message)
        for place, fault in decoded.invalid.items():
            self._fault(whole[place][0], fault.field, fault.message)
        rest = [_rest(whole[place][1]) for place in decoded.positions]
        read_label = self.column.decoder().decode
        label = [self.column.label_of(read_label(whole[place][1]).label) for place in decoded.positions]
        for place, each in zip(decoded.positions, label, strict=True):
            if each is None:
                self._fault(whole[place][0], self.column.name, f"{self.column.name}: {self.column.expected}")
        self.rows += len(rows.values)
        if not self.faults:  # else nothing will come of it but the complaint
            self._keep(decoded.columns, rest)
            self.label.append(np.array(label, dtype=np.int8))

    def _fault(self, row: int, name: str | None, message: str) -> None:
        fault = self.faults.setdefault(name, Fault(row, message))
        if row < fault.row:
            fault.row, fault.message = row, message
        fault.rows += 1

    def _keep(self, columns: Columns, rest: Sequence[_Rest]) -> None:
        self.columns.append(columns.without_identities())
        self.dates.append(np.array([_wall_clock(each.transaction_date) for each in rest], dtype="datetime64[s]"))
        users, sessions = (columns.identity_column(which) for which in range(len(IDENTITIES)))
        self.users += [self._once("" if user is None else str(msgspec.json.decode(user))) for user in users]
        self.kinds += [self._once("" if each.attack_kind is None else str(each.attack_kind)) for each in rest]
        named = [hash(str(msgspec.json.decode(session))) for session in sessions if session is not None]
        self.session_ids.append(np.array(named, dtype=np.int64))

    def _once(self, text: str) -> str:
        return self.strings.setdefault(text, text)

    def labelled(self, sha256: str) -> Labelled:
        """All rows. There must be some, and none at fault."""
        columns = concatenate(self.columns)
        label = np.concatenate(self.label).astype(np.int64)
        users, dates = _objects(self.users), np.concatenate(self.dates)
        known = dates[~np.isnat(dates)]
        prints = duplicates.fingerprints(columns, users, dates)
        return Labelled(
            columns=columns,
            label=label,
            users=users,
            dates=dates,
            kinds=_objects(self.kinds) if any(self.kinds) else None,
            newest=str(known.max())[:10] if len(known) else "",
            sha256=sha256,
            notes=self.column.notes() + duplicates.describe(prints, label, np.concatenate(self.session_ids)),
        )


def _wall_clock(date: str | None) -> str:
    """A date of the contract to the second, without its offset, as numpy reads it."""
    if date is None:
        return "NaT"
    if date[10:11] not in ("T", " "):
        return date[:10]
    return date[:19] if date[16:17] == ":" else date[:16]


def _objects(values: list[str]) -> NDArray[np.object_]:
    return np.array(values, dtype=object)
