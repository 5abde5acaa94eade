"""Tables of session events: files read by rows, their columns compared with the contract, and counts over their rows.

The readers of Parquet need the extra `frames` and are imported when a Parquet file is opened.
"""

from scoring.tables.checked_source import AS_IS, TableOptions, open_table
from scoring.tables.columns import (
    COMMAND_LINE,
    LEAST_FIELDS,
    PYTHON,
    ColumnReport,
    Renames,
    Wording,
    compare_columns,
    known_fields,
    parse_renames,
)
from scoring.tables.file_format import (
    BOM,
    CSV,
    EMPTY,
    EXPORT,
    GZIP,
    HEAD_BYTES,
    JSON,
    JSON_LINES,
    PARQUET,
    TEXT,
    UNKNOWN,
    recognise,
)
from scoring.tables.objects import SAMPLE_ROWS, ObjectSample, nested_path
from scoring.tables.readers import first_row, open_source
from scoring.tables.source import Chunk, FileError, Rows, Source, digest, file_kind
from scoring.tables.statistics import Statistics

__all__ = [
    "AS_IS",
    "BOM",
    "COMMAND_LINE",
    "CSV",
    "EMPTY",
    "EXPORT",
    "GZIP",
    "HEAD_BYTES",
    "JSON",
    "JSON_LINES",
    "LEAST_FIELDS",
    "PARQUET",
    "PYTHON",
    "SAMPLE_ROWS",
    "TEXT",
    "UNKNOWN",
    "Chunk",
    "ColumnReport",
    "FileError",
    "ObjectSample",
    "Renames",
    "Rows",
    "Source",
    "Statistics",
    "TableOptions",
    "Wording",
    "compare_columns",
    "digest",
    "file_kind",
    "first_row",
    "known_fields",
    "nested_path",
    "open_source",
    "open_table",
    "parse_renames",
    "recognise",
]
