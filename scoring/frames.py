"""Score a pandas DataFrame by its columns as Arrow arrays (the extra `frames`)."""

import logging
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from scoring.columns import Columns
from scoring.contract import IDENTITIES, MODEL_FIELDS, NUMERIC
from scoring.tables import CHUNK_ROWS, PYTHON, Statistics, check_columns, nested_path, require_single_fields
from scoring.tables.arrow import Column, decode_table
from scoring.tables.verdict_columns import output_batch
from scoring.verdicts import Scored

logger: Final = logging.getLogger("scoring.frames")
_PLAIN_NUMBERS: Final = {int, float, type(None)}


def score_frame(
    score: Callable[[Columns], Scored], frame: pd.DataFrame, *, allow_missing: bool = False
) -> pd.DataFrame:
    """Return verdict columns for a DataFrame of events, with its index (see Scorer.score_frame)."""
    return _as_frame(score_as_table(score, frame, allow_missing=allow_missing), frame.index)


def score_as_table(score: Callable[[Columns], Scored], frame: pd.DataFrame, *, allow_missing: bool = False) -> pa.Table:
    """Return verdict columns for a DataFrame of events as an Arrow table."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"expected a pandas DataFrame, got {type(frame).__name__}; for events use score_many")
    require_single_fields(frame.columns)
    if not allow_missing and (frame.shape[0] or frame.shape[1]):
        for note in check_columns(frame.columns, _nested(frame), PYTHON):
            logger.warning("columns of the DataFrame: %s", note)
    starts = range(0, max(len(frame), 1), CHUNK_ROWS)
    batches = [_score_chunk(score, frame.iloc[start : start + CHUNK_ROWS], is_first=not start) for start in starts]
    return pa.Table.from_batches(batches)


def _nested(frame: pd.DataFrame) -> str | None:
    """Return where in a column of dicts the fields are, by the first row."""
    if not len(frame) or any(name in MODEL_FIELDS for name in frame.columns):
        return None
    return nested_path(dict(zip(frame.columns, frame.iloc[0].tolist(), strict=True)))


def _score_chunk(score: Callable[[Columns], Scored], frame: pd.DataFrame, *, is_first: bool) -> pa.RecordBatch:
    known = [name for name in (*MODEL_FIELDS, *IDENTITIES) if name in frame.columns]
    decoded = decode_table({name: _as_arrow(frame[name], name) for name in known}, len(frame))
    scored = score(decoded.columns)
    for note in Statistics.of(scored).notes() if is_first else ():
        logger.warning("values of the DataFrame: %s", note)
    return output_batch(decoded, scored, len(frame))


def _as_arrow(column: "pd.Series[Any]", name: str) -> Column:
    """Return the column as an Arrow array, or as a list where Arrow refuses it or would read it differently.

    Objects are read by Arrow only if all are plain numbers, or text: it takes True for 1 and bytes for text, and moves
    dates of several zones into one.
    """
    kind = None
    if column.dtype == object:
        kind = pa.float64() if name in NUMERIC else pa.string()
        kinds = set(map(type, column))
        if not kinds <= _PLAIN_NUMBERS if name in NUMERIC else any(issubclass(kind, bytes) for kind in kinds):
            return column.tolist()
    try:
        array = pa.Array.from_pandas(column, type=kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return column.tolist()
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _as_frame(verdicts: pa.Table, index: "pd.Index[Any]") -> pd.DataFrame:
    """Return verdicts as pandas holds them: integers as nullable ones, lists and text as objects, None for null."""
    columns: dict[str, Any] = {}
    for name, kind in zip(verdicts.schema.names, verdicts.schema.types, strict=True):
        column = verdicts.column(name)
        if pa.types.is_integer(kind):
            columns[name] = pd.array(column.to_pylist(), dtype="Int64")
        elif pa.types.is_floating(kind):
            columns[name] = column.to_numpy()
        else:
            values = np.empty(len(column), dtype=object)
            values[:] = column.to_pylist()
            columns[name] = pd.Series(values, index=index, dtype=object)
    return pd.DataFrame(columns, index=index)
