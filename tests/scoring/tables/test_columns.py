"""Which tables are refused, and what is said of those that are not."""

import pytest

from scoring.contract import MODEL_FIELDS
from scoring.tables import COMMAND_LINE, PYTHON, compare_columns


@pytest.mark.parametrize(("fields", "refused"), [(0, True), (7, True), (8, False), (16, False)])
def test_a_table_needs_eight_of_the_model_fields(fields: int, refused: bool) -> None:
    report = compare_columns([*MODEL_FIELDS[:fields], "user_id", "session_id", "label"])
    assert report.model_fields == fields
    assert report.is_refused == refused


def test_a_complete_table_has_no_notes() -> None:
    assert compare_columns([*MODEL_FIELDS, "user_id", "session_id", "Clicks"]).notes(COMMAND_LINE) == []


def test_what_is_missing_is_named_in_the_order_of_the_contract() -> None:
    lines = compare_columns([*MODEL_FIELDS[2:], "session_id", "clicks"]).notes(COMMAND_LINE)
    assert lines == [
        "no column click_events, scroll_events: imputed in every row; no column user_id: left out",
        "'clicks' looks like click_events: rename by --map click_events=clicks",
    ]


def test_a_refusal_says_what_looks_like_a_field_and_how_to_insist() -> None:
    report = compare_columns(["clicks", "Time On Page", "transaction_amount"])
    assert report.refusal(COMMAND_LINE).startswith(
        "only 1 of the 16 model fields is there; 'clicks' looks like click_events, 'Time On Page' looks like "
        "time_on_page: rename by --map click_events=clicks; missing: click_events, scroll_events, "
    )
    assert report.refusal(COMMAND_LINE).endswith("; --allow-missing scores what is there")
    assert "rename by frame.rename(columns={'clicks': 'click_events'})" in report.refusal(PYTHON)
    assert report.refusal(PYTHON).endswith("; allow_missing=True scores what is there")


def test_blanks_around_names_are_to_be_removed_from_the_cells_too() -> None:
    said = compare_columns(["click_events", " transaction_amount", " device_type"]).refusal(COMMAND_LINE)
    assert "' transaction_amount' looks like transaction_amount" in said
    assert "remove the blanks or quotes around names and values" in said


def test_a_name_that_a_shell_would_take_apart_is_quoted() -> None:
    assert "--map click_events='Click Events'" in compare_columns(["Click Events"]).refusal(COMMAND_LINE)


def test_fields_that_are_inside_are_named() -> None:
    said = compare_columns(["id"], nested="payload.after").refusal(COMMAND_LINE)
    assert said.startswith("none of the 16 model fields are there; the fields are inside 'payload.after'")


def test_names_that_are_no_text_are_looked_at_as_text() -> None:
    assert compare_columns([0, None, ("event", "click_events")]).similar == {"click_events": "event.click_events"}
