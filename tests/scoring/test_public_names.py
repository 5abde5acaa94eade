"""What users import is documented; tests/pins.json lists it."""

import sys
from pathlib import Path
from types import FunctionType

import pytest

import scoring
from scoring import MissingExtra


def test_each_public_name_is_documented() -> None:
    named = {name: getattr(scoring, name) for name in scoring.__all__}
    undocumented = [name for name, each in named.items() if isinstance(each, type | FunctionType) and not each.__doc__]
    assert undocumented == []


def test_a_missing_extra_names_a_command_that_works_where_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(MissingExtra("training", "train")).endswith(": pip install 'session-scorer[train]'")
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[2])])  # a checkout that is not installed
    assert str(MissingExtra("training", "train")).endswith(": in the checkout, make setup or pip install '.[train]'")
