"""Where the fields are inside an object."""

import json
from typing import Any

import pytest

from scoring.tables import nested_path

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
