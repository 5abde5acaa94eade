"""The engines' modules where the engines are not installed; tests/engines has the rest."""

import importlib
import sys

import pytest

from scoring import MissingExtra


@pytest.mark.parametrize(("module", "package"), [("spark", "pyspark.sql"), ("ray", "ray.data")])
def test_missing_engine_names_its_extra(module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"scoring.engines.{module}", raising=False)
    with pytest.raises(MissingExtra, match=rf"\[{module}\]"):
        importlib.import_module(f"scoring.engines.{module}")
