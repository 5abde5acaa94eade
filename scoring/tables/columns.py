"""What the columns of a table tell of it: which fields are there, which are missing or spelled differently."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.tables.similarity import similar_columns

LEAST_FIELDS: Final = 8
"""Of the sixteen model fields: a table with fewer is refused unless the user insists."""
_MOST_CHARACTERS: Final = 60  # of a column's name that are shown


@dataclass(frozen=True, slots=True)
class Wording:
    """How the user of a command, or of the Python API, renames a column and insists."""

    rename: str  # with {field} and {column}
    insist: str


COMMAND_LINE: Final = Wording("rename by --map {field}={column}", "--allow-missing")
PYTHON: Final = Wording("rename by frame.rename(columns={{{column!r}: {field!r}}})", "allow_missing=True")


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """What is missing from a table's columns, in the order of the contract."""

    missing: tuple[str, ...] = ()  # fields without a column
    similar: Mapping[str, str] = field(default_factory=dict)  # field -> the column that looks like it
    nested: str | None = None  # where the fields are, when they are inside another column

    @property
    def model_fields(self) -> int:
        """Return how many of the sixteen model fields have a column."""
        return len(MODEL_FIELDS) - len(self._missing_fields)

    @property
    def is_refused(self) -> bool:
        """Tell whether the table has too few model fields to be scored unasked."""
        return self.model_fields < LEAST_FIELDS

    @property
    def _missing_fields(self) -> list[str]:
        return [name for name in self.missing if name in MODEL_FIELDS]

    def refusal(self, wording: Wording) -> str:
        """Say in one line why the table is refused, and what to do."""
        found = self.model_fields
        hints = [f"the fields are inside {self.nested!r}: give those objects themselves"] if self.nested else []
        hints += [f"{self.lookalikes()}: {self._remedy(wording)}"] if self.similar else []
        parts = [
            f"{_number(found)} of the {len(MODEL_FIELDS)} model fields {'is' if found == 1 else 'are'} there",
            *hints,
            *([f"missing: {', '.join(self._missing_fields)}"] if found else []),
            f"{wording.insist} scores what is there",
        ]
        return "; ".join(parts)

    def notes(self, wording: Wording) -> list[str]:
        """Say, a line each, what is missing from a table that is scored."""
        fields, identities = self._missing_fields, [name for name in self.missing if name in IDENTITIES]
        gaps = [f"no column {', '.join(fields)}: imputed in every row"] if fields else []
        gaps += [f"no column {', '.join(identities)}: left out"] if identities else []
        alike = [f"{self.lookalikes()}: {self._remedy(wording)}"] if self.similar else []
        return [*(["; ".join(gaps)] if gaps else []), *alike]

    def lookalikes(self) -> str:
        """Say which columns look like which fields; nothing when none does."""
        return ", ".join(f"{_shown(column)!r} looks like {name}" for name, column in self.similar.items())

    def _remedy(self, wording: Wording) -> str:
        if all(column.strip().strip("\"'") == name for name, column in self.similar.items()):
            return "remove the blanks or quotes around names and values"
        name, column = next(iter(self.similar.items()))
        shown = _shown(column)
        return wording.rename.format(field=name, column=shlex.quote(shown) if wording is COMMAND_LINE else shown)


def known_fields(columns: Iterable[str]) -> list[str]:
    """Return the model fields among the columns."""
    return [name for name in columns if name in MODEL_FIELDS]


def judge_columns(
    columns: Iterable[object],
    fields: Iterable[str] = (*MODEL_FIELDS, *IDENTITIES),
    *,
    nested: str | None = None,
) -> ColumnReport:
    """Compare a table's columns with those of the contract. Names are compared as they are."""
    names = dict.fromkeys(column if isinstance(column, str) else _joined(column) for column in columns)
    missing = tuple(name for name in fields if name not in names)
    others = (name for name in names if name not in (*MODEL_FIELDS, *IDENTITIES))
    report = ColumnReport(missing, similar_columns(missing, others), nested)
    return report if report.is_refused else replace(report, nested=None)


def _number(found: int) -> str:
    return f"only {found}" if found else "none"


def _joined(column: object) -> str:
    """Return the name of a column that is no text, as ("event", "click_events") of several header rows."""
    return ".".join(map(str, column)) if isinstance(column, tuple) else str(column)


def _shown(column: str) -> str:
    return column if len(column) <= _MOST_CHARACTERS else column[:_MOST_CHARACTERS] + "…"
