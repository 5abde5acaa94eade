"""Open a file and check that it is a table of session events, before its rows are scored."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from scoring.tables.columns import COMMAND_LINE, Renames, compare_columns
from scoring.tables.objects import SAMPLE_ROWS, ObjectSample
from scoring.tables.readers import open_source
from scoring.tables.source import PLAIN, Dialect, FileError, Source


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The user's options for the form and the columns of a file."""

    allow_missing: bool = False  # missing fields are intended, however many
    renames: Renames = field(default_factory=dict)
    dialect: Dialect = PLAIN  # of CSV


AS_IS: Final = TableOptions()


def open_table(
    path: Path, options: TableOptions = AS_IS, *, kind: str | None = None, all_columns: bool = True
) -> tuple[Source, list[str]]:
    """Open a file of events and check its columns, or the keys of its first rows when it has no columns.

    `kind` is for a file whose name does not tell it; without `all_columns` those of CSV that are no field are not kept.
    Returns the source and lines to report before it is scored. Raises FileError for a file that cannot be read, for a
    column to rename that is missing, and for a table with too few fields unless that is allowed.
    """
    source = open_source(path, options.renames, options.dialect, kind=kind, all_columns=all_columns)
    fault, notes = (_check_columns if source.is_table else _check_rows)(source, options)
    if fault is not None:
        raise FileError(f"{path}: {fault}")
    return source, [f"{path}: {note}" for note in notes]


_Findings = tuple[str | None, list[str]]
"""Why a table is refused, if it is, and what to report of one that is not."""


def _check_columns(source: Source, options: TableOptions) -> _Findings:
    columns = source.columns()
    report = compare_columns(map(source.field_of, columns), nested=source.nested)
    fault = _fault_of_renames(options.renames, columns)
    if fault is None and report.is_refused and not options.allow_missing:
        report = replace(report, nested=report.nested or _nested_in_text(source))
        fault = source.header_fault or report.refusal(COMMAND_LINE)
    return fault, report.notes(COMMAND_LINE)


def _nested_in_text(source: Source) -> str | None:
    """Return the column whose text is JSON with the fields inside, by the first row."""
    sample = ObjectSample()
    try:
        rows = (chunk.read() for chunk in islice(source.chunks(), 1))
        sample.add(row for part in rows if len(part) for row in part.as_json([0]))
    except FileError:  # the columns alone are reason enough
        return None
    return sample.nested_in


def _check_rows(source: Source, options: TableOptions) -> _Findings:
    sample = ObjectSample(options.renames)
    chunks = (chunk.read() for chunk in source.chunks())
    rows = (row for chunk in chunks for row in chunk.as_json(range(len(chunk))))
    sample.add(islice(rows, SAMPLE_ROWS))
    report, fault = sample.report(), None
    if sample.objects and not options.allow_missing:
        fault = _fault_of_renames(options.renames, sample.keys, both=True)
        if fault is None and report.is_refused:
            fault = report.refusal(COMMAND_LINE)
    return fault, [*report.notes(COMMAND_LINE), *sample.notes()]


def _fault_of_renames(renames: Renames, columns: Collection[str], *, both: bool = False) -> str | None:
    """Return what is wrong with renames; `both` names are fine in JSON Lines, whose rows differ."""
    for column, name in renames.items():
        if column not in columns:
            return f"no column {column!r} to rename"
        if name in columns and not both:
            return f"the column {name} is there: {column!r} cannot be renamed to it"
    return None
