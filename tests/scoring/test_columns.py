"""Columns say of each event what its fields say, however they were put together."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scoring.columns import Columns, Lookup, concatenate, from_events, from_table
from scoring.contract import CATEGORIES, IDENTITIES, NUMERIC, Event
from scoring.local_time import NO_HOUR
from tests.support.columns import assert_same, assert_same_fields, categories, identities

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
FIELDS = {
    **dict.fromkeys(NUMERIC, st.none() | st.floats(0, 1e12)),
    **dict.fromkeys(CATEGORIES, st.none() | st.sampled_from(["a", "b", "", "ü"]) | TEXT),
    "transaction_date": st.none() | st.sampled_from(["2026-11-23", "2026-11-23T10:15:04", "2026-11-23 23:59Z"]),
    **dict.fromkeys(IDENTITIES, st.none() | TEXT | st.integers() | st.just(-(10**4299))),
}
EVENTS = st.lists(st.builds(Event, **FIELDS), max_size=6)


@given(EVENTS)
def test_columns_hold_the_fields_of_each_event(events: list[Event]) -> None:
    columns = from_events(events)

    assert len(columns) == len(events)
    for row, event in enumerate(events):
        numbers = [None if np.isnan(number) else number for number in columns.numbers[:, row].tolist()]
        assert numbers == [getattr(event, field) for field in NUMERIC]
        assert [columns.category(i, row) for i in range(6)] == [getattr(event, field) for field in CATEGORIES]
        for which, field in enumerate(IDENTITIES):
            value = getattr(event, field)
            assert columns.identity(which, row) == (None if value is None else msgspec.json.encode(value))


@given(EVENTS, st.data())
def test_events_are_taken_by_mask_or_by_place(events: list[Event], data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))
    places = [row for row, kept in enumerate(mask) if kept]

    columns = from_events(events)

    expected = from_events([events[row] for row in places])
    assert_same(columns.take(np.array(mask, dtype=np.bool_)), expected)
    assert_same(columns.take(places), expected)
    assert columns.take(places).numbers.flags.c_contiguous


@given(st.lists(EVENTS, min_size=1, max_size=4))
def test_parts_make_the_columns_of_the_whole(parts: list[list[Event]]) -> None:
    whole = concatenate([from_events(part) for part in parts])

    assert_same(whole, from_events([event for part in parts for event in part]))
    assert all(len(set(strings)) == len(strings) for strings in whole.strings)


@given(EVENTS)
def test_a_table_makes_the_same_fields_without_identities(events: list[Event]) -> None:
    columns = from_events(events)

    table = from_table(columns.numbers, categories(columns), columns.hours)

    assert_same_fields(table, columns)
    assert_same(table, columns.without_identities())
    assert identities(table) == [[None] * len(events)] * 2


def test_strings_are_counted_and_looked_up() -> None:
    columns = _devices(["PC", None, "Tab", "PC"])

    assert columns.category_counts(0) == {"PC": 2, "Tab": 1, None: 1}
    assert columns.take([0, 1]).category_counts(0) == {"PC": 1, None: 1}
    table, starts = columns.look_up([Lookup({"PC": 5}, 9, 7), *[Lookup({}, 0, 1)] * 5])
    assert table[columns.codes + starts[:, None]].tolist() == [[5, 7, 9, 5], *[[1] * 4] * 5]
    assert columns.hours.tolist() == [NO_HOUR] * 4


def _devices(devices: list[str | None]) -> Columns:
    return from_events([Event(device_type=device) for device in devices])
