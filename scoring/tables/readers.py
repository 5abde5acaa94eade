"""Open a file of sessions by its kind: the same contract judges the rows of all."""

from itertools import islice
from pathlib import Path

import msgspec

from scoring.errors import needs_extra
from scoring.tables.columns import NO_RENAMES, Renames
from scoring.tables.file_format import check_contents, checked_kind
from scoring.tables.json_lines import open_json_lines
from scoring.tables.source import PLAIN, Dialect, Source


def open_source(
    path: Path,
    renames: Renames = NO_RENAMES,
    dialect: Dialect = PLAIN,
    *,
    kind: str | None = None,
    all_columns: bool = True,
) -> Source:
    """Open a file as a source whose rows decode with renamed columns.

    `kind` is for a file whose name does not tell it; without `all_columns` those of CSV that are no field are not kept.
    Raises FileError, now or while it is read; MissingExtra for all but JSON Lines without pyarrow.
    """
    kind = kind or checked_kind(path)
    if kind == "jsonl":
        check_contents(path, kind)
        return open_json_lines(path, renames)
    with needs_extra("files", "a CSV, Parquet or Arrow file"):
        from scoring.tables.arrow_files import open_arrow  # noqa: PLC0415 - pyarrow is an extra
        from scoring.tables.csv_files import open_csv  # noqa: PLC0415 - as above
    if kind != "csv" or dialect.is_utf8:
        check_contents(path, kind)
    if kind == "csv":
        return open_csv(path, dialect, renames, all_columns=all_columns)
    return open_arrow(path, kind, renames)


def first_row(path: Path, dialect: Dialect = PLAIN) -> dict[str, object]:
    """Return the first row that is an object; an empty dict where the first chunk has none. Raises FileError."""
    for chunk in islice(open_source(path, dialect=dialect).chunks(), 1):
        rows = chunk.read()
        for row in range(len(rows)):
            try:
                return msgspec.json.decode(rows.as_json([row])[0], type=dict[str, object])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
    return {}
