"""tests/pins.json lists what users rely on: options, settings, metrics, log lines, public names."""

import functools
import json

import pytest

from tools import pins

PINNED: dict[str, list[str]] = json.loads(pins.FILE.read_text(encoding="utf-8"))
REMEDY = (
    "users rely on these lines: undo the change, or, if it is meant, run python -m tools.pins; "
    "a log message that must change is listed in docs/upgrade.md, old → new"
)


@functools.cache
def found_pins() -> dict[str, list[str]]:
    return pins.pins()


@pytest.mark.parametrize("section", PINNED)
def test_what_users_rely_on_has_not_moved(section: str) -> None:
    pinned, found = set(PINNED[section]), set(found_pins()[section])
    gone = [f"- {line}" for line in sorted(pinned - found)]
    added = [f"+ {line}" for line in sorted(found - pinned)]
    assert not gone + added, "\n".join([f"{section}:", *gone, *added, REMEDY])


def test_every_section_is_pinned() -> None:
    assert found_pins().keys() == PINNED.keys(), REMEDY
