"""The keys of the first rows of JSON Lines, and the fields inside objects."""

import json
from typing import Any

import pytest

from scoring.contract import MODEL_FIELDS
from scoring.tables import COMMAND_LINE, ObjectSample, nested_path

WHOLE: dict[str, Any] = dict.fromkeys(MODEL_FIELDS)


def sample_of(*rows: object, renames: dict[str, str] | None = None) -> ObjectSample:
    sample = ObjectSample(renames or {})
    sample.add(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    return sample


def test_the_keys_of_all_rows_are_the_columns() -> None:
    halves = [dict.fromkeys(MODEL_FIELDS[:8]), dict.fromkeys(MODEL_FIELDS[8:])]
    assert sample_of(*halves).report().model_fields == 16


def test_rows_that_are_no_object_are_left_out() -> None:
    rows = (b"", b"[]", b"broken", b'{"a": "\xff"}', b"[" * 100_000, b'{"\xff": 1}', WHOLE)
    sample = sample_of(*rows)
    assert sample.report().model_fields == 16
    assert not sample_of(b"[]", b"broken").report().is_refused


def test_fields_that_are_inside_are_found() -> None:
    report = sample_of(*[{"event": WHOLE, "session_id": "s"}] * 3).report()
    assert report.is_refused
    assert "the fields are inside 'event'" in report.refusal(COMMAND_LINE)


def test_some_rows_without_fields_among_others_are_counted() -> None:
    sample = sample_of(WHOLE, {"foo": 1}, {"event": WHOLE}, {"event": WHOLE})
    assert not sample.report().is_refused
    assert sample.notes() == ["3 of the first 4 rows have no model field: their fields are inside 'event'"]


def test_renamed_keys_count() -> None:
    row = {f"x_{name}": 1 for name in MODEL_FIELDS}
    renames = {f"x_{name}": name for name in MODEL_FIELDS}
    assert sample_of(row, renames=renames).report().model_fields == 16
    assert sample_of(row, renames=renames).notes() == []


EVENT = {"click_events": 4}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"event": EVENT}, "event"),
        ({"data": [EVENT, EVENT]}, "data"),
        ({"row": 1, "error": {"code": "out_of_range"}, "event": {"click_events": -1}}, "event"),
        ({"schema": {"fields": []}, "payload": {"before": None, "after": EVENT, "op": "c"}}, "payload.after"),
        ({"topic": "t", "payload": json.dumps(EVENT)}, "payload"),
        ({"a": {"b": {"c": EVENT}}}, "a.b.c"),
        ({"a": {"b": EVENT}, "z": EVENT}, "z"),
        ({"jane@example.com": EVENT}, "*"),
    ],
)
def test_the_fields_are_found(value: dict[str, Any], path: str) -> None:
    assert nested_path(value) == path


@pytest.mark.parametrize(
    "value", [{}, {"foo": 1}, {"a": {}}, {"a": []}, {"a": "{broken"}, {"a": "[1]"}, {"a": {"b": {"c": {"d": EVENT}}}}]
)
def test_what_has_none_has_none(value: dict[str, Any]) -> None:
    assert nested_path(value) is None
