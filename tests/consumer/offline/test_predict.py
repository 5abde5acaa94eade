"""Arrays taken apart into elements, byte for byte."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.offline.predict import elements
from scoring import InvalidEvent

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=5), st.sampled_from([None, 2]), st.booleans())
def test_the_elements_of_any_array_are_found(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    assert [json.loads(element) for element in elements(data)] == values


def test_elements_stay_byte_for_byte() -> None:
    assert elements(b' [ {"a" : 1.50}\t,NaN, "x,]\\"" ] \n') == [b'{"a" : 1.50}', b"NaN", b'"x,]\\""']


def test_an_element_that_is_missing_is_an_element_too() -> None:
    assert elements(b"[1,,2,]") == [b"1", b"", b"2", b""]
    assert elements(b"[]") == []


@pytest.mark.parametrize("data", [b"[", b"[1", b'["]', b"[1] 2", b"[1]]", b"[{]", b"[1}]"])
def test_an_array_without_end_is_no_json(data: bytes) -> None:
    with pytest.raises(InvalidEvent, match="not JSON"):
        elements(data)
