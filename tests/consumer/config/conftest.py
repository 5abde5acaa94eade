"""No setting of ours in the environment."""

import os

import pytest


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SESSION_SCORER_", "KAFKA_")):
            monkeypatch.delenv(name)
