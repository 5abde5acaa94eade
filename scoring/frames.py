"""Score a pandas DataFrame column by column, without event objects (the extra `frames`)."""

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Columns, from_table
from scoring.contract import CATEGORIES, DATE, IDENTITIES, LIMIT, MODEL_FIELDS, NUMERIC, least
from scoring.decoding import Decoded
from scoring.errors import InvalidEvent, MissingExtra, TableError
from scoring.local_time import NO_HOUR, hour_as_written
from scoring.tables import PYTHON, Statistics, compare_columns, nested_path
from scoring.validation import find_value_fault, out_of_range, plain_value, wrong_type
from scoring.verdicts import Scored, output_columns

try:
    import pandas as pd
except ImportError:
    raise MissingExtra("scoring DataFrames", "frames") from None

logger: Final = logging.getLogger("scoring.frames")
Faults = dict[int, InvalidEvent]
CHUNK: Final = 10_000  # rows scored at once: bounds memory


def score_frame(
    score: Callable[[Columns], Scored], frame: pd.DataFrame, *, allow_missing: bool = False
) -> pd.DataFrame:
    """Return verdict columns for a DataFrame of events, with its index (see Scorer.score_frame)."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"expected a pandas DataFrame, got {type(frame).__name__}; for events use score_many")
    if not allow_missing:
        _check_columns(frame)
    chunks = [_score_chunk(score, frame.iloc[at : at + CHUNK], at) for at in range(0, max(len(frame), 1), CHUNK)]
    return pd.concat(chunks) if len(chunks) > 1 else chunks[0]


def _check_columns(frame: pd.DataFrame) -> None:
    """Log missing columns. Raises TableError when too many are missing; an empty frame without columns is fine."""
    if not frame.shape[0] and not frame.shape[1]:
        return
    report = compare_columns(frame.columns, MODEL_FIELDS, nested=_nested(frame))
    if report.is_refused:
        raise TableError(report.refusal(PYTHON))
    for note in report.notes(PYTHON):
        logger.warning("columns of the DataFrame: %s", note)


def _nested(frame: pd.DataFrame) -> str | None:
    """Return where in a column of dicts the fields are, by the first row."""
    if not len(frame) or any(name in MODEL_FIELDS for name in frame.columns):
        return None
    return nested_path(dict(zip(frame.columns, frame.iloc[0].tolist(), strict=True)))


def _score_chunk(score: Callable[[Columns], Scored], frame: pd.DataFrame, start: int) -> pd.DataFrame:
    decoded = decode_frame(frame)
    scored = score(decoded.columns)
    if not start:
        for note in Statistics.of(scored).notes():
            logger.warning("values of the DataFrame: %s", note)
    faults = [decoded.invalid.get(row) for row in range(len(frame))]
    columns = {
        name: _spread(_array(values), decoded.positions, frame) for name, values in output_columns(scored).items()
    }
    columns["error_code"] = pd.Series([fault and fault.code for fault in faults], index=frame.index, dtype=object)
    columns["error_field"] = pd.Series([fault and fault.field for fault in faults], index=frame.index, dtype=object)
    return pd.DataFrame(columns, index=frame.index)


def _array(values: Sequence[Any] | NDArray[Any]) -> Any:
    """Return integers as pandas' nullable ones, other values as objects; lists are copied, for verdicts share them."""
    if isinstance(values, np.ndarray):
        return pd.array(values, dtype="Int64") if values.dtype == np.int64 else values
    objects = np.empty(len(values), dtype=object)
    objects[:] = [list(value) if isinstance(value, list) else value for value in values]
    return objects


def _spread(values: Any, positions: Sequence[int], frame: pd.DataFrame) -> "pd.Series[Any]":
    """Return the values at their rows of the frame, null in between."""
    spread: pd.Series[Any] = pd.Series(values, index=pd.Index(positions, dtype=np.int64)).reindex(range(len(frame)))
    spread.index = frame.index
    return spread.astype(object).where(spread.notna(), None) if spread.dtype == object else spread


def decode_frame(frame: pd.DataFrame) -> Decoded:
    """Decode the valid rows, and explain what is wrong with the others. NaN, NaT, None and pd.NA are gaps."""
    faults: Faults = {}
    numbers = np.array([_numbers(_column(frame, field), field, faults) for field in NUMERIC])
    categories = [_texts(_column(frame, field), field, faults) for field in CATEGORIES]
    hours = _hours(_column(frame, DATE), faults)
    for field in IDENTITIES:
        _check_identities(_column(frame, field), field, faults)
    valid = np.array([row not in faults for row in range(len(frame))], dtype=np.bool_)
    columns = from_table(numbers, categories, hours)  # a frame keeps its own identities
    return Decoded(columns.take(valid), np.flatnonzero(valid).tolist(), faults)


def _column(frame: pd.DataFrame, field: str) -> "pd.Series[Any]":
    named = frame.columns == field
    if not named.any():
        return pd.Series([None] * len(frame), dtype=object)
    if named.sum() > 1:
        raise TableError(f"the frame has the column {field} more than once: keep one")
    return frame[field].reset_index(drop=True)


def _read_values(column: "pd.Series[Any]", read: Callable[[Any], Any], absent: object, faults: Faults) -> list[Any]:
    """Read the values that are no gaps. What `read` refuses is the fault of its row, unless the row has one already."""
    read_values = []
    for row, (value, gap) in enumerate(zip(column.tolist(), column.isna().tolist(), strict=True)):
        try:
            read_values.append(absent if gap else read(value))
        except InvalidEvent as fault:
            faults.setdefault(row, fault)
            read_values.append(absent)
    return read_values


def _numbers(column: "pd.Series[Any]", field: str, faults: Faults) -> NDArray[np.float64]:
    def number(value: object) -> float:
        value = plain_value(field, value)
        if (fault := find_value_fault(field, value)) is not None:
            raise fault
        return float(value)  # type: ignore[arg-type]  # a number, as checked

    if pd.api.types.is_any_real_numeric_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = np.array(_read_values(column, number, np.nan, faults), dtype=np.float64)
    for row in np.flatnonzero((numbers < least(field)) | (numbers > LIMIT)).tolist():
        faults.setdefault(row, out_of_range(field))
    return numbers


def _texts(column: "pd.Series[Any]", field: str, faults: Faults) -> list[str | None]:
    def text(value: object) -> str:
        if not isinstance(value, str):
            raise wrong_type(field, value)
        return value

    return _read_values(column, text, None, faults)


def _hours(column: "pd.Series[Any]", faults: Faults) -> NDArray[np.int64]:
    def hour(value: object) -> int:
        if isinstance(value, date):
            return value.hour if isinstance(value, datetime) else 0
        value = plain_value(DATE, value)
        if (fault := find_value_fault(DATE, value)) is not None:
            raise fault
        return hour_as_written(str(value))

    if pd.api.types.is_datetime64_any_dtype(column):
        return np.asarray(column.dt.hour.fillna(NO_HOUR), dtype=np.int64)
    return np.array(_read_values(column, hour, NO_HOUR, faults), dtype=np.int64)


def _check_identities(column: "pd.Series[Any]", field: str, faults: Faults) -> None:
    def identity(value: object) -> None:
        # pandas turns a column of integers with gaps into floats: a whole float is such an integer
        whole = isinstance(value, float) and value.is_integer()
        if isinstance(value, bool | np.bool_) or not (whole or isinstance(value, str | int | np.integer)):
            raise wrong_type(field, value)

    if pd.api.types.is_integer_dtype(column) or pd.api.types.is_string_dtype(column):
        return
    _read_values(column, identity, None, faults)
