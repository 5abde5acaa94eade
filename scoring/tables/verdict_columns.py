"""Verdicts as columns of Arrow."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from scoring.decoding import Decoded
from scoring.errors import InvalidEvent
from scoring.tables import arrow_buffers
from scoring.verdicts import WIRE_FIELDS, Scored, unpack_verdict

Faults = Mapping[int, InvalidEvent]

_ARROW_TYPES: Final = {int: pa.int64(), float: pa.float64(), str: pa.string(), list: pa.list_(pa.string())}
VERDICT: Final = pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in WIRE_FIELDS.items()])
OUTPUT: Final = pa.schema([*VERDICT, ("error_code", pa.string()), ("error_field", pa.string())])
"""The columns of a scored table: null in an invalid row but for the last two, which are null in a valid one."""


def output_batch(decoded: Decoded, scored: Scored, rows: int) -> pa.RecordBatch:
    """Return the columns `OUTPUT` of n = `rows` rows: verdicts for valid ones, faults for the others."""
    verdicts = verdict_columns(scored)
    if len(decoded.positions) < rows:
        indices = np.zeros(rows, np.int64)
        indices[decoded.positions] = np.arange(len(decoded.positions))
        is_null = np.ones(rows, np.bool_)
        is_null[decoded.positions] = False
        spread = arrow_buffers.from_numpy(indices, pa.int64(), is_null)
        verdicts = [column.take(spread) for column in verdicts]
    return pa.RecordBatch.from_arrays([*verdicts, *_errors(decoded.invalid, rows)], schema=OUTPUT)


def verdict_columns(scored: Scored) -> list[pa.Array]:
    """Return the columns `VERDICT` of n rows."""
    meanings, indices = scored.distinct_meanings()
    unpacked = list(map(unpack_verdict, meanings))
    rows = arrow_buffers.from_numpy(indices, pa.int64())

    def column(name: str, kind: type) -> pa.Array:
        if kind is float:
            return arrow_buffers.from_numpy(scored.scores, pa.float64())
        if kind is int:
            return arrow_buffers.from_numpy(scored.labels, pa.int64())
        values = [getattr(fields, name) for fields in unpacked]
        return (arrow_buffers.from_lists if kind is list else arrow_buffers.from_strings)(values).take(rows)

    return [column(name, kind) for name, kind in WIRE_FIELDS.items()]


def _errors(faults: Faults, rows: int) -> Sequence[pa.Array]:
    """Return the codes and fields of n = `rows` rows, null where there is none."""
    if not faults:
        return [pa.nulls(rows, pa.string())] * 2
    codes: list[str | None] = [None] * rows
    fields: list[str | None] = [None] * rows
    for row, fault in faults.items():
        codes[row], fields[row] = fault.code, fault.field
    return [pa.array(values, pa.string()) for values in (codes, fields)]
