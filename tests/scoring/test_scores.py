"""Scorer against the oracle, event by event, over whatever hypothesis thinks of."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import InvalidEvent, imputed_fields
from tests.scoring.conftest import Pair, quiet
from tests.support.oracle import scoring
from tests.support.oracle.agreement import assert_agrees
from tests.support.oracle.reading import CATEGORIES, DATE, IDENTITIES, MODEL_FIELDS, NUMBERS
from tests.support.strategies import (
    Event,
    any_bytes,
    any_events,
    encoded,
    events,
    invalid_events,
    mutated,
    near_threshold_events,
    oddly_written,
)


def assert_each_agrees(pairs: list[Pair], batch: list[Any], as_the_oracle_reads: list[Any] | None = None) -> None:
    for pair in pairs:
        said = pair.scorer.score_many(batch)
        assert len(said) == len(batch)
        for each, event in zip(said, as_the_oracle_reads or batch, strict=True):
            assert_agrees(each, scoring.judge(pair.model, event))


@given(st.lists(encoded(events()), max_size=10))
def test_valid_events_as_json(pairs: list[Pair], batch: list[bytes]) -> None:
    assert_each_agrees(pairs, batch)


@given(st.lists(encoded(near_threshold_events()), min_size=1, max_size=10))
def test_events_on_the_thresholds(pairs: list[Pair], batch: list[bytes]) -> None:
    assert_each_agrees(pairs, batch)


@given(st.lists(encoded(), max_size=10))
def test_valid_and_invalid_events_together(pairs: list[Pair], batch: list[bytes]) -> None:
    assert_each_agrees(pairs[:1], batch)


@given(st.lists(encoded(invalid_events()), min_size=3, max_size=6))
def test_events_with_several_faults(pairs: list[Pair], batch: list[bytes]) -> None:
    assert_each_agrees(pairs[:1], batch)


@given(st.lists(oddly_written(), min_size=1, max_size=4))
def test_json_in_an_unusual_hand(pairs: list[Pair], batch: list[bytes]) -> None:
    assert_each_agrees(pairs[:1], batch)


@given(st.lists(mutated(), min_size=1, max_size=4))
@settings(max_examples=150)
def test_json_with_broken_bytes(pairs: list[Pair], batch: list[bytes]) -> None:
    assert_each_agrees(pairs[:1], batch)


@given(st.lists(any_events(), max_size=10))
def test_events_as_dicts(pairs: list[Pair], batch: list[Event]) -> None:
    assert_each_agrees(pairs[:2], batch)


@given(st.lists(st.one_of(any_bytes(), any_events()), max_size=6))
def test_bytes_and_dicts_in_one_batch(pairs: list[Pair], batch: list[bytes | Event]) -> None:
    assert_each_agrees(pairs[:1], batch)


@given(st.lists(any_bytes(), min_size=1, max_size=6))
def test_an_event_alone_is_scored_as_in_a_batch(pairs: list[Pair], batch: list[bytes]) -> None:
    scorer = pairs[0].scorer

    for value, said in zip(batch, scorer.score_many(batch), strict=True):
        if isinstance(said, InvalidEvent):
            with pytest.raises(InvalidEvent) as refused:
                scorer.score(value)
            assert (refused.value.code, refused.value.field) == (said.code, said.field)
        else:
            assert scorer.score(value) == said


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 31, 32, 33, 63, 64, 65, 499, 500, 501, 1500])
def test_batches_of_every_size_are_scored_whole_and_in_order(pairs: list[Pair], size: int) -> None:
    batch = [quiet(click_events=i % 61, transaction_amount=i * 37 % 20000) for i in range(size)]
    batch[size // 2] = {"click_events": "many"}

    assert_each_agrees(pairs[:1], batch)


def test_a_batch_of_nothing_and_one_of_nothing_valid(pairs: list[Pair]) -> None:
    scorer = pairs[0].scorer

    assert scorer.score_many([]) == []
    assert [getattr(said, "code", None) for said in scorer.score_many([b"", b"[]"])] == ["not_json", "not_an_object"]


@given(st.lists(encoded(events()), min_size=1, max_size=6))
def test_the_columns_of_a_batch_say_the_same(pairs: list[Pair], batch: list[bytes]) -> None:
    scorer, model = pairs[0].scorer, pairs[0].model
    expected = [said for event in batch if isinstance(said := scoring.judge(model, event), scoring.Verdict)]

    decoded = scorer.decode(batch)
    scored = scorer.score_columns(decoded.columns)

    assert list(decoded.positions) == list(range(len(batch)))
    assert not decoded.invalid
    for row, said in enumerate(expected):
        assert scored.verdict(row).anomaly_score == said.anomaly_score
        assert imputed_fields(int(scored.gap_bits[row])) == said.imputed_fields
        assert [field for i, field in enumerate(CATEGORIES) if scored.unseen_bits[row] >> i & 1] == said.unseen_fields
        identities = [decoded.columns.identity(which, row) for which in range(len(IDENTITIES))]
        written = tuple(None if json is None else str(msgspec.json.decode(json)) for json in identities)
        assert written == tuple(map(said.identities.get, IDENTITIES))


# --- dicts of other than JSON's types ---------------------------------------------------------------------------------

INTEGERS: list[Callable[[Any], Any]] = [int, float, np.int64, np.uint64, np.float64, np.float32, np.int32]


@given(st.lists(events(), min_size=1, max_size=5), st.data())
def test_numpy_scalars_count_as_numbers(pairs: list[Pair], batch: list[Event], data: st.DataObject) -> None:
    dressed = [{key: numpy_like(data, key, value) for key, value in event.items()} for event in batch]

    assert_each_agrees(pairs[:1], dressed)


def numpy_like(data: st.DataObject, key: str, value: Any) -> Any:
    """A value that equals what the oracle reads of it."""
    if key in NUMBERS and value is not None:
        small = float(value).is_integer() and 0 <= value < 1 << 20
        return data.draw(st.sampled_from(INTEGERS if small else [np.float64, np.float32]))(value)
    if isinstance(value, str):
        return np.str_(value) if not value.endswith("\0") else value  # numpy drops a NUL at the end
    return value


@given(st.datetimes(), st.booleans())
def test_a_datetime_counts_with_its_own_wall_clock(pairs: list[Pair], moment: dt.datetime, as_timestamp: bool) -> None:
    value = pd.Timestamp(moment) if as_timestamp and 1700 < moment.year < 2200 else moment

    assert_each_agrees(pairs[:1], [quiet(transaction_amount=20000, transaction_date=value)])


@pytest.mark.parametrize(
    "zone", [dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30)), dt.timezone(-dt.timedelta(hours=8))]
)
@pytest.mark.parametrize("kind", [dt.datetime, pd.Timestamp])
@pytest.mark.parametrize("hour", [0, 1, 3, 4, 23])
def test_a_time_zone_does_not_shift_the_hour(all_high: Any, zone: dt.tzinfo, kind: Any, hour: int) -> None:
    event = quiet(transaction_amount=20000, transaction_date=kind(2025, 4, 18, hour, 59, tzinfo=zone))

    assert ("large_amount_odd_hour" in all_high.score(event).reason_codes) == (hour in (1, 3))


NOT_OF_A_DICT = [
    float("nan"), float("inf"), -float("inf"), np.float64("nan"), np.float32("inf"), np.bool_(True), True, 1 + 2j,
    b"3", [], {}, (), {3}, object(), np.array([3]), np.array(3.5), pd.NaT, pd.NA, 10**400,
    -(10**400), 10**5000, "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("value", NOT_OF_A_DICT, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("field", ["click_events", "timezone_offset", "device_type", DATE, "user_id"])
def test_whatever_a_dict_holds_only_that_event_is_refused(pairs: list[Pair], field: str, value: Any) -> None:
    before, said, after = pairs[0].scorer.score_many([quiet(), quiet(**{field: value}), quiet()])

    assert not isinstance(before, InvalidEvent)
    assert before == after
    if field == "user_id" and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**4300:
        assert before == said
    elif field == "device_type" and isinstance(value, str):
        assert not isinstance(said, InvalidEvent) or said.field in (field, None)
    elif np.ndim(value) or not isinstance(value, np.ndarray):
        assert isinstance(said, InvalidEvent)
        assert said.field == field


@pytest.mark.parametrize("event", [None, 3, 3.5, True, [], (), [b"{}"], object(), np.array([1]), {3}])
def test_what_is_neither_bytes_nor_a_dict_is_refused_alone(pairs: list[Pair], event: Any) -> None:
    before, said, after = pairs[0].scorer.score_many([b"{}", event, {}])

    assert before == after
    assert isinstance(said, InvalidEvent)


def test_ignored_entries_of_a_dict_may_be_anything(pairs: list[Pair]) -> None:
    strange: dict[Any, object] = {
        "label": {3},
        7: "seven",
        None: object(),
        "referrer": float("inf"),
        ("a",): np.zeros(3),
    }

    assert pairs[0].scorer.score(quiet() | strange) == pairs[0].scorer.score(quiet())


@pytest.mark.parametrize(
    "moment", [dt.datetime(2025, 4, 18, tzinfo=dt.UTC), dt.date(2025, 4, 18), np.datetime64("2025-04-18")]
)
@pytest.mark.parametrize("field", ["device_type", "user_id", "time_on_page"])
def test_a_moment_is_a_date_and_no_text(pairs: list[Pair], field: str, moment: Any) -> None:
    said = pairs[0].scorer.score_many([quiet(**{field: moment})])[0]

    assert isinstance(said, InvalidEvent)
    assert (said.code, said.field) == ("wrong_type", field)


def test_scoring_leaves_the_dict_as_it_was(pairs: list[Pair]) -> None:
    event = {"click_events": np.int64(3), DATE: pd.Timestamp("2025-04-18 03:00"), "device_type": None}
    kept = dict(event)

    pairs[0].scorer.score(event)

    assert event == kept
    assert all(event[key] is kept[key] for key in kept)


@given(near_threshold_events(), st.sets(st.sampled_from(MODEL_FIELDS)))
def test_a_gap_reads_like_its_imputed_value(pairs: list[Pair], event: Event, gaps: set[str]) -> None:
    for pair in pairs:
        imputed = {field: pair.files.imputation_values[field] for field in gaps}
        given_, gapped = pair.scorer.score_many([event | imputed, event | dict.fromkeys(gaps)])

        assert not isinstance(given_, InvalidEvent)
        assert not isinstance(gapped, InvalidEvent)
        assert gapped.anomaly_score == given_.anomaly_score
        assert gapped.reason_codes == given_.reason_codes
        assert gapped.imputed_fields == [field for field in MODEL_FIELDS if field in gaps]
