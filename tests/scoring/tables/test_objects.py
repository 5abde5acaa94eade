"""The keys of the first rows of JSON Lines."""

import json
from typing import Any

from scoring.contract import MODEL_FIELDS
from scoring.tables import COMMAND_LINE, ObjectSample

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
