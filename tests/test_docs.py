"""What the docs name is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_that_the_promises_rest_on_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "delivery.md").read_text()))
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert named <= set(re.findall(r"def (test_\w+)", tests))
