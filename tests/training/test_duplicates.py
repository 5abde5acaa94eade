"""Duplicate rows are counted by kind; distinct rows are not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.duplicates import describe_duplicates, fingerprints
from training.labelled_sessions import LabelledSessions
from training.reader import read_sessions
from training.synthetic.dataset import generate

Event = dict[str, Any]
Notes = Callable[[list[Event]], tuple[str, ...]]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    sessions = generate(400, 4)
    labelled = zip(sessions.events(), sessions.label.tolist(), strict=True)
    return [{**json.loads(event), "label": label} for event, label in labelled]


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    """What is said of these sessions, read from a file."""

    def noted(events: list[Event]) -> tuple[str, ...]:
        path = tmp_path / "labelled.jsonl"
        path.write_text("\n".join(map(json.dumps, events)))
        return read_sessions(path).notes

    return noted


def test_distinct_rows_have_no_notes(events: list[Event], notes: Notes) -> None:
    assert notes(events) == ()


def test_repeated_rows_and_ids_are_counted(events: list[Event], notes: Notes) -> None:
    assert notes(events + events[:3] + events[:1]) == (
        "4 of 404 rows repeat another one in every field and in their label",
        "4 of 404 rows have the session_id of another one",
    )


def test_a_different_session_id_is_still_a_repeat(events: list[Event], notes: Notes) -> None:
    again = {**events[0], "session_id": "new"}
    assert notes([*events, again]) == ("1 of 401 rows repeat another one in every field and in their label",)


def test_equal_rows_with_both_labels_are_counted(events: list[Event], notes: Notes) -> None:
    other = {**events[0], "label": 1 - events[0]["label"], "session_id": "new"}
    assert notes([*events, other]) == ("2 of 401 rows are equal to a row with the other label in every field",)


def test_rows_without_session_ids_share_none(events: list[Event], notes: Notes) -> None:
    assert notes([{name: value for name, value in event.items() if name != "session_id"} for event in events]) == (
        "no column session_id: left out",
    )


@pytest.mark.parametrize(
    "change",
    [{"user_id": "another"}, {"click_events": 999}, {"language": None}, {"transaction_date": "2026-08-03T00:00:07"}],
)
def test_a_row_differing_in_one_field_is_distinct(change: Event, events: list[Event], notes: Notes) -> None:
    assert notes([*events, {**events[0], **change, "session_id": "new"}]) == ()


def whole() -> LabelledSessions:
    return LabelledSessions.from_synthetic(generate(50, 4))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 49), min_size=2, max_size=80), st.data())
def test_counts_are_those_of_a_count_by_hand(places: list[int], data: st.DataObject) -> None:
    taken = whole().take(np.array(places))
    label = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(places), max_size=len(places))))
    pairs = list(zip(places, label.tolist(), strict=True))
    repeated = len(pairs) - len(set(pairs))
    both = sum((place, 1 - each) in pairs for place, each in pairs)
    said = describe_duplicates(
        fingerprints(taken.columns, taken.dates, taken.users), label, np.array([], dtype=np.int64)
    )
    n = len(places)
    expected = [f"{repeated} of {n} rows repeat another one in every field and in their label"] if repeated else []
    expected += [f"{both} of {n} rows are equal to a row with the other label in every field"] if both else []
    assert said == tuple(expected)
