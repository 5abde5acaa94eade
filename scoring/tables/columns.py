"""Compare the columns of a table with the contract, and rename columns for reading (`--map FIELD=COLUMN`)."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.errors import TableError
from scoring.tables.similarity import similar_columns

Renames = Mapping[str, str]
"""Column of the file -> field of the contract. What is written keeps the file's names."""
NO_RENAMES: Final[Renames] = {}
LEAST_FIELDS: Final = 8
"""A table with fewer of the sixteen model fields is refused unless the user insists."""
_MOST_CHARACTERS: Final = 60  # of a column's name in a message
_KNOWN: Final = (*MODEL_FIELDS, *IDENTITIES)

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Wording:
    """How the user of a command, or of the Python API, renames a column and insists."""

    rename: str  # with {field} and {column}
    insist: str


COMMAND_LINE: Final = Wording("rename by --map {field}={column}", "--allow-missing")
PYTHON: Final = Wording("rename by frame.rename(columns={{{column!r}: {field!r}}})", "allow_missing=True")
TABLE: Final = Wording("rename {column!r} to {field}", "allow_missing=True")


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """What is missing from a table's columns, in the order of the contract."""

    missing: tuple[str, ...] = ()  # fields without a column
    similar: Mapping[str, str] = field(default_factory=dict)  # field -> the column that looks like it
    nested: str | None = None  # where the fields are, when they are inside another column

    @property
    def model_fields(self) -> int:
        """Return the number of model fields that have a column."""
        return len(MODEL_FIELDS) - len(self._missing_fields)

    @property
    def is_refused(self) -> bool:
        """Return True when the table has too few model fields to be scored by default."""
        return self.model_fields < LEAST_FIELDS

    @property
    def _missing_fields(self) -> list[str]:
        return [name for name in self.missing if name in MODEL_FIELDS]

    def refusal(self, wording: Wording) -> str:
        """Return one line: why the table is refused, and what to do."""
        present = self.model_fields
        hints = [f"the fields are inside {self.nested!r}: give those objects themselves"] if self.nested else []
        hints += [f"{self.lookalikes()}: {self._remedy(wording)}"] if self.similar else []
        parts = [
            f"{_number(present)} of the {len(MODEL_FIELDS)} model fields {'is' if present == 1 else 'are'} there",
            *hints,
            *([f"missing: {', '.join(self._missing_fields)}"] if present else []),
            f"{wording.insist} scores what is there",
        ]
        return "; ".join(parts)

    def notes(self, wording: Wording) -> list[str]:
        """Return lines about what is missing from a table that is scored."""
        fields, identities = self._missing_fields, [name for name in self.missing if name in IDENTITIES]
        gaps = [f"no column {', '.join(fields)}: imputed in every row"] if fields else []
        gaps += [f"no column {', '.join(identities)}: left out"] if identities else []
        alike = [f"{self.lookalikes()}: {self._remedy(wording)}"] if self.similar else []
        return [*(["; ".join(gaps)] if gaps else []), *alike]

    def lookalikes(self) -> str:
        """Return which columns look like which fields, as text; empty when none does."""
        return ", ".join(f"{_shorten(column)!r} looks like {name}" for name, column in self.similar.items())

    def _remedy(self, wording: Wording) -> str:
        if all(column.strip().strip("\"'") == name for name, column in self.similar.items()):
            return "remove the blanks or quotes around names and values"
        name, column = next(iter(self.similar.items()))
        short = _shorten(column)
        return wording.rename.format(field=name, column=shlex.quote(short) if wording is COMMAND_LINE else short)


def known_fields(columns: Iterable[str]) -> list[str]:
    """Return the model fields among the columns."""
    return [name for name in columns if name in MODEL_FIELDS]


def compare_columns(
    columns: Iterable[object],
    fields: Iterable[str] = _KNOWN,
    *,
    nested: str | None = None,
) -> ColumnReport:
    """Compare a table's columns with the fields of the contract, by their exact names."""
    names = dict.fromkeys(column if isinstance(column, str) else _joined(column) for column in columns)
    missing = tuple(name for name in fields if name not in names)
    others = (name for name in names if name not in _KNOWN)
    report = ColumnReport(missing, similar_columns(missing, others), nested)
    return report if report.is_refused else replace(report, nested=None)


def require_single_fields(names: Iterable[object]) -> list[object]:
    """Return the names of columns. Raises TableError for a field that is there more than once."""
    known = list(names)
    for name in MODEL_FIELDS + IDENTITIES:
        if known.count(name) > 1:
            raise TableError(f"the table has the column {name} more than once: keep one")
    return known


def check_columns(names: Iterable[object], nested: str | None, wording: Wording) -> list[str]:
    """Return lines about missing columns of a table. Raises TableError when too many are missing."""
    report = compare_columns(names, MODEL_FIELDS, nested=nested)
    if report.is_refused:
        raise TableError(report.refusal(wording))
    return report.notes(wording)


def _number(count: int) -> str:
    return f"only {count}" if count else "none"


def _joined(column: object) -> str:
    """Return the name of a column that is no text, such as ("event", "click_events") of several header rows."""
    return ".".join(map(str, column)) if isinstance(column, tuple) else str(column)


def _shorten(column: str) -> str:
    return column if len(column) <= _MOST_CHARACTERS else column[:_MOST_CHARACTERS] + "…"


def parse_renames(pairs: Iterable[str]) -> Renames:
    """Parse `FIELD=COLUMN` pairs. Raises ValueError, one line, for what is no such pair."""
    renames: dict[str, str] = {}
    for pair in pairs:
        field_name, equals, column = pair.partition("=")
        if not equals or not column:
            raise ValueError(f"expected FIELD=COLUMN, such as {MODEL_FIELDS[0]}=clicks")
        if field_name not in _KNOWN:
            raise ValueError(f"{field_name!r} is no field of a session event; they are {', '.join(_KNOWN)}")
        if field_name in renames.values() or column in renames:
            raise ValueError(f"{pair!r}: the field or the column is named twice")
        renames[column] = field_name
    return renames


def rename_keys(row: bytes, renames: Renames) -> bytes:
    """Rename the keys of a JSON object and keep its values byte for byte; return anything else unchanged.

    An object with both names then has the field twice: the last one counts, and both must be valid.
    """
    try:
        members = _members(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return row
    if renames.keys().isdisjoint(members):
        return row
    encode = msgspec.json.encode
    renamed = (b"%b:%b" % (encode(renames.get(name, name)), bytes(value)) for name, value in members.items())
    return b"{%b}" % b",".join(renamed)
