"""Names that look like a field, and names that do not."""

import pytest

from scoring.contract import IDENTITIES, MODEL_FIELDS
from scoring.tables.similarity import similar_columns

FIELDS = (*MODEL_FIELDS, *IDENTITIES)


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("clicks", "click_events"),
        ("CLICK_EVENTS", "click_events"),
        (" click_events", "click_events"),
        ("click events", "click_events"),
        ("clickEvents", "click_events"),
        ("ClickEvents", "click_events"),
        ("click-events", "click_events"),
        ("event.click_events", "click_events"),
        ("session_click_events", "click_events"),
        ("click_events_total", "click_events"),
        ("click_event", "click_events"),
        ("num_clicks", "click_events"),
        ("event.clicks", "click_events"),
        ("touches", "touch_events"),
        ("mouse_movment", "mouse_movement"),
        ("timeOnPage", "time_on_page"),
        ("TransactionAmount", "transaction_amount"),
        ("amount", "transaction_amount"),
        ("browser", "browser_info"),
        ("deviceType", "device_type"),
        ("Screen Size", "screen_size"),
        ("city", "geolocation_city"),
        ("userId", "user_id"),
        ("sessionid", "session_id"),
        ('"language"', "language"),
    ],
)
def test_a_name_spelled_differently_is_found(column: str, field: str) -> None:
    assert similar_columns(FIELDS, [column]) == {field: column}


@pytest.mark.parametrize(
    "column", ["", "label", "foo", "event", "id", "count", "time", "device", "Unnamed: 0", "é", "_", "device_id"]
)
def test_another_name_is_not(column: str) -> None:
    found = similar_columns(FIELDS, [column])
    assert not found or (column, found) == ("device", {"device_type": "device"})


def test_a_column_stands_for_one_field_the_closest_first() -> None:
    columns = ["session_click_events", "clickEvents", "transaction"]
    found = similar_columns(["click_events", "transaction_amount", "transaction_date"], columns)
    assert found == {"click_events": "clickEvents"}


def test_thousands_of_names_take_no_time_to_speak_of() -> None:
    assert similar_columns(FIELDS, (f"feature_{i}" for i in range(10**9))) == {}
