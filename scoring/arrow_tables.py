"""Score Arrow tables column by column, without event objects (the extra `files`)."""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import pyarrow as pa

from scoring.columns import Columns
from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.kernels import compiled_lines
from scoring.tables import CHUNK_ROWS, TABLE, Statistics, check_columns, nested_path, require_single_fields
from scoring.tables.arrow import compile_cells, decode_table, struct_members
from scoring.tables.threads import core_count, map_in_order
from scoring.tables.verdict_columns import OUTPUT, output_batch
from scoring.verdicts import Scored

logger: Final = logging.getLogger("scoring.arrow_tables")
Score = Callable[[Columns], Scored]

_KNOWN: Final = frozenset((*MODEL_FIELDS, *IDENTITIES))


def score_table(score: Score, data: Any, *, allow_missing: bool = False) -> "pa.Table | pa.RecordBatchReader":
    """Return verdict columns for a table of events, in its order (see Scorer.score_table)."""
    compile_cells()  # before there are threads
    compiled_lines()
    reader = open_reader(data)
    names = require_single_fields(reader.schema.names)
    if names and not allow_missing:  # without columns a table is empty
        for note in check_columns(names, nested_path(struct_members(reader.schema)), TABLE):
            logger.warning("columns of the table: %s", note)
    batches = map_in_order(partial(_with_statistics, score), _split(reader), core_count())
    scored = pa.RecordBatchReader.from_batches(OUTPUT, _noted(batches))
    return scored if isinstance(data, pa.RecordBatchReader) else scored.read_all()


def open_reader(data: Any) -> pa.RecordBatchReader:
    """Open anything that speaks Arrow's PyCapsule interface. Raises TypeError for what does not."""
    if isinstance(data, pa.RecordBatchReader):
        return data
    try:
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data)
        if hasattr(data, "__arrow_c_array__"):
            batch = pa.record_batch(data)
            return pa.RecordBatchReader.from_batches(batch.schema, [batch])
    except pa.ArrowInvalid as error:
        if "non-struct" not in str(error):  # of a column, such as a Series
            raise
    hint = ": collect() it first" if hasattr(data, "collect") else "; for events use score_many"
    raise TypeError(f"expected a table of Arrow, polars, pandas or duckdb, got {type(data).__name__}{hint}")


def _split(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        for start in range(0, batch.num_rows, CHUNK_ROWS):
            yield batch.slice(start, CHUNK_ROWS)


def score_batch(score: Score, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the columns `OUTPUT` for a batch, on this thread. Checks no columns and logs nothing."""
    return _with_statistics(score, batch)[0]


def _with_statistics(score: Score, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Statistics]:
    columns = {name: batch.column(i) for i, name in enumerate(batch.schema.names) if name in _KNOWN}
    decoded = decode_table(columns, batch.num_rows)
    scored = score(decoded.columns)
    return output_batch(decoded, scored, batch.num_rows), Statistics.of(scored)


def _noted(batches: Iterable[tuple[pa.RecordBatch, Statistics]]) -> Iterator[pa.RecordBatch]:
    """Log anything striking in the first rows."""
    for i, (batch, statistics) in enumerate(batches):
        for note in () if i else statistics.notes():
            logger.warning("values of the table: %s", note)
        yield batch
