"""A batch is decoded at once: what msgspec leaves open is looked for in all values together, and found in each."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import InvalidEvent, Scorer, explain, imputed_fields
from scoring.contract import MODEL_FIELDS, Event
from scoring.decoding import JoinedValues, decode, decode_any, decode_joined, parse
from scoring.kernels.json_text import PADDING
from scoring.local_time import NO_DATE, NO_HOUR, hour_as_written, hours_as_written, is_local_time
from scoring.rules import RULES
from tests.scoring.conftest import quiet
from tests.support.columns import assert_same
from tests.support.strategies import any_bytes, mutated

GOOD = json.dumps(quiet()).encode()
UNDATED = json.dumps({key: value for key, value in quiet().items() if key != "transaction_date"}).encode()
NULL = json.dumps(quiet(transaction_date=None)).encode()
TWICE = b'{"transaction_date":"%s",' + GOOD[1:]
SPELT = b'{"transaction\\u005fdate":"2026-13-01","t\\u0072ansaction_date":"2026-11-23T10:15:04"}'
HIDDEN = [
    (TWICE % b"2026-02-29T10:15:04", "bad_date"),
    (b'{"transaction_date":"2026-02-29","transaction_date":null}', "bad_date"),
    (SPELT, "bad_date"),
    (json.dumps(quiet(transaction_date="2026-11-23t10:15:04")).encode(), "bad_date"),
    (json.dumps(quiet(transaction_date="2026-02-29T10:15:04")).encode(), "bad_date"),
    (json.dumps(quiet(transaction_date="2026-11-23\n2026-11")).encode(), "bad_date"),
    (b'{"referrer":"\xff",' + GOOD[1:], "not_json"),
    (b'{"referrer":"\xe0\xa4",' + GOOD[1:], "not_json"),
    (b'{"click_events":-1}', "out_of_range"),
    (b"", "not_json"),
    (b"[" * 100_000, "too_deep"),
]
NOT_FAULTS = [TWICE % b"2026-11-23", NULL, UNDATED, '{"referrer":"\\u00e9 é",'.encode() + GOOD[1:]]


@pytest.mark.parametrize("others", [[GOOD], [GOOD, UNDATED], [GOOD, NULL], NOT_FAULTS, [b"{}"]], ids=len)
@pytest.mark.parametrize(("value", "code"), HIDDEN, ids=lambda each: str(each)[:50])
def test_one_fault_in_a_batch_is_found_wherever_it_stands(others: list[bytes], value: bytes, code: str) -> None:
    for place in range(len(others) + 1):
        decoded = decode([*others[:place], value, *others[place:]])

        assert {position: fault.code for position, fault in decoded.invalid.items()} == {place: code}
        assert_same(decoded.columns, decode(others).columns)
        assert list(decoded.positions) == [i for i in range(len(others) + 1) if i != place]


def test_faults_of_every_kind_stand_side_by_side() -> None:
    values = [each for value, _ in HIDDEN for each in (value, GOOD, value)]

    decoded = decode(values)

    codes = [code for _, code in HIDDEN for _ in range(2)]
    assert [fault.code for fault in decoded.invalid.values()] == codes
    assert list(decoded.positions) == list(range(1, len(values), 3))
    assert_same(decoded.columns, decode([GOOD] * len(HIDDEN)).columns)


def test_where_all_are_valid_the_positions_are_a_range() -> None:
    assert decode([GOOD] * 3).positions == range(3)
    assert decode([*NOT_FAULTS]).positions == range(len(NOT_FAULTS))
    assert decode([]).positions == range(0)


@given(st.lists(st.one_of(any_bytes(), mutated(), st.sampled_from([value for value, _ in HIDDEN[:-1]])), max_size=8))
def test_a_batch_says_what_each_event_says_alone(batch: list[bytes]) -> None:
    together = decode(batch)

    alone = [read_alone(value) for value in batch]
    faults = {place: each for place, each in enumerate(alone) if isinstance(each, InvalidEvent)}
    assert together.invalid.keys() == faults.keys()
    assert [vars(fault) for fault in together.invalid.values()] == [vars(fault) for fault in faults.values()]
    assert list(together.positions) == [place for place in range(len(batch)) if place not in faults]
    valid = [msgspec.json.encode(each) for each in alone if isinstance(each, Event)]
    assert_same(together.columns, decode(valid).columns)


def read_alone(value: bytes) -> Event | InvalidEvent:
    try:
        return parse(value)
    except InvalidEvent as fault:
        return fault


PARTS = st.tuples(
    st.sampled_from(["2026-11-23", "2024-02-29", "2026-02-29", "0000-01-01", "2026-1-23"]),
    st.sampled_from(["T10:15:04", " 03:00:00", "t10:15:04", "T24:00:00", "T10:15", "T23:59:60", "", "T٠٠:00:00"]),
    st.sampled_from(["", "", "", "Z", "+0530", ".5", "\n", "\0"]),
)
TEXTS = st.one_of(st.none(), PARTS.map("".join), st.text(max_size=19))


@given(st.lists(TEXTS, max_size=5), st.integers(0, 3))
def test_hours_of_many_dates_are_those_of_each(texts: list[str | None], usual: int) -> None:
    texts += ["2026-11-23T10:15:04"] * usual

    expected = [
        NO_HOUR if text is None else hour_as_written(text) if is_local_time(text) else NO_DATE for text in texts
    ]
    assert hours_as_written(texts).tolist() == expected


@given(st.sets(st.sampled_from(MODEL_FIELDS)))
def test_gap_bits_name_the_imputed_fields(pairs_scorer: Scorer, gaps: set[str]) -> None:
    event = {field: value for field, value in quiet().items() if field not in gaps}

    scored = pairs_scorer.score_columns(decode_any([quiet(), event]).columns)

    assert imputed_fields(int(scored.gap_bits[0])) == []
    assert imputed_fields(int(scored.gap_bits[1])) == [field for field in MODEL_FIELDS if field in gaps]


def test_rules_name_the_reasons(all_high: Scorer) -> None:
    event = quiet(click_events=31, mouse_movement=1500)

    scored = all_high.score_columns(decode_any([event]).columns)

    codes = ["very_many_clicks", "extreme_mouse_movement"]
    assert [code for i, code in enumerate(RULES) if scored.rules[0] >> i & 1] == codes
    assert explain(int(scored.rules[0]), int(scored.levels[0])).codes == codes


@given(st.lists(any_bytes(), max_size=6), st.binary(max_size=9))
def test_values_in_one_text_decode_as_a_list(batch: list[bytes], between: bytes) -> None:
    sizes = np.array([*map(len, batch)], np.int64)
    ends = (sizes + len(between)).cumsum()

    text = bytearray(between.join([b"", *batch]) + between + bytes(PADDING))
    decoded = decode_joined(JoinedValues(text, ends - sizes, ends))

    expected = decode(batch)
    assert_same(decoded.columns, expected.columns)
    assert list(decoded.positions) == list(expected.positions)
    assert list(decoded.left_positions) == list(expected.left_positions)
    assert [str(fault) for fault in decoded.invalid.values()] == [str(fault) for fault in expected.invalid.values()]


def test_contributions_can_be_left_out(all_high: Scorer) -> None:
    columns = decode([GOOD, NULL]).columns

    assert list(all_high.score_columns(columns).contributions) == [0, 1]
    without = all_high.score_columns(columns, contributions=False)
    assert without.contributions == {}
    assert without.scores.tolist() == all_high.score_columns(columns).scores.tolist()
