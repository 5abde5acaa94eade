"""Fail when a test was skipped, or when no test used a real broker: `none_skipped.py REPORT`, pytest's JUnit XML."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def complaint(report: Path) -> str | None:
    """What is wrong with the run, in one line, or None."""
    root = ET.parse(report).getroot()  # noqa: S314 - written by our own pytest a moment ago
    skipped = [
        f"{case.get('classname')}.{case.get('name')}"
        for case in root.iter("testcase")
        for skip in case.iter("skipped")
        if skip.get("type") != "pytest.xfail"  # a whole module that is skipped has no type
    ]
    if skipped:
        return f"{len(skipped)} tests skipped, and in CI none may be: {', '.join(skipped)}"
    if not any(each.get("name") == "broker" for each in root.iter("property")):
        return "no test used a real broker"
    return None


if __name__ == "__main__":
    sys.exit(complaint(Path(sys.argv[1])))
