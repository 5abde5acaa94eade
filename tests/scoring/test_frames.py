"""score_frame against the oracle: every way in which a DataFrame may hold a gap, a number, a date."""

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import InvalidEvent, Scorer, TableError
from tests.scoring.conftest import Pair, quiet
from tests.support.oracle import scoring
from tests.support.oracle.agreement import assert_agrees
from tests.support.oracle.reading import DATE, IDENTITIES, MODEL_FIELDS, NUMBERS
from tests.support.strategies import Event, events, invalid_events, near_threshold_events

VERDICTS = ["predicted_label", "anomaly_score", "risk_level", "risk_reason", "reason_codes", "imputed_fields"]
COLUMNS = [*VERDICTS, "error_code", "error_field"]


def assert_frame_agrees(pair: Pair, frame: pd.DataFrame, rows: list[Event]) -> None:
    """Each row of what score_frame says against the oracle on the same event as a dict."""
    said = pair.scorer.score_frame(frame, allow_missing=True)
    assert list(said.columns) == COLUMNS
    assert said.index.equals(frame.index)
    for row, event in zip(said.to_dict("records"), rows, strict=True):
        expected = scoring.judge(pair.model, with_whole_identities(event))
        if row["error_code"] is None:
            assert row["error_field"] is None
            # contributions and base rate stand in no frame
            assert_agrees(
                SimpleNamespace(**{str(name): value for name, value in row.items()}), expected, with_contributions=False
            )
        else:
            assert all(pd.isna(row[name]) for name in VERDICTS)
            assert_agrees(InvalidEvent(row["error_code"], row["error_field"], ""), expected)


def with_whole_identities(event: Event) -> Event:
    """Return the event as a frame has it: pandas makes floats of integers beside gaps, so a whole float is one."""
    whole = {
        key: int(event[key]) for key in IDENTITIES if isinstance(event.get(key), float) and event[key].is_integer()
    }
    return {**event, **whole}


@st.composite
def tables(draw: st.DrawFn, source: st.SearchStrategy[Event]) -> tuple[pd.DataFrame, list[Event]]:
    """Rows and the frame of them, a column with objects as they are, gaps as any of the four kinds."""
    rows = draw(st.lists(source, min_size=1, max_size=6))
    gaps = st.sampled_from((None, float("nan"), pd.NaT, pd.NA))
    absent = draw(st.lists(st.sampled_from(MODEL_FIELDS), max_size=2))
    rows = [{key: row.get(key) for key in (*MODEL_FIELDS, *IDENTITIES) if key not in absent} for row in rows]
    columns = {
        key: pd.Series([draw(gaps) if row[key] is None else row[key] for row in rows], dtype=object) for key in rows[0]
    }
    return pd.DataFrame(columns), rows


@given(tables(st.one_of(events(), near_threshold_events())))
def test_columns_of_objects(pairs: list[Pair], table: tuple[pd.DataFrame, list[Event]]) -> None:
    for pair in pairs:
        assert_frame_agrees(pair, *table)


@given(tables(st.one_of(events(), invalid_events())))
def test_columns_of_objects_some_invalid(pairs: list[Pair], table: tuple[pd.DataFrame, list[Event]]) -> None:
    assert_frame_agrees(pairs[0], *table)


@given(st.lists(st.one_of(events(), near_threshold_events()), min_size=1, max_size=6))
def test_a_frame_as_pandas_makes_it_of_events(pairs: list[Pair], rows: list[Event]) -> None:
    rows = [{key: value for key, value in row.items() if key not in IDENTITIES} for row in rows]

    assert_frame_agrees(pairs[0], pd.DataFrame(rows), rows)


@given(st.lists(near_threshold_events(), min_size=1, max_size=6), st.data())
def test_columns_of_every_dtype(pairs: list[Pair], rows: list[Event], data: st.DataObject) -> None:
    for field in data.draw(st.sets(st.sampled_from(MODEL_FIELDS))):
        rows[-1] = rows[-1] | {field: None}
    frame = pd.DataFrame({field: pd.Series([row[field] for row in rows], dtype=object) for field in MODEL_FIELDS})

    for field in MODEL_FIELDS:
        frame[field] = data.draw(st.sampled_from(DRESSES[field]))(frame[field])

    assert_frame_agrees(pairs[0], frame, rows)


Dress = Callable[["pd.Series[Any]"], "pd.Series[Any]"]


def as_dtype(dtype: str) -> Dress:
    return lambda column: column.astype(dtype)  # type: ignore[call-overload]  # the stubs know dtypes by literals only


def as_times(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_datetime(column)


def as_zoned_times(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_datetime(column).dt.tz_localize("Asia/Kolkata")


def as_arrow_times(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_datetime(column).astype("timestamp[us][pyarrow]")


def as_seconds(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_datetime(column).astype("datetime64[s]")


WIDTHS = [as_dtype(name) for name in ("float64", "Float64", "double[pyarrow]", "object")]
STR = "str" if pd.__version__ >= "3" else "string"  # pandas 2 writes a gap as the text None
TEXTS = [as_dtype(name) for name in (STR, "string", "category", "string[pyarrow]", "object")]
TIMES = [
    as_dtype("object"),
    as_dtype(STR),
    as_dtype("category"),
    as_times,
    as_zoned_times,
    as_arrow_times,
    as_seconds,
]
DRESSES = {field: WIDTHS if field in NUMBERS else TIMES if field == DATE else TEXTS for field in MODEL_FIELDS}


@pytest.mark.parametrize(
    "dtype", ["int64", "int8", "uint16", "Int64", "float32", "Float32", "int32[pyarrow]", "category"]
)
def test_whole_numbers_of_every_width(pairs: list[Pair], dtype: str) -> None:
    rows = [quiet(click_events=n) for n in (0, 5, 6, 29, 30, 31)]
    frame = pd.DataFrame(rows)
    frame["click_events"] = as_dtype(dtype)(frame["click_events"])

    assert_frame_agrees(pairs[0], frame, rows)


def test_text_that_looks_like_a_gap_is_text_but_for_nan(pairs: list[Pair]) -> None:
    rows = [quiet(device_orientation=text) for text in ("none", "NA", "nan", "None", "null", "", "NaT", "<NA>")]

    assert_frame_agrees(pairs[0], pd.DataFrame(rows), rows)


@pytest.mark.parametrize("column", [
    pd.Series([True, False]), pd.Series([True, None], dtype="boolean"), pd.Series(["3", "4"]), pd.Series([b"3", b"4"]),
    pd.Series([[3], [4]]), pd.Series([{}, {}]), pd.Series([pd.Timestamp(0), pd.Timestamp(1)]), pd.Series([1 + 2j, 3]),
    pd.Series([np.array([1.0, np.nan]), np.array([])]), pd.Series(pd.to_timedelta([3, 4], unit="s")),
    pd.Series(["3", "4"], dtype="category"), pd.Series([object(), object()]),
], ids=lambda column: f"{column.dtype} of {type(column[0]).__name__}")  # fmt: skip
def test_what_is_no_number_is_the_wrong_type(pairs_scorer: Scorer, column: "pd.Series[Any]") -> None:
    said = pairs_scorer.score_frame(pd.DataFrame([quiet(), quiet()]).assign(time_on_page=column))

    assert said["error_code"].iloc[0] == "wrong_type"
    assert said["error_field"].iloc[0] == "time_on_page"


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e13, -1.0])
def test_numbers_out_of_range(pairs_scorer: Scorer, value: float) -> None:
    said = pairs_scorer.score_frame(pd.DataFrame([quiet(), quiet(time_on_page=value), quiet()]))

    assert said["error_code"].tolist() == [None, "out_of_range", None]
    assert said["error_field"].tolist() == [None, "time_on_page", None]


@pytest.mark.parametrize(
    "index",
    [
        [7, 7, 7],
        ["a", None, "b"],
        pd.date_range("2025-01-01", periods=3),
        pd.MultiIndex.from_tuples([(1, 2), (1, 3), (2, 2)]),
    ],
    ids=lambda index: type(index).__name__,
)
def test_the_index_is_kept_whatever_it_is(pairs_scorer: Scorer, index: Any) -> None:
    frame = pd.DataFrame([quiet(click_events=n) for n in (1, -1, 31)], index=index)

    said = pairs_scorer.score_frame(frame)

    assert said.index.equals(frame.index)
    assert said["error_code"].tolist() == [None, "out_of_range", None]
    assert said["anomaly_score"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("rows", [0, 1, 9_999, 10_000, 10_001, 25_000])
def test_frames_of_every_length(pairs_scorer: Scorer, rows: int) -> None:
    frame = pd.DataFrame([quiet(click_events=n) for n in range(40)]).iloc[np.arange(rows) % 40].set_axis(range(rows))

    said = pairs_scorer.score_frame(frame)

    assert list(said.columns) == COLUMNS
    assert len(said) == rows
    for n in range(min(rows, 40)):
        assert said["anomaly_score"].iloc[n::40].nunique() == 1


def test_an_empty_frame_has_no_verdicts_and_one_without_columns_is_all_gaps(pairs_scorer: Scorer) -> None:
    assert pairs_scorer.score_frame(pd.DataFrame()).empty
    said = pairs_scorer.score_frame(pd.DataFrame(index=range(2)), allow_missing=True)
    assert said["imputed_fields"].tolist() == [list(MODEL_FIELDS)] * 2


def test_columns_that_the_model_ignores_may_hold_anything(pairs_scorer: Scorer) -> None:
    plain = pd.DataFrame([quiet(), quiet()])
    strange = plain.assign(label=pd.Series([{3}, None], dtype=object), referrer=[np.nan, np.inf])
    strange = strange.rename(columns={"referrer": 7})

    pd.testing.assert_frame_equal(pairs_scorer.score_frame(strange), pairs_scorer.score_frame(plain))


def test_a_frame_is_left_as_it_was(pairs_scorer: Scorer) -> None:
    frame = pd.DataFrame([quiet(click_events=None), quiet(device_type=None)])
    kept = frame.copy(deep=True)

    pairs_scorer.score_frame(frame)

    pd.testing.assert_frame_equal(frame, kept)


def test_identities_may_be_text_or_whole_numbers_and_nothing_else(pairs_scorer: Scorer) -> None:
    good = pd.Series(["007", 7, np.int64(7), None, pd.NA, np.nan, "", 10**40], dtype=object)
    bad = pd.Series([True, 0.5, [], {}, b"7", np.bool_(False), dt.date(2025, 1, 1), 1j], dtype=object)
    rows = pd.DataFrame([quiet()] * 8)

    assert pairs_scorer.score_frame(rows.assign(user_id=good))["error_code"].isna().all()
    said = pairs_scorer.score_frame(rows.assign(session_id=bad))
    assert said["error_code"].tolist() == ["wrong_type"] * 8
    assert said["error_field"].tolist() == ["session_id"] * 8


def test_whole_numbers_with_gaps_are_identities_still(pairs_scorer: Scorer) -> None:
    frame = pd.DataFrame([quiet(user_id=7), quiet(user_id=None)])
    assert frame["user_id"].dtype == np.float64

    assert pairs_scorer.score_frame(frame)["error_code"].isna().all()


def test_a_column_of_dates_without_times_is_hour_nought(all_high: Scorer) -> None:
    days = pd.Series([dt.date(2025, 4, 18), None], dtype=object)
    said = all_high.score_frame(pd.DataFrame([quiet(transaction_amount=20000)] * 2).assign(**{DATE: days}))

    assert said["error_code"].isna().all()
    assert said["imputed_fields"].tolist() == [[], [DATE]]
    assert said["reason_codes"].iloc[0] == ["very_large_amount"]


def test_a_frame_of_another_schema_is_refused_unless_missing_columns_are_meant(pairs_scorer: Scorer) -> None:
    frame = pd.DataFrame({name.upper(): [1] for name in MODEL_FIELDS})
    with pytest.raises(TableError, match=r"none of the 16 model fields.*allow_missing=True"):
        pairs_scorer.score_frame(frame)
    assert pairs_scorer.score_frame(frame, allow_missing=True)["error_code"].isna().all()


def test_a_frame_that_lacks_a_few_columns_is_scored_and_each_is_named_in_the_log(
    pairs_scorer: Scorer, caplog: pytest.LogCaptureFixture
) -> None:
    frame = pd.DataFrame({name: [None] for name in MODEL_FIELDS[1:]}).assign(clicks=[3])
    assert len(pairs_scorer.score_frame(frame)) == 1
    missing, lookalike = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert f"no column {MODEL_FIELDS[0]}" in missing
    assert f"'clicks' looks like {MODEL_FIELDS[0]}" in lookalike


@pytest.mark.parametrize("given", [quiet(), [quiet()], pd.Series([1]), np.zeros((2, 16))])
def test_what_is_no_frame_is_one_line(pairs_scorer: Scorer, given: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a pandas DataFrame, got \w+; for events use score_many"):
        pairs_scorer.score_frame(given)


@pytest.mark.parametrize("name", ["language", DATE, "user_id"])
def test_bytes_among_objects_are_no_text_whatever_is_beside_them(pairs_scorer: Scorer, name: str) -> None:
    for beside in (b"2025-04-18", None, "2025-04-18", 1.5):
        values = pd.Series([b"2025-04-18", beside], dtype=object)
        scored = pairs_scorer.score_frame(pd.DataFrame([quiet(), quiet()]).assign(**{name: values}))
        assert (scored["error_code"].iloc[0], scored["error_field"].iloc[0]) == ("wrong_type", name)


def test_score_table_takes_a_frame_with_columns_that_arrow_refuses(pairs_scorer: Scorer) -> None:
    frame = pd.DataFrame([quiet(), quiet(click_events=True), quiet(click_events="3")], index=[7, 7, 7])
    table = pairs_scorer.score_table(frame)
    assert table.column_names == COLUMNS
    assert table["error_code"].to_pylist() == [None, "wrong_type", "wrong_type"]
    assert table["anomaly_score"].to_pylist()[0] == pairs_scorer.score_frame(frame)["anomaly_score"].iloc[0]
    with pytest.raises(TypeError, match="expected a pandas DataFrame, got Series"):
        pairs_scorer.score_table(frame["click_events"])
