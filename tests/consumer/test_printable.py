"""Text of anybody's that is printed: nothing in it steers a terminal, and JSON stays the same value."""

import json

from hypothesis import given
from hypothesis import strategies as st

from consumer.printable import escaped, json_text, printable

STEERING = "\x1b[2J \x7f \x9b31m \u202e \u2028 \ufeff \U000e0001"


def test_json_escapes_what_steers_a_terminal() -> None:
    text = json_text({"name": STEERING, "other": "Zürich 日本 😀"})
    assert text.isprintable()
    assert "Zürich 日本 😀" in text
    assert json.loads(text) == {"name": STEERING, "other": "Zürich 日本 😀"}


@given(st.text())
def test_any_text_comes_back_from_json(value: str) -> None:
    text = json_text([value])
    assert text.isprintable()
    assert json.loads(text) == [value]


def test_folded_json_keeps_its_lines() -> None:
    assert escaped('{\n "a": "\x7f"\n}') == '{\n "a": "\\u007f"\n}'


def test_plain_text_shows_that_something_was_there() -> None:
    assert printable("a\x1b[2Jb") == "a?[2Jb"
