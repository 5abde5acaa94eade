"""Events as Python has them: what has one meaning is accepted, what has none is refused in words that help."""

import datetime as dt
import uuid
from collections import OrderedDict, UserDict, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from scoring import InvalidEvent, Scorer, Verdict
from scoring.scorer import CHUNK
from tests.scoring.conftest import quiet
from tests.support.oracle.reading import DATE

AMOUNT = "a number from -1e12 to 1e12"
SECONDS = "a number from 0 to 1e12"
LOCAL_TIME = "a date, YYYY-MM-DD[THH:MM[:SS[.f]]][Z|±HH:MM]"
IDENTITY = "a string or an integer"
GAP = "; a missing value is None, or no such key"


def refused(scorer: Scorer, event: Any) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as refusal:
        scorer.score(event)
    return refusal.value


@pytest.mark.parametrize(
    ("field", "value", "code", "came"),
    [
        ("time_on_page", float("nan"), "out_of_range", f"{SECONDS}, got NaN{GAP}"),
        ("time_on_page", np.float32("nan"), "out_of_range", f"{SECONDS}, got NaN{GAP}"),
        ("time_on_page", Decimal("NaN"), "out_of_range", f"{SECONDS}, got NaN{GAP}"),
        ("time_on_page", Decimal("sNaN"), "out_of_range", f"{SECONDS}, got NaN{GAP}"),
        ("time_on_page", float("inf"), "out_of_range", f"{SECONDS}, got a number beyond that"),
        ("time_on_page", -1, "out_of_range", f"{SECONDS}, got a number beyond that"),
        ("time_on_page", pd.NaT, "wrong_type", f"{SECONDS}, got NaT{GAP}"),
        ("time_on_page", pd.NA, "wrong_type", f"{SECONDS}, got NA{GAP}"),
        ("time_on_page", np.timedelta64("NaT", "s"), "wrong_type", f"{SECONDS}, got NaT{GAP}"),
        ("time_on_page", np.timedelta64(3, "ns"), "wrong_type", f"{SECONDS}, got timedelta64"),
        ("time_on_page", np.timedelta64(3, "s"), "wrong_type", f"{SECONDS}, got timedelta64"),
        ("time_on_page", dt.timedelta(seconds=3), "wrong_type", f"{SECONDS}, got timedelta"),
        ("time_on_page", {3}, "wrong_type", f"{SECONDS}, got set"),
        ("time_on_page", (3,), "wrong_type", f"{SECONDS}, got tuple"),
        ("time_on_page", uuid.UUID(int=3), "wrong_type", f"{SECONDS}, got UUID"),
        ("time_on_page", pa.scalar(3), "wrong_type", f"{SECONDS}, got Int64Scalar"),
        ("transaction_amount", 3 + 0j, "wrong_type", f"{AMOUNT}, got complex"),
        ("device_type", float("nan"), "wrong_type", f"a string, got NaN{GAP}"),
        ("device_type", b"Mobile", "wrong_type", "a string, got bytes"),
        (DATE, pd.NaT, "wrong_type", f"{LOCAL_TIME}, got NaT{GAP}"),
        (DATE, np.datetime64("NaT", "s"), "wrong_type", f"{LOCAL_TIME}, got NaT{GAP}"),
        (DATE, float("nan"), "wrong_type", f"{LOCAL_TIME}, got NaN{GAP}"),
        (DATE, pd.NA, "wrong_type", f"{LOCAL_TIME}, got NA{GAP}"),
        (DATE, np.timedelta64(3, "ns"), "wrong_type", f"{LOCAL_TIME}, got timedelta64"),
        (DATE, 1735700400, "wrong_type", f"{LOCAL_TIME}, got a number"),
        (DATE, dt.time(3), "wrong_type", f"{LOCAL_TIME}, got time"),
        (DATE, np.datetime64("2025-04"), "bad_date", f"{LOCAL_TIME}, got another text"),
        (DATE, np.datetime64("12025-04-18T03"), "bad_date", f"{LOCAL_TIME}, got another text"),
        ("user_id", uuid.UUID(int=3), "wrong_type", f"{IDENTITY}, got UUID; pass str(value)"),
        ("user_id", Decimal(7), "wrong_type", f"{IDENTITY}, got Decimal; pass int(value) or str(value)"),
        ("user_id", 7.0, "wrong_type", f"{IDENTITY}, got a number; pass int(value) or str(value)"),
        ("user_id", float("nan"), "wrong_type", f"{IDENTITY}, got NaN{GAP}"),
        ("session_id", pd.NaT, "wrong_type", f"{IDENTITY}, got NaT{GAP}"),
        ("session_id", np.timedelta64(3, "ns"), "wrong_type", f"{IDENTITY}, got timedelta64"),
        ("session_id", dt.datetime(2025, 4, 18, tzinfo=dt.UTC), "wrong_type", f"{IDENTITY}, got datetime"),
        (
            "session_id",
            "\udc80",
            "wrong_type",
            f"{IDENTITY}, got a string with a lone surrogate, which UTF-8 cannot hold",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)
def test_the_message_names_field_kind_and_remedy(
    pairs_scorer: Scorer, field: str, value: object, code: str, came: str
) -> None:
    fault = refused(pairs_scorer, quiet(**{field: value}))

    assert (fault.code, fault.field) == (code, field)
    assert fault.message == str(fault) == f"{field}: expected {came}"


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("2025-04-18T03"),
        np.datetime64("2025-04-18T03:59"),
        np.datetime64("2025-04-18T03:59:59", "ns"),
        np.datetime64("1970-02-03T03:59:59", "ps"),
        np.datetime64("1970-01-01T02:00:00", "fs"),
        pd.Timestamp("2025-04-18T03:00:00.123456789+05:30"),
        dt.datetime(2025, 4, 18, 3, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30, seconds=7))),
    ],
    ids=repr,
)
def test_a_moment_of_any_precision_has_its_hour(all_high: Scorer, value: object) -> None:
    reasons = all_high.score(quiet(transaction_amount=20000, **{DATE: value})).reason_codes

    assert reasons[0] == "large_amount_odd_hour"


@pytest.mark.parametrize("value", [np.datetime64("2025-04-18"), np.datetime64("2025-04-18", "W"), dt.date(2025, 4, 18)])
def test_a_day_is_hour_nought(all_high: Scorer, value: object) -> None:
    assert all_high.score(quiet(transaction_amount=20000, **{DATE: value})).reason_codes == ["very_large_amount"]


@pytest.mark.parametrize(
    "value", [Decimal("40.5"), Fraction(81, 2), np.float16(40.5), np.longdouble("40.5"), np.float64(40.5)], ids=repr
)
def test_every_kind_of_real_number_is_that_number(pairs_scorer: Scorer, value: object) -> None:
    assert pairs_scorer.score(quiet(time_on_page=value)) == pairs_scorer.score(quiet(time_on_page=40.5))


@pytest.mark.parametrize("kind", [OrderedDict, UserDict, MappingProxyType])
def test_any_mapping_is_an_event(pairs_scorer: Scorer, kind: Callable[[Any], Any]) -> None:
    assert pairs_scorer.score(kind(quiet())) == pairs_scorer.score(quiet())


def test_what_is_no_event_is_told_what_to_do(pairs_scorer: Scorer) -> None:
    frame = pd.DataFrame([quiet()])
    expected = {
        "expected a mapping or JSON, got DataFrame; score_frame takes a DataFrame": frame,
        "expected a mapping or JSON, got Series; pass its to_dict()": frame.iloc[0],
        "expected a mapping or JSON, got list": [quiet()],
        "expected a mapping or JSON, got NoneType": None,
    }
    assert {refused(pairs_scorer, event).message: event for event in expected.values()}.keys() == expected.keys()


EVENTS = [quiet(click_events=n) for n in range(3)]


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        iter,
        deque,
        lambda events: (event for event in events),
        lambda events: dict(enumerate(events)).values(),
        lambda events: pd.Series(events, index=[7, 7, 7]),
        lambda events: np.array(events, dtype=object),
        lambda events: map(dict, events),
    ],
)
def test_any_iterable_of_events_is_scored_in_order(pairs_scorer: Scorer, make: Callable[[Any], Any]) -> None:
    assert pairs_scorer.score_many(make(EVENTS)) == [pairs_scorer.score(event) for event in EVENTS]


def test_numpys_own_strings_and_bytes_are_json(pairs_scorer: Scorer) -> None:
    texts = [b'{"click_events": 1}', b'{"click_events": 2}']
    expected = pairs_scorer.score_many(texts)

    assert pairs_scorer.score_many(np.array(texts)) == expected
    assert pairs_scorer.score_many(np.array([text.decode() for text in texts])) == expected


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_a_generator_of_any_length_is_read_to_its_end(pairs_scorer: Scorer, size: int) -> None:
    read: list[int] = []

    def events() -> Iterator[dict[str, Any]]:
        for number in range(size):
            read.append(number)
            yield {"click_events": number}

    answers = pairs_scorer.score_many(events())

    assert len(answers) == len(read) == size
    assert all(isinstance(each, Verdict) for each in answers)


def test_what_an_iterable_raises_is_raised(pairs_scorer: Scorer) -> None:
    def events() -> Iterator[dict[str, Any]]:
        yield quiet()
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        pairs_scorer.score_many(events())


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (quiet(), "got one dict: use score"),
        (b"{}", "got one bytes: use score"),
        ("{}", "got one str: use score"),
        (memoryview(b"{}"), "got one memoryview: use score"),
        (pd.DataFrame([quiet()]), "got a DataFrame: use score_frame"),
        (pa.table({"click_events": [1]}), "got a Table: use score_frame for a pandas DataFrame; of other tables"),
    ],
)
def test_one_event_or_a_table_in_the_place_of_an_iterable_is_an_error(
    pairs_scorer: Scorer, events: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        pairs_scorer.score_many(events)


def test_a_frame_takes_a_duration_for_no_number_and_a_moment_for_a_date(all_high: Scorer) -> None:
    rows = pd.DataFrame([quiet(transaction_amount=20000)] * 2)
    durations = pd.Series([np.timedelta64(3, "ns"), 40], dtype=object)
    moments = pd.Series([np.datetime64("2025-04-18T03"), np.datetime64("1970-02-03T03", "ps")], dtype=object)

    assert all_high.score_frame(rows.assign(time_on_page=durations))["error_code"].tolist() == ["wrong_type", None]
    dated = all_high.score_frame(rows.assign(transaction_date=moments))
    assert dated["error_code"].tolist() == [None, None]
    assert [codes[0] for codes in dated["reason_codes"]] == ["large_amount_odd_hour"] * 2
