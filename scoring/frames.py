"""DataFrames in and out, for notebooks and for training (the extra `frames`): column by column, no event objects."""

import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring.columns import from_table
from scoring.contract import CATEGORIES, DATE, IDENTITIES, LIMIT, MODEL_FIELDS, NUMERIC, least
from scoring.decoding import Decoded, plain_value
from scoring.errors import InvalidEvent, MissingExtra, TableError
from scoring.local_time import NO_HOUR, hour_as_written
from scoring.tables import PYTHON, Statistics, judge_columns, nested_path
from scoring.validation import fault_of, out_of_range, wrong_type
from scoring.verdicts import meaning

try:
    import pandas as pd
except ImportError:
    raise MissingExtra("scoring DataFrames", "frames") from None

if TYPE_CHECKING:
    from scoring.scorer import Scorer

logger: Final = logging.getLogger("scoring.frames")
Faults = dict[int, InvalidEvent]
CHUNK: Final = 10_000  # rows scored at once: bounds the memory of the columns in between


def score_frame(scorer: "Scorer", frame: pd.DataFrame, *, allow_missing: bool = False) -> pd.DataFrame:
    """Verdict columns for a DataFrame of events, with its index (see Scorer.score_frame)."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"expected a pandas DataFrame, got {type(frame).__name__}; for events use score_many")
    if not allow_missing:
        _judge(frame)
    chunks = [_score_chunk(scorer, frame.iloc[at : at + CHUNK], at) for at in range(0, max(len(frame), 1), CHUNK)]
    return pd.concat(chunks) if len(chunks) > 1 else chunks[0]


def _judge(frame: pd.DataFrame) -> None:
    """Log what columns are missing. Raises TableError when they are too many; of nothing at all nothing is asked."""
    if not frame.shape[0] and not frame.shape[1]:
        return
    report = judge_columns(frame.columns, MODEL_FIELDS, nested=_nested(frame))
    if report.is_refused:
        raise TableError(report.refusal(PYTHON))
    for note in report.notes(PYTHON):
        logger.warning("columns of the DataFrame: %s", note)


def _nested(frame: pd.DataFrame) -> str | None:
    """Where in a column of dicts the fields are, by the first row."""
    if not len(frame) or any(name in MODEL_FIELDS for name in frame.columns):
        return None
    return nested_path(dict(zip(frame.columns, frame.iloc[0].tolist(), strict=True)))


def _score_chunk(scorer: "Scorer", frame: pd.DataFrame, start: int) -> pd.DataFrame:
    decoded = decode_frame(frame)
    scored = scorer.score_columns(decoded.columns)
    if not start:
        for note in Statistics.of(scored).notes():
            logger.warning("values of the DataFrame: %s", note)
    at = decoded.positions
    said = list(map(meaning, scored.meanings().tolist()))
    faults = [decoded.invalid.get(row) for row in range(len(frame))]
    verdicts = {
        "predicted_label": _spread(pd.array(scored.labels, dtype="Int64"), at, frame),
        "anomaly_score": _spread(scored.scores, at, frame),
        "risk_level": _spread(_objects([each.level for each in said]), at, frame),
        "risk_reason": _spread(_objects([each.phrase for each in said]), at, frame),
        "reason_codes": _spread(_objects([list(each.codes) for each in said]), at, frame),
        "imputed_fields": _spread(_objects([list(each.imputed) for each in said]), at, frame),
        "error_code": pd.Series([fault and fault.code for fault in faults], index=frame.index, dtype=object),
        "error_field": pd.Series([fault and fault.field for fault in faults], index=frame.index, dtype=object),
    }
    return pd.DataFrame(verdicts, index=frame.index)


def _objects(values: Sequence[object]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _spread(values: Any, positions: Sequence[int], frame: pd.DataFrame) -> "pd.Series[Any]":
    """The values at their rows of the frame, null in between."""
    spread: pd.Series[Any] = pd.Series(values, index=pd.Index(positions, dtype=np.int64)).reindex(range(len(frame)))
    spread.index = frame.index
    return spread.astype(object).where(spread.notna(), None) if spread.dtype == object else spread


def decode_frame(frame: pd.DataFrame) -> Decoded:
    """The valid rows as columns, and what is wrong with the others. NaN, NaT, None and pd.NA are gaps."""
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


def _each(column: "pd.Series[Any]", read: Callable[[Any], Any], absent: object, faults: Faults) -> list[Any]:
    """`read` on each value that is no gap; what it refuses is a fault of its row unless the row had one before."""
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
        if (fault := fault_of(field, value)) is not None:
            raise fault
        return float(value)  # type: ignore[arg-type]  # a number, as checked

    if pd.api.types.is_any_real_numeric_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = np.array(_each(column, number, np.nan, faults), dtype=np.float64)
    for row in np.flatnonzero((numbers < least(field)) | (numbers > LIMIT)).tolist():
        faults.setdefault(row, out_of_range(field))
    return numbers


def _texts(column: "pd.Series[Any]", field: str, faults: Faults) -> list[str | None]:
    def text(value: object) -> str:
        if not isinstance(value, str):
            raise wrong_type(field, value)
        return value

    return _each(column, text, None, faults)


def _hours(column: "pd.Series[Any]", faults: Faults) -> NDArray[np.int64]:
    def hour(value: object) -> int:
        if isinstance(value, date):
            return value.hour if isinstance(value, datetime) else 0
        value = plain_value(DATE, value)
        if (fault := fault_of(DATE, value)) is not None:
            raise fault
        return hour_as_written(str(value))

    if pd.api.types.is_datetime64_any_dtype(column):
        return np.asarray(column.dt.hour.fillna(NO_HOUR), dtype=np.int64)
    return np.array(_each(column, hour, NO_HOUR, faults), dtype=np.int64)


def _check_identities(column: "pd.Series[Any]", field: str, faults: Faults) -> None:
    def identity(value: object) -> None:
        # pandas turns a column of integers with gaps into floats: a whole float is such an integer
        whole = isinstance(value, float) and value.is_integer()
        if isinstance(value, bool | np.bool_) or not (whole or isinstance(value, str | int | np.integer)):
            raise wrong_type(field, value)

    if pd.api.types.is_integer_dtype(column) or pd.api.types.is_string_dtype(column):
        return
    _each(column, identity, None, faults)
