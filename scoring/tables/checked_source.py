"""A file judged before its rows are scored: is this a table of session events?"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from scoring.tables import COMMAND_LINE, SAMPLE_ROWS, ObjectSample, judge_columns
from scoring.tables.column_map import Renames
from scoring.tables.readers import open_source
from scoring.tables.source import FileError, Source


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What the user says of a file's columns."""

    allow_missing: bool = False  # that fields are missing is meant, however many
    renames: Renames = field(default_factory=dict)


AS_IS: Final = TableOptions()


def open_table(path: Path, options: TableOptions = AS_IS) -> tuple[Source, list[str]]:
    """Open a file of events and judge it by its columns, or by its first rows where only those name the columns.

    Returns the source and what is to be reported before it is scored, a line each. Raises FileError for a file that
    cannot be read, a column to rename that is not there, and a table with too few fields unless that is allowed.
    """
    source = open_source(path, options.renames)
    fault, notes = (_judge_columns if source.is_table else _judge_rows)(source, options)
    if fault is not None:
        raise FileError(f"{path}: {fault}")
    return source, [f"{path}: {note}" for note in notes]


_Judgement = tuple[str | None, list[str]]
"""Why a table is refused, if it is, and what is to be reported of one that is not."""


def _judge_columns(source: Source, options: TableOptions) -> _Judgement:
    columns = source.columns()
    report = judge_columns(map(source.field, columns), nested=source.nested)
    fault = _fault_of_renames(options.renames, columns)
    if fault is None and report.is_refused and not options.allow_missing:
        report = replace(report, nested=report.nested or _nested_in_text(source))
        fault = source.header_fault or report.refusal(COMMAND_LINE)
    return fault, report.notes(COMMAND_LINE)


def _nested_in_text(source: Source) -> str | None:
    """Return the column whose text is JSON with the fields inside, by the first row."""
    sample = ObjectSample()
    try:
        sample.add(row for chunk in islice(source.chunks(), 1) for row, _ in chunk.read().values[:1])
    except FileError:  # the columns alone are reason enough
        return None
    return sample.nested_in


def _judge_rows(source: Source, options: TableOptions) -> _Judgement:
    sample = ObjectSample(options.renames)
    rows = (row for chunk in source.chunks() for row, _ in chunk.read().values)
    sample.add(islice(rows, SAMPLE_ROWS))
    report, fault = sample.report(), None
    if sample.objects and not options.allow_missing:
        fault = _fault_of_renames(options.renames, sample.keys, both=True)
        if fault is None and report.is_refused:
            fault = report.refusal(COMMAND_LINE)
    return fault, [*report.notes(COMMAND_LINE), *sample.notes()]


def _fault_of_renames(renames: Renames, columns: Collection[str], *, both: bool = False) -> str | None:
    """Say what is wrong with renames; `both` names may be there, of JSON Lines in different rows."""
    for theirs, ours in renames.items():
        if theirs not in columns:
            return f"no column {theirs!r} to rename"
        if ours in columns and not both:
            return f"the column {ours} is there: {theirs!r} cannot be renamed to it"
    return None
