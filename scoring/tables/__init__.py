"""Judge whether a table holds session events, before its rows are scored."""

from scoring.tables.columns import (
    COMMAND_LINE,
    LEAST_FIELDS,
    PYTHON,
    ColumnReport,
    Wording,
    judge_columns,
    known_fields,
)
from scoring.tables.header import HEADER_LINES, header_fault
from scoring.tables.nesting import nested_path
from scoring.tables.objects import SAMPLE_ROWS, ObjectSample
from scoring.tables.statistics import Statistics

__all__ = [
    "COMMAND_LINE",
    "HEADER_LINES",
    "LEAST_FIELDS",
    "PYTHON",
    "SAMPLE_ROWS",
    "ColumnReport",
    "ObjectSample",
    "Statistics",
    "Wording",
    "header_fault",
    "judge_columns",
    "known_fields",
    "nested_path",
]
